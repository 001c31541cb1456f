"""Events: what the outside is told while things happen, and the one seam by which it is told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class EventKind(StrEnum):
    """What happened."""

    RUN_STARTED = "run-started"
    RUN_ENDED = "run-ended"
    SNAPSHOT_VANISHED = "snapshot-vanished"
    SNAPSHOT_CHANGED = "snapshot-changed"
    FINDING_OPENED = "finding-opened"
    FINDING_CLOSED = "finding-closed"
    HOLD_SET = "hold-set"
    HOLD_RELEASED = "hold-released"
    RECORD_SPOOLED = "record-spooled"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to `subject`; `message` says it in one line. `run` is the id of the run it happened in."""

    kind: EventKind
    at: datetime
    subject: str
    message: str
    run: str | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


class Observer(Protocol):
    """Whoever wants to hear of events: mail, metrics, notifications, logs."""

    def observe(self, event: Event) -> None:
        """Hear of an event. Never raises: what cannot be told must not fail what happened."""
        ...
