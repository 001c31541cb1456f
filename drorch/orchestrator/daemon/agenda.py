"""What is due: asked of the timetables, and claimed before anything is launched, so that nothing is launched twice.

When something is due is a pure function (model/timetable.py); here is remembered what was asked last, so that a look
at an agenda on which nothing is due costs nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import uuid4

from drorch.model.launch import Launch, WorkKind
from drorch.model.run import Trigger
from drorch.model.timetable import HORIZON, Timetable, begins, due, next_due, permitted_from
from drorch.orchestrator.daemon.roster import Entry, Roster

LATE = timedelta(minutes=5)
"""A launch that begins so much later than it might have is one that was missed and is made up for."""
_INSTANT = timedelta(microseconds=1)
_SHORTEST = timedelta(seconds=1)


class Claims(Protocol):
    """What was launched before, and the right to be the one who launches something."""

    def last_due(self, kind: WorkKind, line: str, now: datetime) -> datetime | None:
        """The newest due time of a line that was claimed and is not still to come."""
        ...

    def claim(self, launch: Launch) -> bool:
        """Take a due time; whether nobody had it."""
        ...


@dataclass(frozen=True, slots=True)
class Upcoming:
    """When a line is due next, and when it may begin then."""

    entry: Entry
    due: datetime
    begins: datetime


class Agenda:
    """The lines of a roster that have a timetable, and when each is due next.

    A due time is claimed when its launch may begin, not before: of those that come while windows keep a line waiting,
    the newest is launched and none is skipped.
    """

    def __init__(self, roster: Roster, claims: Claims) -> None:
        self._roster = roster
        self._claims = claims
        self._coming: dict[str, Upcoming] = {}
        self._looked: datetime | None = None

    def look(self, now: datetime) -> list[Launch]:
        """Claim what may begin now. Called at least twice a minute, and when `next_look` has come."""
        if self._looked is not None and now < self._looked:
            # The clock was put back: what comes next is not what it was.
            self._coming.clear()
        self._looked = now
        return [launch for entry in self._roster.entries if (launch := self._claim_due(entry, now)) is not None]

    def _claim_due(self, entry: Entry, now: datetime) -> Launch | None:
        timetable, work = entry.timetable, entry.work
        coming = self._coming.get(_key(entry))
        if timetable is None or (coming is not None and now < coming.begins):
            return None
        last = self._claims.last_due(work.kind, work.line, now)
        ready = _newest_ready(timetable, last, self._roster.since, now)
        claimed = None
        if ready is not None:
            launch = Launch(uuid4().hex, work, Trigger.SCHEDULE, now, _begins(timetable, ready), ready)
            claimed = launch if self._claims.claim(launch) else None
            last = ready
        due_next = next_due(timetable, last, self._roster.since)
        opens = permitted_from(timetable, now) or now + HORIZON
        begins_next = max(_begins(timetable, due_next), opens, now + _SHORTEST)
        self._coming[_key(entry)] = Upcoming(entry, due_next, begins_next)
        return claimed

    @property
    def next_look(self) -> datetime | None:
        """When something begins next; None where nothing ever does."""
        return min((one.begins for one in self._coming.values()), default=None)

    def upcoming(self) -> list[Upcoming]:
        """When each line is due next, the soonest first."""
        return sorted(self._coming.values(), key=lambda one: one.begins)


def _newest_ready(timetable: Timetable, last: datetime | None, since: datetime, now: datetime) -> datetime | None:
    """The newest time that was not served and whose launch may begin by now; None where there is none, or not now."""
    until = now
    while timetable.permits(now) and (found := due(timetable, last, since, until)) is not None:
        if _begins(timetable, found) <= now:
            return found
        until = found - _INSTANT
    return None


def _begins(timetable: Timetable, due_at: datetime) -> datetime:
    """When a launch begins; where its windows never let it, at the end of what they were asked about."""
    return begins(timetable, due_at) or due_at + HORIZON


def _key(entry: Entry) -> str:
    return f"{entry.work.kind}:{entry.work.line}"


def launched_after(entry: Entry, ended: Launch, now: datetime) -> Launch:
    """The launch of a line that follows another job, whose launch has ended: that end is its due time."""
    return Launch(uuid4().hex, entry.work, Trigger.AFTER, now, now, ended.ended or now)


def is_late(launch: Launch) -> bool:
    """Whether it makes up for a time that was missed, or for what was cut off."""
    return launch.due is not None and (launch.attempt > 1 or launch.asked - launch.begins >= LATE)
