"""A finding: an open fault that somebody has to answer for. It stays open until a person or a success closes it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FindingKind(StrEnum):
    """What was found to be wrong."""

    SNAPSHOT_VANISHED = "snapshot-vanished"
    SNAPSHOT_CHANGED = "snapshot-changed"
    RUN_FAILED = "run-failed"
    RUN_MISSED = "run-missed"
    CHECK_MISSED = "check-missed"
    OBJECTIVE_MISSED = "objective-missed"
    DAMAGE = "damage"
    OTHER_CATALOG = "other-catalog"
    DAEMON_DEAD = "daemon-dead"


class FindingState(StrEnum):
    """Where a finding stands: nobody has seen it, somebody has, it is over."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Comment:
    """What a person (or drorch itself) said about a finding."""

    at: datetime
    user: str
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, from when it was found until it was closed.

    `id` is a UUID in 32 hex digits. `subject` names what is at fault in a form that stays the same from one look to
    the next: at most one finding of a kind is open about a subject. `run` is the id of the run that found it.
    """

    id: str
    kind: FindingKind
    subject: str
    message: str
    opened: datetime
    state: FindingState = FindingState.OPEN
    assignee: str = ""
    run: str | None = None
    closed: datetime | None = None
    comments: tuple[Comment, ...] = ()
