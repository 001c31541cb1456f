"""A job: a source, the targets it is saved to, when, and what is kept there."""

from dataclasses import dataclass, field
from typing import Literal

from drorch.model.conduct import Conduct
from drorch.model.hook import Hook
from drorch.model.names import JOB_TAG, JobName, TargetName
from drorch.model.objective import Objective
from drorch.model.retention import Retention
from drorch.model.schedule import Schedule
from drorch.model.timetable import Timetable
from drorch.secrets import SecretRef

Compression = Literal["auto", "max", "off"]
FileSystemSnapshot = Literal["btrfs", "lvm", "zfs"]


@dataclass(frozen=True, slots=True)
class FilesSpec:
    """Files to save, what is left out of them, and what must be true of them to be worth a snapshot.

    Sizes are bytes. Paths are absolute; patterns are gitignore's. `snapshot` is the kind of file system that is asked
    for a snapshot of its own to read from; None: the files are read where they lie.
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
    snapshot: FileSystemSnapshot | None = None


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """What a command prints, saved as one file.

    `dump` is the command: words, started without a shell. `filename` is the file's name in the snapshot, at its root.
    Fewer than `min_bytes` are no snapshot.
    """

    dump: tuple[str, ...]
    filename: str
    min_bytes: int = 0


SourceSpec = FilesSpec | CommandSpec
"""What a job reads out: one class for each kind of source."""


@dataclass(frozen=True, slots=True)
class Destination:
    """A target of a job, with the timetable and the retention that hold there.

    Without a timetable the job runs for it when its `after` does, or by hand; without retention everything is kept.
    """

    target: TargetName
    timetable: Timetable | None = None
    retention: Retention | None = None

    @property
    def schedule(self) -> Schedule | None:
        """The schedule of its timetable."""
        return None if self.timetable is None else self.timetable.schedule


@dataclass(frozen=True, slots=True)
class Line:
    """Targets of a job that are run together, and what makes them: a timetable, the job `after` which they come.

    They have one of the two, or are run by hand only. `name` is the job's where the job's own schedule is followed,
    `JOB@TARGET` where a target has one of its own.
    """

    name: str
    timetable: Timetable | None
    targets: tuple[TargetName, ...]
    after: JobName | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as configured. `destinations` are in the operator's order: saved to the first, copied to the rest.

    `after` is the job after which it runs, where it follows no timetable. `ping` is the URL of a monitor that is told
    of each run; whoever knows it can speak for the job, so it may be a reference. Of a job that is not `enabled`,
    nothing is run but by hand.
    """

    name: JobName
    source: SourceSpec
    destinations: tuple[Destination, ...]
    objective: Objective = field(default_factory=Objective)
    tags: tuple[str, ...] = ()
    compression: Compression = "auto"
    enabled: bool = True
    after: JobName | None = None
    conduct: Conduct = field(default_factory=Conduct)
    hooks: tuple[Hook, ...] = ()
    ping: str | SecretRef | None = field(default=None, repr=False)

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

    def line_on(self, target: TargetName) -> str:
        """The name of the line that a target is run on. Raises `KeyError` where the job has no such target."""
        timetable = self.on(target).timetable
        return self.name if timetable is None else timetable.name

    def lines(self) -> tuple[Line, ...]:
        """Its lines, each target on one of them, in the operator's order."""
        together: dict[str, list[Destination]] = {}
        for destination in self.destinations:
            together.setdefault(self.line_on(destination.target), []).append(destination)
        return tuple(
            Line(
                name,
                ones[0].timetable,
                tuple(one.target for one in ones),
                self.after if ones[0].timetable is None else None,
            )
            for name, ones in together.items()
        )
