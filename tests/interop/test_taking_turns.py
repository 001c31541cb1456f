"""drorch and restic write into one repository in turns: each takes the other's snapshot as parent, nothing is added."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drorch.repository.repository import NamedSnapshot, Repository
from drorch.storage.local import LocalTarget
from tests.interop.comparing import differences, of_folder, of_snapshot
from tests.interop.hostile import make_hostile
from tests.interop.judging import faults
from tests.interop.product import drorch_json, make_repository
from tests.restic import PASSWORD, Restic, each_restic, restic

UNTOUCHED = {"files_new": 0, "files_changed": 0, "dirs_new": 0, "dirs_changed": 0, "data_added": 0, "tree_blobs": 0}
BERLIN, UTC = {"TZ": "Europe/Berlin"}, {"TZ": "UTC"}
each_zone = pytest.mark.parametrize("zone", [BERLIN, UTC, {"TZ": "Asia/Kathmandu"}], ids=lambda zone: str(zone["TZ"]))


def opened(repository: Path) -> Repository:
    return Repository.open(LocalTarget(repository), PASSWORD)


def newest(repository: Path) -> NamedSnapshot:
    """The snapshot saved last."""
    return opened(repository).list_snapshots().snapshots[-1]


def restic_backup(which: Restic, repository: Path, folder: Path, zone: Mapping[str, str] = UTC) -> dict[str, Any]:
    """Back up `source` in a folder, named relatively: what is above it changes under our feet. What restic tells."""
    done = restic(which, repository, "backup", "source", "--json", cwd=folder, environment=zone)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def of_untouched(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that are all zero where nothing changed."""
    return {key: summary[key] for key in UNTOUCHED}


@pytest.mark.parametrize("version", ["1", "2"])
@each_restic
def test_each_goes_on_from_the_others_snapshot(which: Restic, version: str, tmp_path: Path) -> None:
    repository, source = tmp_path / "repository", tmp_path / "source"
    make_hostile(source, newer=which is Restic.CURRENT)
    make_repository(repository, int(version))
    first = drorch_json(repository, "backup", "source", cwd=tmp_path, environment=UTC)
    assert first["files_new"] > 100
    by_drorch = newest(repository)

    assert of_untouched(restic_backup(which, repository, tmp_path)) == UNTOUCHED
    by_restic = newest(repository)
    assert by_restic.snapshot.parent == by_drorch.id
    assert by_restic.snapshot.tree == by_drorch.snapshot.tree

    again = drorch_json(repository, "backup", "source", cwd=tmp_path, environment=UTC)
    assert of_untouched(again) == UNTOUCHED
    assert newest(repository).snapshot.parent == by_restic.id
    assert newest(repository).snapshot.tree == by_drorch.snapshot.tree

    (source / "new").write_bytes(b"said restic")
    assert restic_backup(which, repository, tmp_path)["files_new"] == 1
    (source / "new").write_bytes(b"said drorch then")
    assert drorch_json(repository, "backup", "source", cwd=tmp_path)["files_changed"] == 1
    assert (
        differences(of_folder(source), of_snapshot(opened(repository), newest(repository).snapshot.tree, b"source"))
        == []
    )
    restic(which, repository, "check", "--read-data")
    assert faults(opened(repository)) == []


@each_zone
@each_restic
def test_trees_are_the_same_to_the_byte_whatever_the_zone(which: Restic, zone: dict[str, str], tmp_path: Path) -> None:
    source = tmp_path / "source"
    make_hostile(source, newer=which is Restic.CURRENT)
    # What is cut into chunks differs by design; all else may not.
    for large in (source / "sizes").iterdir():
        if large.stat().st_size > 512 * 1024:
            large.unlink()
    for large in (source / "links" / "elsewhere" / "large", source / "links" / "another large"):
        large.unlink()
    ours, its = tmp_path / "ours", tmp_path / "its"
    make_repository(ours)
    make_repository(its)
    drorch_json(ours, "backup", "source", cwd=tmp_path, environment=zone)
    restic_backup(which, its, tmp_path, zone)
    assert newest(ours).snapshot.tree == newest(its).snapshot.tree


def test_what_restic_forgot_of_a_symlink_is_read_again(tmp_path: Path) -> None:
    """restic 0.14 loses targets that are not UTF-8. Its snapshot as parent must not make drorch keep the loss."""
    repository, source = tmp_path / "repository", tmp_path / "source"
    make_hostile(source)
    make_repository(repository)
    restic_backup(Restic.DEBIAN, repository, tmp_path)
    its = of_snapshot(opened(repository), newest(repository).snapshot.tree, b"source")
    assert differences(of_folder(source), its) != []
    done = drorch_json(repository, "backup", "source", cwd=tmp_path)
    assert (done["files_new"], done["files_changed"]) == (0, 0)
    ours = of_snapshot(opened(repository), newest(repository).snapshot.tree, b"source")
    assert differences(of_folder(source), ours) == []
