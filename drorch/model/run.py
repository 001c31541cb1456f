"""A run: one execution of anything, and how it ended. What a run says happened is what really happened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from drorch.errors import Problem
from drorch.ids import SnapshotId


class RunKind(StrEnum):
    """What a run did."""

    BACKUP = "backup"
    COPY = "copy"
    RESTORE = "restore"
    CHECK = "check"
    FORGET = "forget"
    PRUNE = "prune"


class RunOutcome(StrEnum):
    """How a run ended, or that it has not.

    `INCOMPLETE`: a snapshot was saved, but some source data could not be read, or some snapshots could not be copied.
    `SKIPPED`: nothing was begun, for a reason among the run's problems. `CANCELLED`: somebody wanted it to end; that is
    no fault, and nothing that was to be done is done. None of these is ever shown as `OK`.
    """

    RUNNING = "running"
    OK = "ok"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    """What made a run begin: somebody, a schedule, or the end of the run that it follows."""

    HAND = "hand"
    SCHEDULE = "schedule"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of anything.

    `id` is a UUID in 32 hex digits, chosen by whoever begins the run. `job` is empty where none was named (an ad hoc
    backup), `target` where none was reached. Times carry a time zone. `counters` are sums by name, bytes and pieces
    alike (`bytes_added`, `files_new`). `config_hash` is the hash in hex of the configuration that was in force,
    empty where there was none; `versions` names the tools that took part. `user` is who began it. `launch` is the id of
    the launch it belongs to, empty where none was made for it.
    """

    id: str
    job: str
    kind: RunKind
    host: str
    started: datetime
    target: str = ""
    ended: datetime | None = None
    outcome: RunOutcome = RunOutcome.RUNNING
    snapshot: SnapshotId | None = None
    counters: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    config_hash: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    trigger: Trigger = Trigger.HAND
    user: str = ""
    launch: str = ""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.ended is None else (self.ended - self.started).total_seconds()
