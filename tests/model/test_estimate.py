"""What fetching takes: speed from what runs really fetched, money from the price."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from drorch.model.estimate import READ, Fetching, Price, Speed, speed_of
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.units import GIB, MIB

_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _run(seconds: float, fetched: int, *, kind: RunKind = RunKind.RESTORE, started: datetime = _NOON) -> Run:
    ended = started + timedelta(seconds=seconds)
    run = Run("1", "", kind, "web1", started, ended=ended, outcome=RunOutcome.OK)
    return replace(run, counters={READ: fetched})


def test_the_newest_run_that_fetched_enough_tells_the_speed() -> None:
    old = _run(10, 1000 * MIB, started=_NOON - timedelta(days=1))
    new = _run(10, 500 * MIB, kind=RunKind.CHECK)
    tiny = _run(10, 1 * MIB, started=_NOON + timedelta(days=1))
    assert speed_of([old, new, tiny]) == Speed(50.0 * MIB, _NOON + timedelta(seconds=10))


@pytest.mark.parametrize(
    "run",
    [
        _run(0, 500 * MIB),
        _run(10, 500 * MIB, kind=RunKind.BACKUP),
        _run(10, 0),
        replace(_run(10, 500 * MIB), ended=None, outcome=RunOutcome.RUNNING),
        replace(_run(10, 0), counters={}),
    ],
)
def test_other_runs_tell_none(run: Run) -> None:
    assert speed_of([run]) is None


def test_time_and_money() -> None:
    fetching = Fetching(bytes=10 * GIB, requests=2500, packs=640)
    assert fetching.seconds(Speed(float(100 * MIB), _NOON)) == pytest.approx(102.4)
    assert fetching.cost(Price(0.09, 0.4, "EUR")) == pytest.approx(0.9 + 1.0)
