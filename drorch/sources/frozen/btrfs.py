"""Snapshots on btrfs: one of each subvolume that is read. btrfs-subvolume(8).

A snapshot ends where another subvolume begins, so each has one of its own, made one after the other. A read-only
subvolume is read where it is: it does not change.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drorch.errors import SourceUnavailable
from drorch.sources.files.paths import join
from drorch.sources.files.vantage import SUBVOLUME_INODE, Region, is_own_snapshot
from drorch.sources.frozen.mounts import Mount, mount_of
from drorch.sources.frozen.plan import Argv, FreezePlan, Step, Territory, is_below, live, word

KIND = "btrfs"


@dataclass(frozen=True, slots=True)
class Subvolumes:
    """Subvolumes to be read. For the root of each that holds a path: the roots of those within, and which are fixed.

    A fixed one is read-only. `parts` are mount points that show a folder of one: the folder, by its path in the root.
    """

    nested: Mapping[bytes, Mapping[bytes, bool]]
    parts: Mapping[bytes, tuple[bytes, bytes]] = field(default_factory=dict)


def survey(territory: Territory, ask: Callable[[Argv], bytes]) -> Subvolumes:
    """Find the subvolumes. Raises `SourceUnavailable` where a path is not on btrfs, or no subvolume can be listed."""
    found: dict[bytes, dict[bytes, bool]] = {}
    parts: dict[bytes, tuple[bytes, bytes]] = {}
    for path, mount in territory.holding().items():
        if mount.kind != KIND:
            raise SourceUnavailable(
                f"{word(path)} is on {mount.kind}, not on btrfs", hint="Leave snapshot out, or name the right kind."
            )
        if not _find(path, mount, territory, found, parts):
            raise SourceUnavailable(
                f"the root of the subvolume that holds {word(path)} is not mounted",
                hint=f"Mount the whole subvolume, not only a folder of it at {word(mount.point)}.",
            )
    for mount in territory.below():
        if mount.kind == KIND and not territory.leaves_out(mount.point):
            _find(mount.point, mount, territory, found, parts)
    for root in found:
        found[root] = _nested_in(root, territory, ask)
    return Subvolumes(found, parts)


def _find(
    path: bytes,
    mount: Mount,
    territory: Territory,
    found: dict[bytes, dict[bytes, bool]],
    parts: dict[bytes, tuple[bytes, bytes]],
) -> bool:
    """Note the subvolume that holds a path; whether its root can be reached, on this mount or another one."""
    root = subvolume_of(path, mount)
    if root is not None:
        found[root] = {}
        return True
    # A folder that is mounted once more: by hand, or where a service is kept from writing to it.
    for whole in sorted(territory.mounts, key=lambda one: len(one.root), reverse=True):
        if whole.device == mount.device and is_below(mount.root, whole.root):
            elsewhere = join(whole.point, mount.root[len(whole.root) :].lstrip(b"/"))
            root = subvolume_of(elsewhere, whole)
            if root is not None:
                found[root] = {}
                parts[mount.point] = (root, elsewhere[len(root) :].lstrip(b"/"))
                return True
    return False


def subvolume_of(path: bytes, mount: Mount) -> bytes | None:
    """The root of the subvolume that holds a path on a mount; None where only a part of it is mounted there."""
    while mount.covers(path):
        try:
            if _is_subvolume(os.lstat(path)):
                return path
        except OSError:
            # What is missing is no reason: the walk will say so. What holds it is asked.
            pass
        if path == mount.point:
            break
        path = path.rpartition(b"/")[0] or b"/"
    return None


def _is_subvolume(status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and status.st_ino == SUBVOLUME_INODE


def _nested_in(root: bytes, territory: Territory, ask: Callable[[Argv], bytes]) -> dict[bytes, bool]:
    """Subvolumes within another one that are reached on the same mount and belong to what is read."""
    mount = mount_of(root, territory.mounts)
    fixed = set(_listed(ask(("btrfs", "subvolume", "list", "-r", word(root)))))
    found = {}
    for name in _listed(ask(("btrfs", "subvolume", "list", word(root)))):
        path = join(root, name)
        try:
            status = os.lstat(path)
        except OSError:
            continue
        if not _is_subvolume(status) or is_own_snapshot(path.rpartition(b"/")[2], status):
            continue
        wanted = any(is_below(path, one) for one in territory.paths)
        seen = _in_file_system(path, mount_of(path, territory.mounts)) == _in_file_system(path, mount)
        if wanted and seen and not territory.leaves_out(path):
            found[path] = name in fixed
    return found


def _in_file_system(path: bytes, mount: Mount) -> tuple[str, bytes]:
    """The device, and the path on it, of what a mount shows at a path."""
    inner = path[len(mount.point) :].lstrip(b"/")
    return mount.device, join(mount.root, inner) if inner else mount.root


def _listed(output: bytes) -> list[bytes]:
    """Names from `btrfs subvolume list`, relative to the one that was asked: `ID 257 gen 8 top level 5 path NAME`."""
    return [line.partition(b" path ")[2] for line in output.splitlines() if b" path " in line]


def plan(territory: Territory, subvolumes: Subvolumes) -> FreezePlan:
    """A snapshot of each subvolume that is not read-only, in the root of the one around it all."""
    steps: list[Step] = []
    regions: list[Region] = []
    place_of: dict[bytes, bytes] = {}
    for root, nested in subvolumes.nested.items():
        for path in [root, *(path for path, fixed in nested.items() if not fixed)]:
            name = f".{territory.name}{f'.{len(steps)}' if steps else ''}"
            place = join(root, os.fsencode(name))
            place_of[path] = place
            steps.append(_step(path, place, root))
            regions.append(Region(path, place))
        regions += [Region(path, path) for path, fixed in nested.items() if fixed]
    regions += [Region(point, join(place_of[root], folder)) for point, (root, folder) in subvolumes.parts.items()]
    known = {region.root for region in regions}
    regions += [live(mount) for mount in territory.below() if mount.point not in known]
    return FreezePlan(tuple(steps), tuple(regions))


def _step(path: bytes, place: bytes, root: bytes) -> Step:
    return Step(
        make=("btrfs", "subvolume", "snapshot", "-r", word(path), word(place)),
        unmake=("btrfs", "subvolume", "delete", word(place)),
        shows=("btrfs", "subvolume", "show", word(place)),
        holder=("btrfs", "subvolume", "show", word(root)),
        subvolume=place,
    )
