"""Takes snapshots of file systems, gives a view of them, and always removes them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drorch.errors import SourceUnavailable
from drorch.sources.files.paths import join
from drorch.sources.files.vantage import FrozenTree
from drorch.sources.frozen import btrfs, lvm, zfs
from drorch.sources.frozen.mounts import mount_of, mounts_now
from drorch.sources.frozen.plan import FreezePlan, Territory
from drorch.sources.frozen.record import ask, write_record

Kind = Literal["btrfs", "lvm", "zfs"]
PROGRAMS: dict[str, tuple[str, ...]] = {
    "btrfs": ("btrfs",),
    "lvm": ("lvs", "lvcreate", "lvremove", "mount", "umount", "mountpoint"),
    "zfs": ("zfs",),
}
"""What must be installed for each kind."""


@dataclass(frozen=True, slots=True)
class FreezeRequest:
    """Which files are to be read from snapshots, and for whom.

    `paths` are absolute. `leaves_out` says of a folder below them whether the backup leaves it out. `job` and `run` (32
    hex digits) name what is made; `folder` is where it is written down and where volumes are mounted.
    """

    kind: Kind
    paths: tuple[bytes, ...]
    leaves_out: Callable[[bytes], bool]
    job: str
    run: str
    folder: Path

    @property
    def name(self) -> str:
        """What all that is made is called."""
        return f"drorch-{self.job}-{self.run}"


@contextmanager
def frozen(request: FreezeRequest, tell: Callable[[str], None]) -> Iterator[FrozenTree]:
    """The files as they are at this moment, for as long as the block runs; afterwards no snapshot is left.

    Raises `SourceUnavailable` where no snapshot can be had; none is left then. What could not be removed is told.
    """
    plan = planned(request)
    record = write_record(request.folder, request.name, request.job, plan.steps)
    try:
        for step in plan.steps:
            if step.folder is not None:
                _make_folder(step.folder)
            if step.make:
                ask(step.make)
        yield _seen_from(plan)
    finally:
        for complaint in record.unmake():
            tell(complaint)


def planned(request: FreezeRequest) -> FreezePlan:
    """What would be made. Raises `SourceUnavailable`."""
    territory = Territory(
        paths=tuple(dict.fromkeys(map(_without_links, request.paths))),
        mounts=mounts_now(),
        name=request.name,
        folder=bytes(request.folder),
        leaves_out=request.leaves_out,
    )
    if request.kind == "btrfs":
        return btrfs.plan(territory, btrfs.survey(territory, ask))
    if request.kind == "lvm":
        return lvm.plan(territory, lvm.survey(ask))
    return zfs.plan(territory)


def objection(kind: Kind, path: bytes) -> str | None:
    """Why no snapshot of this kind can be had of a path, in words, as far as one can see without asking for one.

    Raises `SourceUnavailable` where it cannot be told.
    """
    mount = mount_of(_without_links(path), mounts_now())
    if kind == "lvm":
        return None if _is_logical_volume(mount.device) else f"is on {os.fsdecode(mount.source)}, no logical volume"
    return None if mount.kind == kind else f"is on {mount.kind}, not on {kind}"


def _is_logical_volume(device: str) -> bool:
    # Device-mapper's own name of each device tells who made it.
    try:
        return Path(f"/sys/dev/block/{device}/dm/uuid").read_text().startswith("LVM-")
    except OSError:
        return False


def _without_links(path: bytes) -> bytes:
    """A path whose folders are no links; a link at its end stays: it is saved as one."""
    above, _, name = path.rstrip(b"/").rpartition(b"/")
    return join(os.path.realpath(above or b"/"), name) if name else b"/"


def _seen_from(plan: FreezePlan) -> FrozenTree:
    try:
        return FrozenTree(plan.regions)
    except OSError as fault:
        raise SourceUnavailable(f"a snapshot that was made cannot be read: {fault.strerror}") from fault


def _make_folder(folder: bytes) -> None:
    try:
        Path(os.fsdecode(folder)).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise SourceUnavailable(f"{os.fsdecode(folder)}: {fault.strerror}") from fault
