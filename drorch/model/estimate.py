"""What it takes to fetch something from a target: time at the speed that was measured there, and money."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drorch.model.run import Run, RunKind, RunOutcome
from drorch.units import GIB, MIB

READ = "bytes_read"
"""The counter of a run that says how many bytes it fetched from its target."""

_LEAST_BYTES = 4 * MIB
"""What a run must have fetched to tell a speed: below that, it tells how long it takes to begin."""

FETCHING = frozenset({RunKind.RESTORE, RunKind.CHECK})
"""The kinds of runs that fetch, and so tell a speed."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider charges for fetching, in units of `currency`, an ISO 4217 code."""

    per_gib: float
    per_1000_requests: float
    currency: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Bytes a second that a run fetched, and when that was."""

    bytes_per_second: float
    measured: datetime


@dataclass(frozen=True, slots=True)
class Fetching:
    """What is to be fetched: bytes, in so many requests, out of so many packs."""

    bytes: int
    requests: int
    packs: int

    def seconds(self, speed: Speed) -> float:
        """How long it takes at this speed."""
        return self.bytes / speed.bytes_per_second

    def cost(self, price: Price) -> float:
        """What it costs, in the price's currency."""
        return self.bytes / GIB * price.per_gib + self.requests / 1000 * price.per_1000_requests


def speed_of(runs: Iterable[Run]) -> Speed | None:
    """The speed that the newest of these runs tells; None where none of them fetched enough to tell one."""
    told = [run for run in runs if _tells(run)]
    if not told:
        return None
    newest = max(told, key=lambda run: run.started)
    assert newest.ended is not None
    assert newest.seconds is not None
    return Speed(newest.counters[READ] / newest.seconds, newest.ended)


def _tells(run: Run) -> bool:
    fetched = run.kind in FETCHING and run.outcome is not RunOutcome.RUNNING
    return fetched and bool(run.seconds) and run.counters.get(READ, 0) >= _LEAST_BYTES
