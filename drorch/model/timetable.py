"""When something is to be launched: pure functions of its timetable, its last due time and now.

Promise: whatever became of the process that asks (restarts, sleep, clocks that jump), the same question has the same
answer, and nothing that was missed is made up for more than once. Asking takes as long after years as after a minute.

`last` is the newest due time that was served and is not later than now: a due time that is still to come (the clock
has been put back since) is none, and whoever asks leaves it out. What was served for the very same due time is not due
again. `since` is when the timetable came into force: nothing was due before. All answers are in UTC, so that they may
be compared and be keys, also in the hour that comes twice.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from drorch.model.clockchanges import first_change, shown
from drorch.model.schedule import Schedule, last_time, next_time
from drorch.model.window import Window

HORIZON = timedelta(days=400)
_DAY = timedelta(days=1)


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

    def permits(self, moment: datetime) -> bool:
        """Whether something may begin at an instant."""
        if any(window.holds(moment, self.zone) for window in self.blackout):
            return False
        return not self.allowed or any(window.holds(moment, self.zone) for window in self.allowed)


def next_due(timetable: Timetable, last: datetime | None, since: datetime) -> datetime:
    """The first time it is due after `last`, or after `since` where there is none; after sleep it may have passed.

    An interval is counted from `last`; where there is none, from midnight of Monday 2000-01-03 in the zone.
    """
    interval = timetable.schedule.interval
    if last is not None and interval is not None:
        return last.astimezone(UTC) + interval
    return next_time(timetable.schedule, last or since, timetable.zone).astimezone(UTC)


def due(timetable: Timetable, last: datetime | None, since: datetime, now: datetime) -> datetime | None:
    """The newest time it was due and that was not served yet; None where none has come. Missed ones count once."""
    interval, latest = timetable.schedule.interval, now.astimezone(UTC)
    served = None if last is None else last.astimezone(UTC)
    if served is not None and interval is not None:
        newest = served + (latest - served) // interval * interval
    else:
        newest = last_time(timetable.schedule, latest, timetable.zone).astimezone(UTC)
    return newest if newest > (served or since.astimezone(UTC)) else None


def begins(timetable: Timetable, due_at: datetime) -> datetime | None:
    """When a launch that is due at `due_at` begins: after its jitter, at the first instant that its windows permit.

    The jitter is whole seconds, less than `jitter`, made of the timetable's name and the due time. None where the
    windows permit no instant of the `HORIZON` that follows: they exclude each other, or are over.
    """
    return permitted_from(timetable, due_at.astimezone(UTC) + _jitter(timetable, due_at))


def permitted_from(timetable: Timetable, earliest: datetime) -> datetime | None:
    """The first instant, not before `earliest`, that its windows permit. None as `begins` has it."""
    if timetable.permits(earliest):
        return earliest
    return next((edge for edge in _edges(timetable, earliest) if timetable.permits(edge)), None)


def _jitter(timetable: Timetable, due_at: datetime) -> timedelta:
    said = f"{timetable.name} {due_at.astimezone(UTC).isoformat()}"
    drawn = int.from_bytes(hashlib.sha256(said.encode()).digest()[:8])
    return timedelta(seconds=(drawn * (timetable.jitter // timedelta(microseconds=1)) >> 64) // 1_000_000)


def _edges(timetable: Timetable, after: datetime) -> Iterator[datetime]:
    """The instants later than `after` at which what is permitted may change, in order, as far as the horizon."""
    windows, zone = (*timetable.allowed, *timetable.blackout), timetable.zone
    behind = after
    while behind < after + HORIZON:
        ahead = behind + _DAY
        change = first_change(behind, ahead, zone)
        found = set() if change is None else {change}
        # All days that clocks show meanwhile, also where they are changed at midnight.
        today = shown(ahead, zone).date()
        for day in (today + number * _DAY for number in range(-2, 2)):
            found.update(edge for window in windows for edge in window.edges(day, zone))
        yield from sorted(edge for edge in found if behind < edge <= ahead)
        behind = ahead
