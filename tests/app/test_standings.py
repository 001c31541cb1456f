"""What the daemon looks at every minute: launches, pauses, checks and jobs that follow, from a real catalog."""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from drorch.app.catalogs import opened_catalog
from drorch.app.configuration import load
from drorch.app.patrol import Patrol
from drorch.app.standings import Look, look
from drorch.app.status import status
from drorch.catalog.open import Catalog
from drorch.config.configuration import Configuration
from drorch.model.event import Event, EventKind
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.names import target_name
from drorch.model.run import Run, RunKind, RunOutcome, Trigger
from drorch.model.standing import Condition
from drorch.reporting.monitor import monitor
from drorch.reporting.pings import Monitors, Pinger
from tests.app.test_status import wrote
from tests.doubles import FakeClock
from tests.servers.monitor import MonitorServer

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
NIGHT = NOON.replace(hour=2, minute=30)
WRITTEN = NOON - timedelta(days=30)
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[Configuration]:
    """Job homes nightly on one and every 4h on two, job mirror after it, a weekly check of one."""
    (tmp_path / "jobs.toml").write_text(
        f"""
        [drorch]
        state_dir = "{tmp_path}/state"
        host = "web1"
        timezone = "UTC"
        [targets.one]
        type = "local"
        path = "{tmp_path}/one"
        password = {{ env = "X" }}
        [targets.two]
        type = "local"
        path = "{tmp_path}/two"
        password = {{ env = "X" }}
        [jobs.homes]
        source = {{ type = "files", paths = ["/home"] }}
        targets = ["one", "two"]
        schedule = "30 2 * * *"
        on.two = {{ schedule = "every 4h" }}
        [jobs.mirror]
        source = {{ type = "files", paths = ["/etc"] }}
        targets = ["one"]
        after = "homes"
        [maintenance.one]
        check = {{ schedule = "30 2 * * 2", parts = 7 }}
        """
    )
    tmp_path.chmod(0o700)
    os.utime(tmp_path / "jobs.toml", (WRITTEN.timestamp(),) * 2)
    yield load(str(tmp_path / "jobs.toml"))


@pytest.fixture
def catalog(configuration: Configuration) -> Iterator[Catalog]:
    with opened_catalog(configuration) as opened:
        yield opened


def launch(line: str, target: str, due: datetime, state: LaunchState = LaunchState.OK, **more: object) -> Launch:
    kind = WorkKind.CHECK if line == target else WorkKind.JOB
    work = Work(kind, line.partition("@")[0], line, (target_name(target),))
    began = due + MINUTE / 2 if state is not LaunchState.QUEUED else None
    ended = None if began is None or state is LaunchState.RUNNING else began + MINUTE
    made = Launch(uuid.uuid4().hex, work, Trigger.SCHEDULE, due, due, due, state=state, started=began, ended=ended)
    return replace(made, **more)  # type: ignore[arg-type]


def seen(configuration: Configuration, catalog: Catalog, now: datetime = NOON) -> dict[str, Condition]:
    found: Look = look(configuration, catalog, now)
    return {one.subject: one.condition for one in found.judged}


def test_each_line_is_judged_by_its_own_launches(configuration: Configuration, catalog: Catalog) -> None:
    for target in ("one", "two"):
        wrote(configuration, "homes", target, NIGHT + MINUTE)
    catalog.launches.claim(launch("homes", "one", NIGHT))
    odd = NIGHT - 4 * HOUR
    catalog.launches.claim(launch("homes@two", "two", odd))
    found = look(configuration, catalog, NIGHT + 3 * HOUR)
    one, two = found.standings[:2]
    assert (one.condition, one.next_due) == (Condition.OK, NIGHT + DAY)
    assert (two.condition, two.next_due) == (Condition.OK, odd + 8 * HOUR)
    found = look(configuration, catalog, odd + 8 * HOUR + 2 * MINUTE)
    assert [standing.condition for standing in found.standings[:2]] == [Condition.OK, Condition.OVERDUE]


def test_a_launch_that_failed_or_waits_is_seen(configuration: Configuration, catalog: Catalog) -> None:
    wrote(configuration, "homes", "one", NIGHT - DAY)
    catalog.launches.claim(launch("homes", "one", NIGHT, LaunchState.FAILED, reason="killed by signal 9"))
    standing = look(configuration, catalog, NOON).standings[0]
    assert standing.reasons == ("its last launch failed: killed by signal 9",)
    catalog.launches.claim(launch("homes", "one", NIGHT + DAY, LaunchState.QUEUED))
    standing = look(configuration, catalog, NOON + DAY).standings[0]
    assert "it was due 2026-03-11 02:30 UTC, and waits for its turn" in standing.reasons


