"""Snapshots written anew: durable before the old one goes, with every field they had, under an exclusive lock."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.errors import RepositoryLocked, TargetUnavailable
from drorch.ids import TreeId
from drorch.repository.gojson import encode
from drorch.repository.keeper import Keeper
from drorch.repository.layout import FileKind
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.repository.snapshot import Snapshot, encode_snapshot
from drorch.storage.memory import MemoryTarget
from tests.doubles import Fault, FaultyTarget
from tests.repository.fresh import fresh, fresh_folder
from tests.restic import PASSWORD, Restic, each_restic, restic, restic_json

UNKNOWN = {"future": {"deep": [1, None]}, "off": False, "none": 0}


def a_snapshot(repository: Repository) -> NamedSnapshot:
    document = json.loads(encode_snapshot(Snapshot(1_700_000_000_123_456_789, TreeId(bytes(32)), ("/a",), "here")))
    repository.files.save(FileKind.SNAPSHOT, encode({**document, "tags": ["x"], **UNKNOWN}))
    [named] = repository.list_snapshots().snapshots
    return named


def test_a_snapshot_gets_other_tags_and_keeps_all_else() -> None:
    repository = fresh()
    old = a_snapshot(repository)
    with Keeper(repository) as keeper:
        new = keeper.retag(old, ("y", "z"))
    assert repository.list_snapshots().snapshots == (new,)
    assert new.snapshot == replace(old.snapshot, tags=("y", "z"), original=old.id)
    assert new.snapshot.extra == UNKNOWN
    with Keeper(repository) as keeper:
        assert keeper.retag(new, ()).snapshot.original == old.id
    assert list(repository.stored(FileKind.LOCK)) == []


def test_the_new_one_is_there_before_the_old_one_goes() -> None:
    target = MemoryTarget()
    old = a_snapshot(fresh(target))
    repository = Repository.open(target, PASSWORD)
    failing = Repository(
        FaultyTarget(target, [Fault("remove", prefix="snapshots")]),
        repository.master,
        repository.config,
        repository.clock,
    )
    announced: list[NamedSnapshot] = []
    with Keeper(failing) as keeper, pytest.raises(TargetUnavailable):
        keeper.retag(old, ("y",), announced.append)
    [new] = announced
    assert {named.id for named in repository.list_snapshots().snapshots} == {old.id, new.id}


def test_what_cannot_be_announced_leaves_the_old_one() -> None:
    repository = fresh()
    old = a_snapshot(repository)

    def refuse(_: NamedSnapshot) -> None:
        raise TargetUnavailable("no")

    with Keeper(repository) as keeper, pytest.raises(TargetUnavailable):
        keeper.retag(old, ("y",), refuse)
    assert old in repository.list_snapshots().snapshots


def test_nobody_else_may_be_at_work() -> None:
    repository = fresh()
    with repository.shared_lock(), pytest.raises(RepositoryLocked), Keeper(repository):
        pass


def test_a_lock_that_was_taken_away_stops_it() -> None:
    repository = fresh()
    old = a_snapshot(repository)
    with Keeper(repository) as keeper:
        for lock, _ in list(repository.stored(FileKind.LOCK)):
            repository.locks.remove(lock)
        with pytest.raises(RepositoryLocked):
            keeper.retag(old, ("y",))
    assert repository.list_snapshots().snapshots == (old,)


@each_restic
def test_restic_takes_it_for_its_own(which: Restic, tmp_path: Path) -> None:
    repository = fresh_folder(tmp_path / "r")
    (tmp_path / "file").write_text("content")
    restic(which, tmp_path / "r", "backup", str(tmp_path / "file"), "--tag", "x")
    [old] = repository.list_snapshots().snapshots
    with Keeper(repository) as keeper:
        new = keeper.retag(old, ("drorch:job=homes",))
    [shown] = restic_json(which, tmp_path / "r", "snapshots")
    assert (shown["id"], shown["tags"], shown["original"]) == (new.id.hex(), ["drorch:job=homes"], old.id.hex())
    restic(which, tmp_path / "r", "check")
    restic(which, tmp_path / "r", "tag", "--add", "y")
    [tagged] = repository.list_snapshots().snapshots
    assert (tagged.snapshot.tags, tagged.snapshot.original) == (("drorch:job=homes", "y"), old.id)
