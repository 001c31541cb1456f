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
from drorch.model.timetable import HORIZON, Timetable, begins, due, next_due
from drorch.orchestrator.daemon.roster import Entry, Roster

LATE = timedelta(minutes=5)
"""A launch that begins so much later than it might have is one that was missed and is made up for."""


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
    """The lines of a roster that have a timetable, and when each is due next."""

    def __init__(self, roster: Roster, claims: Claims) -> None:
        self._roster = roster
        self._claims = claims
        self._coming: dict[str, datetime] = {}
        self._looked: datetime | None = None
        self._upcoming: list[Upcoming] | None = None

    def look(self, now: datetime) -> list[Launch]:
        """Claim what is due now. Called at least twice a minute, and whenever something is due."""
        if self._looked is not None and now < self._looked:
            # The clock was put back: what comes next is not what it was.
            self._coming.clear()
        self._looked = now
        return [launch for entry in self._roster.entries if (launch := self._claim_due(entry, now)) is not None]

    def _claim_due(self, entry: Entry, now: datetime) -> Launch | None:
        timetable, work = entry.timetable, entry.work
        if timetable is None:
            return None
        coming = self._coming.get(_key(entry))
        if coming is not None and now < coming:
            return None
        last = self._claims.last_due(work.kind, work.line, now)
        found = due(timetable, last, self._roster.since, now)
        claimed = None
        if found is not None:
            launch = Launch(uuid4().hex, work, Trigger.SCHEDULE, now, _begins(timetable, found, now), found)
            claimed = launch if self._claims.claim(launch) else None
            last = found
        self._coming[_key(entry)] = next_due(timetable, last, self._roster.since)
        self._upcoming = None
        return claimed

    @property
    def next_look(self) -> datetime | None:
        """When something is due next; None where nothing ever is."""
        return min(self._coming.values(), default=None)

    def upcoming(self) -> list[Upcoming]:
        """When each line is due next, the soonest first."""
        if self._upcoming is None:
            self._upcoming = sorted(self._found(), key=lambda one: one.begins)
        return self._upcoming

    def _found(self) -> list[Upcoming]:
        return [
            Upcoming(entry, coming, _begins(entry.timetable, coming, coming))
            for entry in self._roster.entries
            if entry.timetable is not None and (coming := self._coming.get(_key(entry))) is not None
        ]


def _begins(timetable: Timetable, due_at: datetime, now: datetime) -> datetime:
    """When a launch begins; where its windows never let it, at the end of what they were asked about."""
    return max(now, begins(timetable, due_at) or due_at + HORIZON)


def _key(entry: Entry) -> str:
    return f"{entry.work.kind}:{entry.work.line}"


def launched_after(entry: Entry, ended: Launch, now: datetime) -> Launch:
    """The launch of a line that follows another job, whose launch has ended: that end is its due time."""
    return Launch(uuid4().hex, entry.work, Trigger.AFTER, now, now, ended.ended or now)


def is_late(launch: Launch) -> bool:
    """Whether it makes up for a time that was missed."""
    return launch.due is not None and launch.asked - launch.due >= LATE
