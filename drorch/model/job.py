"""A job: a source, the targets it is saved to, when, and what is kept there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Literal

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
QUIET = timedelta(minutes=5)
"""How long a database's tool may be silent, where a job does not say: then it hangs."""


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
    Fewer than `min_bytes` are no snapshot. `restore` is a command that takes what was printed on its standard input;
    without one, a restore gives the file.
    """

    dump: tuple[str, ...]
    filename: str
    min_bytes: int = 0
    restore: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlSpec:
    """Databases of a PostgreSQL server.

    No `databases`: all of them. `host` is a name, an address or the folder of a socket; what of host, port and user is
    None is as the server's own tools take it. `globals`: roles and tablespaces too. `base`: the files of the whole
    server, in place of what its databases hold. `facts` are queries by name whose answers are recorded. `bin_dir` is
    where the server's tools are; None: where they are found. A tool that is silent for longer than `quiet` hangs.
    Fewer than `min_bytes` are no snapshot.
    """

    kind: ClassVar[Literal["postgresql"]] = "postgresql"
    databases: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: SecretRef | None = None
    globals: bool = True
    base: bool = False
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    bin_dir: str | None = None
    quiet: timedelta = QUIET
    min_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbSpec:
    """Databases of a MariaDB or MySQL server.

    No `databases`: all of them. `socket` is the path of a socket, in place of host and port; what is None is as the
    server's own tools take it. `users`: its accounts too. `physical`: the files of the whole server, in place of what
    its databases hold. The rest is as in `PostgresqlSpec`.
    """

    kind: ClassVar[Literal["mariadb"]] = "mariadb"
    databases: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    user: str | None = None
    password: SecretRef | None = None
    users: bool = True
    physical: bool = False
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    bin_dir: str | None = None
    quiet: timedelta = QUIET
    min_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteSpec:
    """A SQLite database: a file, by its absolute `path`. The rest is as in `PostgresqlSpec`."""

    kind: ClassVar[Literal["sqlite"]] = "sqlite"
    path: str
    facts: Mapping[str, str] = field(default_factory=dict, hash=False)
    min_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSpec:
    """All that a Redis or Valkey server holds. `socket` is the path of a socket, in place of host and port.

    The rest is as in `PostgresqlSpec`.
    """

    kind: ClassVar[Literal["redis"]] = "redis"
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    user: str | None = None
    password: SecretRef | None = None
    bin_dir: str | None = None
    quiet: timedelta = QUIET
    min_bytes: int = 0


DatabaseSpec = PostgresqlSpec | MariadbSpec | SqliteSpec | RedisSpec
"""A database that drorch itself knows how to save and to restore: one class for each kind."""

SourceSpec = FilesSpec | CommandSpec | DatabaseSpec
"""What a job reads out: one class for each kind of source."""


def paths_of(source: SourceSpec) -> tuple[str, ...]:
    """The paths that snapshots of a source name: of a database the folder of its parts, at the snapshot's root."""
    match source:
        case FilesSpec():
            return source.paths
        case CommandSpec():
            return (f"/{source.filename}",)
        case _:
            return (f"/{source.kind}",)


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

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """The secrets of its source, by their keys."""
        password = None if isinstance(self.source, FilesSpec | CommandSpec | SqliteSpec) else self.source.password
        return {} if password is None else {"password": password}

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
