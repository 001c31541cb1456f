"""Events: what the outside is told while things happen, and the one seam by which it is told."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from drorch.model.launch import Launch, WorkKind


class EventKind(StrEnum):
    """What happened."""

    RUN_STARTED = "run-started"
    RUN_ENDED = "run-ended"
    LAUNCH_STARTED = "launch-started"
    LAUNCH_ENDED = "launch-ended"
    OVERDUE = "overdue"
    WELL_AGAIN = "well-again"
    VIGIL_BLIND = "vigil-blind"
    VIGIL_SEES = "vigil-sees"
    PING_FAILED = "ping-failed"
    PING_WORKS = "ping-works"
    SNAPSHOT_VANISHED = "snapshot-vanished"
    SNAPSHOT_CHANGED = "snapshot-changed"
    FINDING_OPENED = "finding-opened"
    FINDING_CLOSED = "finding-closed"
    HOLD_SET = "hold-set"
    HOLD_RELEASED = "hold-released"
    RECORD_SPOOLED = "record-spooled"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to `subject`; `message` says it in one line. `run` is the id of the run it happened in.

    Of a launch it is the launch's id. `job` in `detail` names the job concerned, where there is one.
    """

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


class Observers:
    """Several observers as one: each hears of an event, in order."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        self._observers = tuple(observers)

    def observe(self, event: Event) -> None:
        """Pass an event on."""
        for observer in self._observers:
            observer.observe(event)


def launch_started(launch: Launch) -> Event:
    """The work of a launch has begun."""
    at = launch.started or launch.asked
    detail = {**_of_launch(launch), "trigger": launch.trigger.value}
    return Event(EventKind.LAUNCH_STARTED, at, launch.work.name, f"{_called(launch)} began", launch.id, detail)


def launch_ended(launch: Launch, at: datetime, retry: datetime | None = None) -> Event:
    """A launch is over: it ended, or nothing was begun. `retry` is when the same is tried again, if it is."""
    detail = {**_of_launch(launch), "state": launch.state.value}
    if launch.exit_code is not None:
        detail["exit_code"] = str(launch.exit_code)
    if retry is not None:
        detail["retry"] = retry.isoformat()
    why = f": {launch.reason}" if launch.reason else ""
    again = f"; it is tried again at {retry:%H:%M:%S}" if retry is not None else ""
    message = f"{_called(launch)}: {launch.state}{why}{again}"
    return Event(EventKind.LAUNCH_ENDED, launch.ended or at, launch.work.name, message, launch.id, detail)


def _called(launch: Launch) -> str:
    what = "the check of" if launch.work.kind is WorkKind.CHECK else "job"
    return f"{what} {launch.work.name}" + (f" (attempt {launch.attempt})" if launch.attempt > 1 else "")


def _of_launch(launch: Launch) -> dict[str, str]:
    named = {"job": launch.work.name} if launch.work.kind is WorkKind.JOB else {"check": launch.work.name}
    due = {} if launch.due is None else {"due": launch.due.isoformat()}
    return {**named, **due, "targets": " ".join(launch.work.targets), "attempt": str(launch.attempt)}
