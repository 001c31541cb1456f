"""When something is to be launched: pure functions of its timetable, its last due time and now.

Promise: whatever became of the process that asks (restarts, sleep, clocks that jump), the same question has the same
answer, and nothing that was missed is made up for more than once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from drorch.model.schedule import Schedule, next_time
from drorch.model.window import Window


@dataclass(frozen=True, slots=True)
class Timetable:
    """A schedule, the zone it is read in, and when what is due may begin.

    `name` seeds the jitter: the same for the same due time, whoever asks. Where `allowed` is not empty, a launch
    begins in one of these windows; it never begins in one of `blackout`.
    """

    name: str
    schedule: Schedule
    zone: ZoneInfo
    jitter: timedelta = timedelta(0)
    allowed: tuple[Window, ...] = ()
    blackout: tuple[Window, ...] = ()


def next_due(timetable: Timetable, last: datetime | None, since: datetime) -> datetime:
    """The first time it is due after `last`, the newest one that was served, or after `since` where none was."""
    return next_time(timetable.schedule, last or since, timetable.zone)


def due(timetable: Timetable, last: datetime | None, since: datetime, now: datetime) -> datetime | None:
    """The newest time it was due and that was not served yet; None where none has come. Missed ones count once."""
    found = None
    coming = next_due(timetable, last, since)
    while coming <= now:
        found, coming = coming, next_due(timetable, coming, since)
    return found
