"""What would be made on file systems that are not at hand, as values: which commands, and from where is read then."""

import json

import pytest

from drorch.errors import SourceUnavailable
from drorch.sources.files.vantage import Region
from drorch.sources.frozen import btrfs, lvm, zfs
from drorch.sources.frozen.btrfs import Subvolumes
from drorch.sources.frozen.lvm import Volume
from drorch.sources.frozen.mounts import Mount, mount_of, parse_mounts
from drorch.sources.frozen.plan import Step, Territory

RUN = "0123456789abcdef" * 2
NAME = f"drorch-homes-{RUN}"
MOUNTED = rb"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /proc rw - proc proc rw
31 22 253:1 / /home rw,relatime shared:2 - ext4 /dev/mapper/main-home rw
32 22 253:2 / /srv rw - xfs /dev/mapper/main-srv rw
33 32 253:1 /shared /srv/with\040blank rw - ext4 /dev/mapper/main-home rw
34 31 0:50 / /home/tmp rw - tmpfs tmpfs rw
35 22 0:61 / /tank rw - zfs tank rw
36 35 0:62 / /tank/mail rw - zfs tank/mail rw
37 35 253:2 / /tank/old rw - xfs /dev/mapper/main-srv rw
38 22 0:62 /inbox /inbox rw - zfs tank/mail rw
"""
VOLUMES = {"253:1": Volume("main", "home"), "253:2": Volume("main", "srv", "thin")}


def territory(*paths: bytes, left_out: bytes = b"") -> Territory:
    return Territory(
        paths=paths,
        mounts=parse_mounts(MOUNTED),
        name=NAME,
        folder=b"/state/frozen",
        leaves_out=lambda path: path == left_out,
    )


def commands(steps: tuple[Step, ...]) -> list[str]:
    return [" ".join(step.make) for step in steps]


def removals(steps: tuple[Step, ...]) -> list[str]:
    return [" ".join(step.unmake) for step in steps]


def places(regions: tuple[Region, ...]) -> dict[bytes, bytes]:
    return {region.root: region.place for region in regions}


def test_mounts_are_read_with_their_names_as_they_are() -> None:
    mounts = parse_mounts(MOUNTED)
    shared = Mount(b"/srv/with blank", b"/shared", "ext4", b"/dev/mapper/main-home", "253:1")
    assert mount_of(b"/srv/with blank/x", mounts) == shared
    assert mount_of(b"/srv/with", mounts).point == b"/srv"
    assert mount_of(b"/etc", mounts).point == b"/"


def test_of_several_mounts_at_one_point_the_last_counts() -> None:
    twice = b"1 0 8:1 / /mnt rw - ext4 /dev/a rw\n2 0 8:2 / /mnt rw - xfs /dev/b rw\n"
    [mount] = parse_mounts(twice)
    assert mount.source == b"/dev/b"


def test_a_logical_volume_gets_room_and_a_mount_that_plays_no_journal() -> None:
    plan = lvm.plan(territory(b"/home/me"), VOLUMES)
    assert commands(plan.steps) == [
        f"lvcreate --snapshot --extents 20%ORIGIN --name {NAME}.0 main/home",
        f"mount -t ext4 -o ro,noload,nosuid,nodev,noexec /dev/main/{NAME}.0 /state/frozen/{NAME}.0",
    ]
    assert removals(plan.steps) == [f"lvremove --yes main/{NAME}.0", f"umount /state/frozen/{NAME}.0"]
    assert places(plan.regions) == {b"/home": f"/state/frozen/{NAME}.0".encode()}
    assert plan.steps[1].folder == f"/state/frozen/{NAME}.0".encode()


def test_a_thin_volume_needs_no_room_and_xfs_bears_a_second_uuid() -> None:
    plan = lvm.plan(territory(b"/srv"), VOLUMES)
    assert commands(plan.steps)[:2] == [
        f"lvcreate --snapshot --setactivationskip n --name {NAME}.0 main/srv",
        f"mount -t xfs -o ro,nouuid,nosuid,nodev,noexec /dev/main/{NAME}.0 /state/frozen/{NAME}.0",
    ]


def test_another_volume_below_a_path_is_frozen_too_unless_it_is_left_out() -> None:
    plan = lvm.plan(territory(b"/srv"), VOLUMES)
    assert places(plan.regions) == {
        b"/srv": f"/state/frozen/{NAME}.0".encode(),
        b"/srv/with blank": f"/state/frozen/{NAME}.1/shared".encode(),
    }
    plan = lvm.plan(territory(b"/srv", left_out=b"/srv/with blank"), VOLUMES)
    assert len(plan.steps) == 2
    assert places(plan.regions)[b"/srv/with blank"] == b"/srv/with blank"


def test_one_volume_that_is_mounted_twice_is_frozen_once() -> None:
    plan = lvm.plan(territory(b"/home", b"/srv/with blank"), VOLUMES)
    assert len(plan.steps) == 2
    assert places(plan.regions)[b"/srv/with blank"] == f"/state/frozen/{NAME}.0/shared".encode()


def test_what_is_on_another_file_system_below_is_read_where_it_is_and_told() -> None:
    plan = lvm.plan(territory(b"/home"), VOLUMES)
    [live] = [region for region in plan.regions if region.root == b"/home/tmp"]
    assert live.place == b"/home/tmp"
    assert live.reservation == "is on a file system of its own (tmpfs) and was read without a snapshot"


def test_a_volume_of_lvm_is_told_from_its_own_words() -> None:
    there = territory(b"/home")
    named = Territory(there.paths, there.mounts, f"drorch-x_tdata-{RUN}", there.folder, there.leaves_out)
    assert lvm.plan(named, VOLUMES).steps[0].make[-2] == f"drorch-x.tdata-{RUN}.0"


def test_what_lvs_reports_is_read_and_what_is_not_understood_is_told() -> None:
    row = {"vg_name": "main", "lv_name": "srv", "pool_lv": "thin", "lv_kernel_major": "253", "lv_kernel_minor": "2"}
    said = json.dumps({"report": [{"lv": [row]}]}).encode()
    assert lvm.parse_volumes(said) == {"253:2": VOLUMES["253:2"]}
    with pytest.raises(SourceUnavailable, match="what lvs reports is not understood"):
        lvm.parse_volumes(b"{}")


def test_datasets_are_frozen_together_and_destroyed_one_by_one() -> None:
    plan = zfs.plan(territory(b"/tank"))
    assert commands(plan.steps) == [f"zfs snapshot tank@{NAME} tank/mail@{NAME}", ""]
    assert removals(plan.steps) == [f"zfs destroy tank@{NAME}", f"zfs destroy tank/mail@{NAME}"]
    assert places(plan.regions) == {
        b"/tank": f"/tank/.zfs/snapshot/{NAME}".encode(),
        b"/tank/mail": f"/tank/mail/.zfs/snapshot/{NAME}".encode(),
        b"/tank/old": b"/tank/old",
    }


def test_a_part_of_a_dataset_is_seen_in_the_whole_one() -> None:
    plan = zfs.plan(territory(b"/inbox/new"))
    assert places(plan.regions) == {b"/inbox": f"/tank/mail/.zfs/snapshot/{NAME}/inbox".encode()}


def test_subvolumes_are_frozen_in_the_root_of_the_one_around_them_and_read_only_ones_are_not() -> None:
    found = Subvolumes({b"/data": {b"/data/a": False, b"/data/old": True}, b"/more": {}})
    plan = btrfs.plan(territory(b"/data", b"/more"), found)
    assert commands(plan.steps) == [
        f"btrfs subvolume snapshot -r /data /data/.{NAME}",
        f"btrfs subvolume snapshot -r /data/a /data/.{NAME}.1",
        f"btrfs subvolume snapshot -r /more /more/.{NAME}.2",
    ]
    assert removals(plan.steps)[1] == f"btrfs subvolume delete /data/.{NAME}.1"
    assert places(plan.regions)[b"/data/old"] == b"/data/old"
    assert all(region.reservation is None for region in plan.regions)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("btrfs", "/etc is on ext4, not on btrfs"),
        ("zfs", "/etc is on ext4, not on zfs"),
        ("lvm", "/etc is on no logical volume but on /dev/vda"),
    ],
)
def test_a_path_on_another_kind_of_file_system_is_refused(kind: str, message: str) -> None:
    there = territory(b"/etc")
    with pytest.raises(SourceUnavailable, match=message) as caught:
        if kind == "btrfs":
            btrfs.survey(there, lambda argv: pytest.fail(f"nothing is to be asked: {argv}"))
        elif kind == "zfs":
            zfs.plan(there)
        else:
            lvm.plan(there, VOLUMES)
    assert caught.value.hint is not None
