"""What path history is written from and answers with. Paths are raw bytes, absolute, without a slash at the end."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from drorch.ids import SnapshotId
from drorch.model.hold import Lineage


class PathType(IntEnum):
    """What lies at a path. The numbers are stored and never change."""

    FILE = 1
    DIR = 2
    SYMLINK = 3
    OTHER = 4


@dataclass(frozen=True, slots=True)
class PathState:
    """What a path was: two equal states are one version.

    `size` in bytes, 0 for what is not a file; `mtime_ns` in nanoseconds since 1970; `content` is a digest of the
    file's content list (or the link's destination), None where there is none.
    """

    type: PathType
    size: int
    mtime_ns: int
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class PathEntry:
    """A path and what it was; None where it is gone."""

    path: bytes
    state: PathState | None


@dataclass(frozen=True, slots=True)
class RecordedSnapshot:
    """A snapshot as path history knows it. Its copies on other targets are the same to it: `id` is the first one's."""

    id: SnapshotId
    lineage: Lineage
    taken: datetime


@dataclass(frozen=True, slots=True)
class SnapshotListing:
    """A snapshot and everything in it, for a history that is derived anew. `entries` is read once."""

    snapshot: RecordedSnapshot
    entries: Iterable[PathEntry]


@dataclass(frozen=True, slots=True)
class PathVersion:
    """One version of a path and the kept snapshots that have it: how many, the first and the last.

    `ended` is when the first snapshot was taken that no longer showed it; None while the newest one does.
    """

    state: PathState
    first: RecordedSnapshot
    last: RecordedSnapshot
    snapshots: int
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class PathHistory:
    """All versions of one path in one lineage, oldest first. `vanished` is when it was gone; None while it is there."""

    lineage: Lineage
    path: bytes
    versions: tuple[PathVersion, ...]
    vanished: datetime | None


class Match(StrEnum):
    """How a pattern is meant.

    `GLOB`: `*`, `?` and `[...]` as a shell means them; a pattern with a slash is of the whole path, and `**` in it
    crosses slashes; any other is of the name. `SUBSTRING`: anywhere in the path. `NAME`: the name, exactly.
    """

    GLOB = "glob"
    SUBSTRING = "substring"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class PathQuery:
    """What to look for, and where: in every lineage, or in those of a host or a job."""

    pattern: bytes
    match: Match = Match.GLOB
    ignore_case: bool = False
    host: str | None = None
    job: str | None = None
    only_present: bool = False
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class FoundPath:
    """A path that fits, its newest version, and whether the newest snapshot of its lineage still has it."""

    lineage: Lineage
    path: bytes
    newest: PathVersion
    present: bool