def test_a_job_is_due_when_the_one_it_follows_ends_well(configuration: Configuration, catalog: Catalog) -> None:
    wrote(configuration, "mirror", "one", NIGHT - HOUR)
    catalog.launches.claim(launch("homes", "one", NIGHT, LaunchState.FAILED))
    assert seen(configuration, catalog)["mirror@one"] is Condition.OK
    first = launch("homes", "one", NIGHT, attempt=2)
    catalog.launches.claim(first)
    assert seen(configuration, catalog)["mirror@one"] is Condition.OVERDUE
    assert first.ended is not None
    catalog.launches.claim(launch("mirror", "one", first.ended))
    assert seen(configuration, catalog)["mirror@one"] is Condition.OK


def test_a_check_and_the_pause_of_everything(configuration: Configuration, catalog: Catalog) -> None:
    assert seen(configuration, catalog)["check@one"] is Condition.OVERDUE
    catalog.launches.claim(launch("one", "one", NIGHT))
    run = Run(uuid.uuid4().hex, "", RunKind.CHECK, "web1", NIGHT + MINUTE, "one", NOON, RunOutcome.OK)
    catalog.ledger.begin(run)
    assert seen(configuration, catalog)["check@one"] is Condition.OK
    catalog.launches.pause(Pause("", NOON, "joe", NOON + 2 * DAY))
    paused = seen(configuration, catalog, NOON + DAY)
    assert paused["check@one"] is Condition.ATTENTION
    found = status(configuration, FakeClock(NOON + DAY))
    assert [pause.by for pause in found.pauses] == ["joe"]
    assert [one.condition for one in found.maintenance] == [Condition.ATTENTION]
    assert found.overdue


CANCELLED = LaunchState.CANCELLED


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, Condition.ATTENTION), ({"asked": NIGHT + 3 * HOUR}, Condition.OVERDUE), ({"due": None}, Condition.OVERDUE)],
    ids=["begun when it was due", "begun when it was overdue", "begun by hand"],
)
def test_who_cancels_hears_of_it_only_what_was_overdue_before(
    configuration: Configuration, catalog: Catalog, more: dict[str, Any], expected: Condition
) -> None:
    wrote(configuration, "homes", "one", NIGHT - DAY + MINUTE)
    catalog.launches.claim(launch("homes", "one", NIGHT - DAY))
    catalog.launches.claim(replace(launch("homes", "one", NIGHT, CANCELLED), **more))
    wrote(configuration, "homes", "one", more.get("asked", NIGHT) + MINUTE, RunOutcome.CANCELLED)
    standing = look(configuration, catalog, NOON).standings[0]
    assert standing.condition is expected
    assert "its last run came to nothing" in standing.reasons
    assert standing.record.last_run is not None
    assert standing.record.last_run.outcome is RunOutcome.CANCELLED
    # What comes next is asked for as ever.
    assert seen(configuration, catalog, NOON + DAY)["homes@one"] is Condition.OVERDUE


def test_a_cancelled_check_is_judged_likewise(configuration: Configuration, catalog: Catalog) -> None:
    catalog.launches.claim(launch("one", "one", NIGHT, CANCELLED))
    run = Run(uuid.uuid4().hex, "", RunKind.CHECK, "web1", NIGHT + MINUTE, "one", NOON, RunOutcome.CANCELLED)
    catalog.ledger.begin(run)
    assert seen(configuration, catalog)["check@one"] is Condition.ATTENTION
    assert seen(configuration, catalog, NOON + 7 * DAY)["check@one"] is Condition.OVERDUE


@dataclass
class Ear:
    events: list[Event] = field(default_factory=list)

    def observe(self, event: Event) -> None:
        self.events.append(event)


def test_the_round_of_the_daemon_tells_everybody(configuration: Configuration, catalog: Catalog) -> None:
    ear, clock = Ear(), FakeClock(NOON)
    with MonitorServer() as server:
        own = monitor("the daemon", f"{server.url}/c4nary-own-monitor")
        with Pinger(Monitors(own=own), ear, clock) as pinger:
            patrol = Patrol(lambda: configuration, lambda: catalog, ear, pinger, clock)
            patrol.make_round()
            server.wait_for(1)
            clock.advance(60)
            patrol.make_round()
            server.wait_for(2)
        assert [one.signal for one in server.heard] == ["c4nary-own-monitor", "fail"]
        assert "check@one: it never ran, and was due 2026-02-10 02:30 UTC" in server.heard[1].body
    overdue = {event.subject for event in ear.events if event.kind is EventKind.OVERDUE}
    assert overdue == {"homes@one", "homes@two", "check@one"}
    assert {one.subject for one in catalog.queries.findings()} == overdue
