"""A job: a source, the targets it is saved to, when, and what is kept there."""

from dataclasses import dataclass, field
from typing import Literal

from drorch.model.names import JOB_TAG, JobName, TargetName
from drorch.model.objective import Objective
from drorch.model.retention import Retention
from drorch.model.schedule import Schedule

Compression = Literal["auto", "max", "off"]


@dataclass(frozen=True, slots=True)
class FilesSpec:
    """Files to save, what is left out of them, and what must be true of them to be worth a snapshot.

    Sizes are bytes. Paths are absolute; patterns are gitignore's.
    """

    paths: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    iexclude: tuple[str, ...] = ()
    exclude_file: tuple[str, ...] = ()
    exclude_if_present: tuple[str, ...] = ()
    exclude_caches: bool = False
    exclude_larger_than: int | None = None
    one_file_system: bool = False
    min_files: int = 0
    min_bytes: int = 0
    expect_mount: tuple[str, ...] = ()
    allow_empty: bool = False


SourceSpec = FilesSpec
"""What a job reads out: one class for each kind of source."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A target of a job, with the schedule and the retention that hold there; None: by hand only, and keep all."""

    target: TargetName
    schedule: Schedule | None = None
    retention: Retention | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as configured. `destinations` are in the operator's order: saved to the first, copied to the rest."""

    name: JobName
    source: SourceSpec
    destinations: tuple[Destination, ...]
    objective: Objective = field(default_factory=Objective)
    tags: tuple[str, ...] = ()
    compression: Compression = "auto"
    enabled: bool = True

    @property
    def targets(self) -> tuple[TargetName, ...]:
        """The names of its targets, in the operator's order."""
        return tuple(destination.target for destination in self.destinations)

    @property
    def tag(self) -> str:
        """The tag that says whose a snapshot is."""
        return f"{JOB_TAG}{self.name}"

    def on(self, target: TargetName) -> Destination:
        """What holds on one of its targets. Raises `KeyError` where it has no such target."""
        for destination in self.destinations:
            if destination.target == target:
                return destination
        raise KeyError(target)
