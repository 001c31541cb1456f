"""Whether what is due has begun: judged from a timetable, from what was launched and run, and from the time.

Promise: nothing that should have begun and has not is ever on time. What waits in the daemon's queue is late only
when it has waited for too long: on a busy night, many do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from zoneinfo import ZoneInfo

from drorch.model.launch import Launch, Pause
from drorch.model.names import JobName
from drorch.model.timetable import Timetable, begins, due, next_due

LEEWAY = timedelta(minutes=1)
"""How much later than it may a run may begin, and how far two clocks may be apart."""

LONGEST_WAIT = timedelta(days=1)
"""How long something may wait for its turn, or go on while it is due again."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What is asked of a line: a timetable, or to follow a job; neither: it is run by hand. `since` at the latest."""

    since: datetime
    zone: ZoneInfo
    timetable: Timetable | None = None
    after: JobName | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of how a line went.

    `begun` is when something of it last began, by whatever cause, `under_way` when what goes on now did. `last_due` is
    the newest due time that was claimed, `served` the newest that something began for; `waiting` is what is queued for
    it. `followed` is when the job it follows last ended well. `pause` is the one in force.
    """

    begun: datetime | None = None
    under_way: datetime | None = None
    last_due: datetime | None = None
    served: datetime | None = None
    waiting: Launch | None = None
    followed: datetime | None = None
    pause: Pause | None = None


class Punctuality(Enum):
    """How a line keeps to what is asked of it. `UNKNOWN`: nothing tells; `WAITING`: late, and for a good reason."""

    ON_TIME = auto()
    UNKNOWN = auto()
    WAITING = auto()
    LATE = auto()


@dataclass(frozen=True, slots=True)
class Timing:
    """The judgement, and why, where there is more to say; `since` is when it became late.

    `next_due` is the next time its timetable names, and `next_begin` when it may begin then, or what waits now may.
    """

    punctuality: Punctuality
    reason: str = ""
    since: datetime | None = None
    next_due: datetime | None = None
    next_begin: datetime | None = None


def timing(expected: Expected, course: Course, now: datetime) -> Timing:
    """How a line keeps to what is asked of it, at this time."""
    punctuality, reason, since = _judged(expected, course, now)
    if expected.timetable is None:
        begin = None if course.waiting is None else course.waiting.begins
        return Timing(punctuality, reason, since, next_begin=begin)
    coming = _coming(expected.timetable, expected.since, course, now)
    begin = begins(expected.timetable, coming) if course.waiting is None else course.waiting.begins
    return Timing(punctuality, reason, since, coming.astimezone(expected.zone), begin)


def _coming(timetable: Timetable, since: datetime, course: Course, now: datetime) -> datetime:
    missed = due(timetable, course.last_due, since, now)
    return next_due(timetable, missed or course.last_due, max(since, now))


def _judged(expected: Expected, course: Course, now: datetime) -> tuple[Punctuality, str, datetime | None]:
    begun, zone = course.begun, expected.zone
    if begun is not None and begun > now + LEEWAY:
        return Punctuality.UNKNOWN, f"its last run began at {at(begun, zone)}, which is still to come", None
    unserved = _unserved(expected, course)
    if unserved is None:
        never = "it never ran" if expected.after is None else f"it never ran; it runs after {expected.after}"
        return (Punctuality.UNKNOWN, never, None) if begun is None else (Punctuality.ON_TIME, "", None)
    begin = unserved if expected.timetable is None else begins(expected.timetable, unserved)
    if begin is None:
        return Punctuality.UNKNOWN, f"it is due {at(unserved, zone)}, and none of its windows lets it begin", None
    deadline = begin + LEEWAY
    if now < deadline or (course.pause is not None and course.pause.since < deadline):
        never = f"it never ran; it is due {at(unserved, zone)}"
        return (Punctuality.UNKNOWN, never, None) if begun is None else (Punctuality.ON_TIME, "", None)
    excuse = next(_excuses(expected, course, deadline, now), None)
    was_due = _was_due(expected, unserved)
    if excuse is not None:
        return Punctuality.WAITING, f"it {was_due}, and {excuse}", None
    if begun is None:
        return Punctuality.LATE, f"it never ran, and {was_due}", deadline
    return Punctuality.LATE, f"it {was_due}, and last began {at(begun, zone)}", deadline


def _unserved(expected: Expected, course: Course) -> datetime | None:
    """The first due time, gone by or still to come, that nothing has begun for; None where nothing tells of one."""
    begun, served = course.begun, course.served
    if expected.timetable is not None:
        if served is None:
            return next_due(expected.timetable, None, begun or expected.since)
        # Whatever began after a due time has served it, also where somebody began it by hand.
        meanwhile = due(expected.timetable, served, expected.since, begun) if begun is not None else None
        return next_due(expected.timetable, meanwhile or served, expected.since)
    followed = course.followed
    if expected.after is None or followed is None:
        return None
    known = [moment for moment in (begun, served) if moment is not None]
    return followed if followed > max(known, default=expected.since) else None


def _excuses(expected: Expected, course: Course, deadline: datetime, now: datetime) -> Iterator[str]:
    waiting, timetable = course.waiting, expected.timetable
    if waiting is not None and waiting.begins <= now and (timetable is None or timetable.permits(now)):
        limit = max(deadline, waiting.begins) + LONGEST_WAIT
        if timetable is not None and waiting.due is not None:
            following = begins(timetable, next_due(timetable, waiting.due, expected.since))
            limit = limit if following is None else min(limit, following + LEEWAY)
        if now < limit:
            yield "waits for its turn"
    if course.under_way is not None and now < deadline + LONGEST_WAIT:
        yield f"what began {at(course.under_way, expected.zone)} goes on still"


def _was_due(expected: Expected, unserved: datetime) -> str:
    when = at(unserved, expected.zone)
    return f"was due {when}" if expected.timetable is not None else f"was due when {expected.after} ended {when}"


def at(moment: datetime, zone: ZoneInfo) -> str:
    """A moment as people read it."""
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M %Z}"
