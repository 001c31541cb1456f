"""What the daemon does for whoever asks, and what it tells of itself. The daemon's core fits `Control`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from drorch.model.launch import Launch, Pause, Work
from drorch.model.names import JobName, TargetName
from drorch.orchestrator.doer import Doer


@dataclass(frozen=True, slots=True)
class Identity:
    """Which daemon this is: its version, the real paths of its configuration and state_dir, and the digest in force."""

    version: str
    config: Path
    state_dir: Path
    digest: str


@dataclass(frozen=True, slots=True)
class Going:
    """A launch that runs or waits. `progress` is what its worker said last (kind, target, counters), if anything."""

    launch: Launch
    progress: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Coming:
    """When a line is due next, and the earliest that it will begin."""

    work: Work
    due: datetime
    begins: datetime


@dataclass(frozen=True, slots=True)
class DaemonStanding:
    """How the daemon stands.

    `since` is when it started, `reloaded` when it last took over a configuration after that; `refused` says in one
    line what is wrong with a newer one that it does not take over, empty where there is none. Where it is `draining`,
    it stops as soon as what runs has ended.
    """

    identity: Identity
    pid: int
    since: datetime
    reloaded: datetime | None = None
    refused: str = ""
    draining: bool = False
    going: tuple[Going, ...] = ()
    coming: tuple[Coming, ...] = ()
    pauses: tuple[Pause, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOrder:
    """Jobs to be run now, on one of their targets or (None) on all. The names have the form of names, no more."""

    jobs: tuple[JobName, ...]
    target: TargetName | None


@dataclass(frozen=True, slots=True)
class PauseOrder:
    """Jobs whose schedules are to rest, or (none) all of them; `until` None: until they are resumed."""

    jobs: tuple[JobName, ...]
    until: datetime | None
    reason: str


class Control(Protocol):
    """What the daemon's core does when it is asked to.

    All methods return at once. Each raises a `DrorchError` where it refuses: its message, hint and exit code go to
    whoever asked. What changes anything is written in the audit log under the `doer`'s name.
    """

    def identity(self) -> Identity:
        """Which daemon this is."""
        ...

    def standing(self) -> DaemonStanding:
        """How things stand."""
        ...

    def run(self, order: RunOrder, doer: Doer) -> Sequence[Launch]:
        """Queue a launch for each job; those that come to nothing at once are over already when they are returned.

        Raises `ConfigError` for a job or a target that does not exist, before anything is queued.
        """
        ...

    def pause(self, order: PauseOrder, doer: Doer) -> Sequence[Pause]:
        """Let schedules rest. Raises `ConfigError` for a job that does not exist."""
        ...

    def resume(self, jobs: Sequence[JobName], doer: Doer) -> Sequence[Pause]:
        """End pauses, all of them where no job is named; those that were ended."""
        ...

    def cancel(self, what: str, doer: Doer) -> Sequence[Launch]:
        """Stop or unqueue what has this name as a job, or else the launch whose id begins so; those that are meant.

        Raises `UsageError` where there is none, or where several ids begin so.
        """
        ...

    def reload(self, doer: Doer) -> Identity:
        """Take over the configuration as it is now. Raises `ConfigError`; then the old one stays in force."""
        ...
