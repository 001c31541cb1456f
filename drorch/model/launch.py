"""A launch: one time that something is run under the daemon's eyes, from the moment it is due until it has ended.

A launch of a job is written down as several runs, one for each target; a launch that never came to begin is none.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drorch.model.names import TargetName
from drorch.model.run import Trigger
from drorch.process.identity import ProcessIdentity


class WorkKind(StrEnum):
    """What is launched: a job, or a check of a target."""

    JOB = "job"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be run.

    `name` is the job's or, where a target is checked, the target's. `line` names the schedule that it follows: the
    job's own, or `JOB@TARGET` where one of its targets has another. `targets` are those it is run on, in order.
    """

    kind: WorkKind
    name: str
    line: str
    targets: tuple[TargetName, ...]


class LaunchState(StrEnum):
    """Where a launch stands. `SKIPPED`: nothing was begun, for the launch's `reason`. `CANCELLED`: ended on request."""

    QUEUED = "queued"
    RUNNING = "running"
    OK = "ok"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in (LaunchState.QUEUED, LaunchState.RUNNING)


class StopCause(StrEnum):
    """Why drorch ends a launch that runs: somebody wants it, it takes too long, or the daemon itself ends."""

    CANCELLED = "cancelled"
    OVERRUN = "overrun"
    SHUTDOWN = "shutdown"


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch.

    `id` is a UUID in 32 hex digits. `due` is the time of the schedule that it serves, None where somebody asked for
    it; kind, line, due and attempt together are unique, so that nothing is launched twice. `begins` is the earliest
    time to start it (jitter, windows and back-off count), `asked` when it was put in the queue. `attempt` counts from
    1. `exit_code` is the child's, None where it had none; `reason` says in one line why it failed or was skipped.
    `process` is the child, while it runs and afterwards.
    """

    id: str
    work: Work
    trigger: Trigger
    asked: datetime
    begins: datetime
    due: datetime | None = None
    attempt: int = 1
    user: str = ""
    state: LaunchState = LaunchState.QUEUED
    started: datetime | None = None
    ended: datetime | None = None
    exit_code: int | None = None
    reason: str = ""
    process: ProcessIdentity | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """No schedule launches anything meanwhile: of one job, or at all (`job` is empty). `until` None: until resumed."""

    job: str
    since: datetime
    by: str
    until: datetime | None = None
    reason: str = ""
