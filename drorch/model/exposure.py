"""How old the newest snapshot gets where all goes well: judged before anything goes wrong, from timetable and habit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from drorch.model.run import Run
from drorch.model.timetable import Timetable, begins, next_due

SPAN = timedelta(weeks=5)
"""How far ahead is looked; what is due more rarely is looked at until its next time but one."""

_MOST_TIMES = 4000


@dataclass(frozen=True, slots=True)
class Shortfall:
    """An RPO that is promised and cannot be kept though all goes well.

    `wait` is the longest from the beginning of one run to that of the next, None where the windows let no more begin;
    `usual` is how long it takes until the snapshot is there, None where nothing tells.
    """

    rpo: timedelta
    wait: timedelta | None
    usual: timedelta | None


def shortfall(rpo: timedelta, timetable: Timetable, usual: timedelta | None, now: datetime) -> Shortfall | None:
    """By what a timetable falls short of an RPO; None where it does not.

    Until the next snapshot is there, the newest is as old as the wait from its run to the next and that one's length.
    """
    wait = longest_wait(timetable, now)
    if wait is not None and wait + (usual or timedelta(0)) <= rpo:
        return None
    return Shortfall(rpo, wait, usual)


def longest_wait(timetable: Timetable, now: datetime) -> timedelta | None:
    """The longest from the beginning of one run to that of the next, in the weeks to come (`SPAN`).

    Windows count, and jitter as if it were nothing for the one run and all there is for the next. None where the
    windows let no more begin.
    """
    steady = replace(timetable, jitter=timedelta(0))
    due_at = next_due(steady, None, now)
    end, longest = due_at + SPAN, timedelta(0)
    for _ in range(_MOST_TIMES):
        earliest = begins(steady, due_at)
        due_at = next_due(steady, due_at, now)
        latest = begins(steady, due_at + timetable.jitter)
        if earliest is None or latest is None:
            return None
        longest = max(longest, latest - earliest)
        if due_at > end:
            break
    return longest


def usual_duration(runs: Sequence[Run]) -> timedelta | None:
    """How long runs usually take: the median of those that ended; None where none did."""
    seconds = [run.seconds for run in runs if run.seconds is not None]
    return timedelta(seconds=median(seconds)) if seconds else None
