"""Snapshots on ZFS: all datasets that are read, at one moment. zfs-snapshot(8).

Not tested on a real pool: what is planned is compared with zfs-snapshot(8) and zfsprops(7).
"""

from drorch.errors import SourceUnavailable
from drorch.sources.files.paths import join
from drorch.sources.files.vantage import Region
from drorch.sources.frozen.mounts import Mount
from drorch.sources.frozen.plan import FreezePlan, Step, Territory, live, word

KIND = "zfs"


def plan(territory: Territory) -> FreezePlan:
    """One snapshot of all datasets, read where ZFS shows it. Raises `SourceUnavailable` where a path is not on ZFS."""
    wanted: dict[bytes, Mount] = {}
    for path, mount in territory.holding().items():
        if mount.kind != KIND:
            raise SourceUnavailable(
                f"{word(path)} is on {mount.kind}, not on zfs", hint="Leave snapshot out, or name the right kind."
            )
        wanted[mount.point] = mount
    for mount in territory.below():
        if mount.kind == KIND and not territory.leaves_out(mount.point):
            wanted[mount.point] = mount
    datasets = list(dict.fromkeys(word(mount.source) for mount in wanted.values()))
    snapshots = [f"{dataset}@{territory.name}" for dataset in datasets]
    steps = [
        Step(
            make=("zfs", "snapshot", *snapshots) if number == 0 else (),
            unmake=("zfs", "destroy", snapshot),
            shows=("zfs", "list", "-H", "-t", "snapshot", "-o", "name", snapshot),
            holder=("zfs", "list", "-H", "-o", "name", dataset),
        )
        for number, (dataset, snapshot) in enumerate(zip(datasets, snapshots, strict=True))
    ]
    regions = [Region(mount.point, _place(mount, territory)) for mount in wanted.values()]
    regions += [live(mount) for mount in territory.below() if mount.point not in wanted]
    return FreezePlan(tuple(steps), tuple(regions))


def _place(mount: Mount, territory: Territory) -> bytes:
    """Where a mount's snapshot is seen: below the root of its dataset, wherever that is mounted."""
    whole = [one for one in territory.mounts if one.source == mount.source and one.root == b"/"]
    if not whole:
        raise SourceUnavailable(
            f"the root of the dataset {word(mount.source)} is not mounted", hint=f"Type: zfs mount {word(mount.source)}"
        )
    inner = mount.root.lstrip(b"/")
    place = join(whole[0].point, b".zfs/snapshot/" + territory.name.encode())
    return join(place, inner) if inner else place
