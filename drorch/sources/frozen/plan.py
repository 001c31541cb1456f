"""What is made so that files can be read as they were at one moment, as values: commands, and how to undo them."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from drorch.sources.files.paths import join
from drorch.sources.files.vantage import Region
from drorch.sources.frozen.mounts import Mount, mount_of

Argv = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is made, and how it is unmade.

    `shows` succeeds while the thing is there, `holder` while it could be there at all: where what holds it is not to be
    had, nobody knows (empty: it always is). `folder` is made before and removed after. `subvolume` must be the root of
    one, and no link to another, when it is removed.
    """

    make: Argv
    unmake: Argv
    shows: Argv
    holder: Argv = ()
    folder: bytes | None = None
    subvolume: bytes | None = None


@dataclass(frozen=True, slots=True)
class FreezePlan:
    """What is made, in this order, and from where each part of the tree is read then."""

    steps: tuple[Step, ...]
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True)
class Territory:
    """What is to be frozen: `paths`, free of links, on what is mounted.

    `leaves_out` says of a folder whether the backup leaves it out. `name` names all snapshots that are made; `folder`
    is a place for mount points.
    """

    paths: tuple[bytes, ...]
    mounts: tuple[Mount, ...]
    name: str
    folder: bytes
    leaves_out: Callable[[bytes], bool]

    def holding(self) -> dict[bytes, Mount]:
        """The mount that holds each path."""
        return {path: mount_of(path, self.mounts) for path in self.paths}

    def below(self) -> tuple[Mount, ...]:
        """Mounts below the paths."""
        return tuple(mount for mount in self.mounts if any(is_below(mount.point, path) for path in self.paths))


def is_below(path: bytes, other: bytes) -> bool:
    """Whether a path leads further down than another one."""
    return path != other and path.startswith(join(other, b""))


def live(mount: Mount) -> Region:
    """A mount that is read as it is, which is told where it is read at all."""
    return Region(
        mount.point, mount.point, f"is on a file system of its own ({mount.kind}) and was read without a snapshot"
    )


def word(path: bytes) -> str:
    """A path as a word of a command."""
    return os.fsdecode(path)
