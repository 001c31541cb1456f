"""Snapshots on LVM: one of each logical volume that is read, mounted read-only. lvcreate(8).

Not tested on real volumes: what is planned is compared with lvmraid(7), lvcreate(8), xfs(5) and ext4(5).
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drorch.errors import SourceUnavailable
from drorch.sources.files.paths import join
from drorch.sources.files.vantage import Region
from drorch.sources.frozen.mounts import Mount
from drorch.sources.frozen.plan import Argv, FreezePlan, Step, Territory, live, word

KIND = "lvm"
# Room for what is written to the origin while the snapshot is there; what overflows it makes the snapshot unreadable.
_ROOM = "20%ORIGIN"
_OPTIONS = {
    # A journal is neither needed, LVM stops writes for a moment, nor can it be played where nothing may be written.
    "ext3": ("ro", "noload"),
    "ext4": ("ro", "noload"),
    # It has the UUID of its origin, which is mounted.
    "xfs": ("ro", "nouuid"),
}
_FIELDS = "vg_name,lv_name,pool_lv,lv_kernel_major,lv_kernel_minor"


@dataclass(frozen=True, slots=True)
class Volume:
    """A logical volume; `pool` is the pool of a thin one, empty for others."""

    group: str
    name: str
    pool: str = ""


def survey(ask: Callable[[Argv], bytes]) -> Mapping[str, Volume]:
    """All logical volumes, by their device numbers as major:minor. Raises `SourceUnavailable`."""
    return parse_volumes(ask(("lvs", "--reportformat", "json", "--options", _FIELDS)))


def parse_volumes(output: bytes) -> Mapping[str, Volume]:
    """What lvs reports. Raises `SourceUnavailable` where it is not understood."""
    try:
        rows = [row for report in json.loads(output)["report"] for row in report["lv"]]
        return {
            f"{row['lv_kernel_major']}:{row['lv_kernel_minor']}": Volume(row["vg_name"], row["lv_name"], row["pool_lv"])
            for row in rows
        }
    except (ValueError, KeyError, TypeError) as fault:
        raise SourceUnavailable("what lvs reports is not understood", hint="Type: lvs --reportformat json") from fault


def plan(territory: Territory, volumes: Mapping[str, Volume]) -> FreezePlan:
    """A snapshot and a mount for each volume. Raises `SourceUnavailable` where a path is on no logical volume."""
    wanted: dict[bytes, Mount] = {}
    for path, mount in territory.holding().items():
        if mount.device not in volumes:
            raise SourceUnavailable(
                f"{word(path)} is on no logical volume but on {word(mount.source)}",
                hint="Leave snapshot out, or name the right kind.",
            )
        wanted[mount.point] = mount
    for mount in territory.below():
        if mount.device in volumes and not territory.leaves_out(mount.point):
            wanted[mount.point] = mount
    folders: dict[str, bytes] = {}
    steps: list[Step] = []
    for mount in wanted.values():
        if mount.device not in folders:
            number = len(folders)
            folders[mount.device] = join(territory.folder, os.fsencode(f"{territory.name}.{number}"))
            steps += _steps(volumes[mount.device], mount.kind, _volume_name(territory, number), folders[mount.device])
    regions = [Region(mount.point, _in_snapshot(mount, folders[mount.device])) for mount in wanted.values()]
    regions += [live(mount) for mount in territory.below() if mount.point not in wanted]
    return FreezePlan(tuple(steps), tuple(regions))


def _in_snapshot(mount: Mount, folder: bytes) -> bytes:
    inner = mount.root.lstrip(b"/")
    return join(folder, inner) if inner else folder


def _volume_name(territory: Territory, number: int) -> str:
    # Some words after "_" are LVM's own: "_tdata", "_mlog".
    return f"{territory.name}.{number}".replace("_", ".")


def _steps(volume: Volume, kind: str, name: str, folder: bytes) -> list[Step]:
    origin, snapshot = f"{volume.group}/{volume.name}", f"{volume.group}/{name}"
    room = ("--setactivationskip", "n") if volume.pool else ("--extents", _ROOM)
    options = ",".join((*_OPTIONS.get(kind, ("ro",)), "nosuid", "nodev", "noexec"))
    return [
        Step(
            make=("lvcreate", "--snapshot", *room, "--name", name, origin),
            unmake=("lvremove", "--yes", snapshot),
            shows=("lvs", snapshot),
            holder=("lvs", origin),
        ),
        Step(
            make=("mount", "-t", kind, "-o", options, f"/dev/{snapshot}", word(folder)),
            unmake=("umount", word(folder)),
            shows=("mountpoint", "-q", word(folder)),
            folder=folder,
        ),
    ]
