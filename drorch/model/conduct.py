"""How runs are conducted: how often they are tried, how long they may take, what they may use, who goes first."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class Overlap(StrEnum):
    """What becomes of a launch that is due while the same job runs: it waits (one does, not more), or is skipped."""

    QUEUE = "queue"
    SKIP = "skip"


class DiskPriority(StrEnum):
    """How the kernel ranks a run's disk access: ioprio_set(2)."""

    IDLE = "idle"
    LOW = "low"
    NORMAL = "normal"


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a run that failed for a reason that may pass is tried again: `delay` later, then twice that, and so on.

    No delay is longer than `longest`.
    """

    times: int = 0
    delay: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a run may use: `nice` as in nice(2), `memory` in bytes for each of its processes (None: no limit)."""

    nice: int = 10
    disk: DiskPriority = DiskPriority.LOW
    memory: int | None = None


@dataclass(frozen=True, slots=True)
class Conduct:
    """How the runs of a job or of a maintenance are conducted. Of what is due, the higher `priority` goes first."""

    retries: Retries = field(default_factory=Retries)
    max_runtime: timedelta | None = None
    priority: int = 0
    overlap: Overlap = Overlap.QUEUE
    allowance: Allowance = field(default_factory=Allowance)
