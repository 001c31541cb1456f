"""Where files are read that are known by other paths: in a snapshot of their file system, while the paths stay.

Promise: what is read there has the paths and the device numbers of the live tree, so that a snapshot of drorch's holds
the same whichever way it was made. Nothing is lost where a file system's snapshot ends: what another file system, or a
subvolume that has no snapshot, holds there is read as it is at that moment, and told.
"""

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from drorch.sources.files.paths import join, reachable

OWN_PREFIX = b".drorch-"
_OWN = re.compile(rb"\.drorch-[a-z0-9@_-]+-[0-9a-f]{32}(\.[0-9]+)?")
# btrfs(5): every subvolume's root has the first number; the other is that of the empty folder that stands for a
# subvolume where a snapshot ends.
SUBVOLUME_INODE, _PLACEHOLDER_INODE = 256, 2
_UNFORESEEN = "is a subvolume of its own that was found too late for a snapshot: it was read as it was meanwhile"


class Look(Protocol):
    """What `os.stat` does."""

    def __call__(self, path: bytes, /, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result: ...


class Vantage(Protocol):
    """From where a tree of files is seen."""

    @property
    def devices(self) -> Mapping[int, int]:
        """The device numbers of the live tree, by those of the places it is read from."""
        ...

    def where(self, path: bytes) -> bytes:
        """The place of an absolute path as somebody named it."""
        ...

    def place_of(self, folder: bytes, name: bytes) -> bytes:
        """The place of what the folder at a place holds."""
        ...

    def look_in(self, folder: bytes) -> Look:
        """What tells the status of names in the folder at a place."""
        ...

    def seen(self, status: os.stat_result) -> os.stat_result:
        """A status as the live tree has it."""
        ...

    def reservation(self, place: bytes) -> str | None:
        """What must be told of a folder that is read from a place, in words."""
        ...


class LiveTree:
    """Files are read where they are."""

    devices: Mapping[int, int] = {}

    def where(self, path: bytes) -> bytes:
        """The path itself."""
        return path

    def place_of(self, folder: bytes, name: bytes) -> bytes:
        """The path of a name in a folder."""
        return join(folder, name)

    def look_in(self, folder: bytes) -> Look:  # noqa: ARG002 - all folders are looked at in the same way
        """What the system says."""
        return os.stat

    def seen(self, status: os.stat_result) -> os.stat_result:
        """The status itself."""
        return status

    def reservation(self, place: bytes) -> str | None:  # noqa: ARG002 - there is none anywhere
        """Nothing."""
        return None


LIVE = LiveTree()


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the tree that is read from a place of its own. `root` is its absolute path, free of links.

    A region may be read where it is (`place` is `root`); `reservation` is what must be told of that then.
    """

    root: bytes
    place: bytes
    reservation: str | None = None

    def holds(self, path: bytes) -> bool:
        """Whether an absolute path, free of links, lies in it."""
        return path == self.root or path.startswith(join(self.root, b""))

    def place_in(self, path: bytes) -> bytes:
        """The place of a path that it holds."""
        inner = path[len(self.root) :].lstrip(b"/")
        return join(self.place, inner) if inner else self.place


class FrozenTree:
    """Files of some regions are read elsewhere. Raises `OSError` where the root of one cannot be looked at."""

    def __init__(self, regions: Iterable[Region]) -> None:
        self._regions = sorted(regions, key=lambda region: len(region.root), reverse=True)
        self._doors: dict[bytes, dict[bytes, Region]] = {}
        self.devices: Mapping[int, int] = {
            os.stat(region.place).st_dev: os.stat(region.root).st_dev
            for region in self._regions
            if region.place != region.root
        }
        self._reservations = {region.place: region.reservation for region in self._regions}
        for region in self._regions:
            self._put_door(region)

    def _put_door(self, region: Region) -> None:
        """Note where the region is come upon by whoever walks through the one around it."""
        around = next((one for one in self._regions if one.root != region.root and one.holds(region.root)), None)
        if around is not None:
            folder, _, name = around.place_in(region.root).rpartition(b"/")
            self._doors.setdefault(folder or b"/", {})[name] = region

    def where(self, path: bytes) -> bytes:
        """The place of a path; links above its last part are followed as they are in the live tree."""
        above, _, name = path.rpartition(b"/")
        real = join(os.path.realpath(above or b"/"), name) if name else b"/"
        region = next((region for region in self._regions if region.holds(real)), None)
        return real if region is None else region.place_in(real)

    def place_of(self, folder: bytes, name: bytes) -> bytes:
        """The place of what a folder holds: in it, or where another region is read."""
        door = self._doors.get(folder, {}).get(name)
        return join(folder, name) if door is None else door.place

    def look_in(self, folder: bytes) -> Look:
        """What looks through doors, and finds those that nobody knew of."""

        def look(name: bytes, /, *, dir_fd: int, follow_symlinks: bool) -> os.stat_result:
            door = self._doors.get(folder, {}).get(name)
            if door is None:
                status = os.stat(name, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
                if status.st_ino != _PLACEHOLDER_INODE or not stat.S_ISDIR(status.st_mode) or _OWN.fullmatch(name):
                    return self.seen(status)
                door = self._unforeseen(folder, name)
            with reachable(door.place) as near:
                return self.seen(os.stat(near, follow_symlinks=follow_symlinks))

        return look

    def _unforeseen(self, folder: bytes, name: bytes) -> Region:
        """A new region for a subvolume that stands empty in a snapshot: it is read where it is."""
        met = join(folder, name)
        frozen = [region for region in self._regions if replace(region, root=region.place).holds(met)]
        around = max(frozen, key=lambda region: len(region.place))
        root = Region(around.place, around.root).place_in(met)
        region = Region(root, root, _UNFORESEEN)
        self._regions = sorted([*self._regions, region], key=lambda one: len(one.root), reverse=True)
        self._reservations[root] = _UNFORESEEN
        self._doors.setdefault(folder, {})[name] = region
        return region

    def seen(self, status: os.stat_result) -> os.stat_result:
        """The status with the live tree's device number."""
        return renumbered(status, self.devices)

    def reservation(self, place: bytes) -> str | None:
        """What must be told of the region that begins at a place."""
        return self._reservations.get(place)


def renumbered(status: os.stat_result, devices: Mapping[int, int]) -> os.stat_result:
    """A status with another device number where that is asked for."""
    device = devices.get(status.st_dev)
    if device is None:
        return status
    # What a pickle of it holds: the ten fields of old, and the others by name.
    parts = status.__reduce__()
    assert isinstance(parts, tuple)
    fields, named = parts[1]
    return os.stat_result((*fields[:2], device, *fields[3:]), named)


def is_own_snapshot(name: bytes, status: os.stat_result) -> bool:
    """Whether something is a snapshot that drorch, maybe another run of it, has made to read from."""
    inodes = (SUBVOLUME_INODE, _PLACEHOLDER_INODE)
    return stat.S_ISDIR(status.st_mode) and status.st_ino in inodes and _OWN.fullmatch(name) is not None
