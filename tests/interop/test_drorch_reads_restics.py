"""drorch reads what restic writes: both versions, after every command of restic that rewrites a repository."""

from pathlib import Path

import pytest

from drorch.actions.snapshots import find_snapshot
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.storage.local import LocalTarget
from tests.interop.comparing import differences, of_folder, of_snapshot
from tests.interop.hostile import make_hostile
from tests.interop.product import drorch, drorch_json
from tests.restic import PASSWORD, Restic, each_restic, restic

each_version = pytest.mark.parametrize("version", ["1", "2"])


def opened(repository: Path) -> Repository:
    return Repository.open(LocalTarget(repository), PASSWORD)


def all_of(repository: Path) -> tuple[NamedSnapshot, ...]:
    """Every snapshot, oldest first; none may be unreadable."""
    listing = opened(repository).list_snapshots()
    assert listing.faults == ()
    return listing.snapshots


def untrue(repository: Path, source: Path, snapshot: NamedSnapshot) -> list[str]:
    """In what a snapshot differs from the folder it was made of."""
    found = of_snapshot(opened(repository), snapshot.snapshot.tree, bytes(source.relative_to("/")))
    return differences(of_folder(source), found)


@each_version
@each_restic
def test_every_kind_of_node_is_read_and_restored(which: Restic, version: str, tmp_path: Path) -> None:
    repository, source, restored = tmp_path / "repository", tmp_path / "source", tmp_path / "restored"
    make_hostile(source, newer=which is Restic.CURRENT)
    restic(which, repository, "init", "--repository-version", version)
    restic(which, repository, "backup", source, "--tag", "one,two", "--host", "somewhere")
    (snapshot,) = all_of(repository)
    assert (snapshot.snapshot.hostname, snapshot.snapshot.tags) == ("somewhere", ("one", "two"))
    assert untrue(repository, source, snapshot) == []
    drorch(repository, "check", "--read-data")
    drorch(repository, "restore", "latest", "--to", restored)
    assert differences(of_folder(source), of_folder(restored / source.relative_to("/"))) == []


@each_version
@each_restic
def test_what_restic_rewrote_is_read(which: Restic, version: str, tmp_path: Path) -> None:
    repository, source = tmp_path / "repository", tmp_path / "source"
    source.mkdir()
    restic(which, repository, "init", "--repository-version", version)
    for number in range(4):
        (source / f"file-{number}").write_bytes(bytes([number]) * 800_000)
        (source / "changing").write_bytes(b"version %d" % number * 70_000)
        restic(which, repository, "backup", source)
    first = all_of(repository)[0]
    restic(which, repository, "tag", "--add", "kept", "latest")
    restic(which, repository, "forget", first.id.hex())
    restic(which, repository, "prune", "--max-unused", "0")
    left = all_of(repository)
    assert len(left) == 3
    assert left[-1].snapshot.tags == ("kept",)
    assert left[-1].snapshot.original is not None
    assert untrue(repository, source, left[-1]) == []
    drorch(repository, "check", "--read-data")
    assert drorch_json(repository, "backup", source)["files_changed"] == 0
    restic(which, repository, "check", "--read-data")


@each_version
def test_what_restic_copied_migrated_and_rewrote_is_read(version: str, tmp_path: Path) -> None:
    """Commands that only current restic has."""
    which, source = Restic.CURRENT, tmp_path / "source"
    one, other = tmp_path / "one", tmp_path / "other"
    make_hostile(source)
    for place in (one, other):
        restic(which, place, "init", "--repository-version", version)
    restic(which, one, "backup", source)
    restic(which, one, "rewrite", "--exclude", "/**/deep", "--forget", "latest")
    (rewritten,) = all_of(one)
    assert rewritten.snapshot.original is not None
    assert all("deep" in text for text in untrue(one, source, rewritten))
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    restic(which, other, "copy", "--from-repo", one, "--from-password-file", password)
    (copied,) = all_of(other)
    assert copied.snapshot.tree == rewritten.snapshot.tree
    assert untrue(other, source, copied) == untrue(one, source, rewritten) != []
    if version == "1":
        restic(which, other, "migrate", "upgrade_repo_v2")
        restic(which, other, "prune", "--repack-uncompressed")
        assert opened(other).config.version == 2
        assert untrue(other, source, copied) == untrue(one, source, rewritten)
    restic(which, other, "repair", "index", "--read-all-packs")
    assert untrue(other, source, copied) == untrue(one, source, rewritten)
    drorch(other, "backup", source)
    assert untrue(other, source, all_of(other)[-1]) == []
    restic(which, other, "check", "--read-data")


@each_restic
def test_snapshots_are_found_by_the_names_restic_gives_them(which: Restic, tmp_path: Path) -> None:
    repository, source = tmp_path / "repository", tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"x")
    restic(which, repository, "init")
    restic(which, repository, "backup", source)
    (snapshot,) = all_of(repository)
    short = restic(which, repository, "snapshots", "--json", "--compact").stdout
    assert snapshot.id.hex()[:8].encode() in short
    assert find_snapshot(opened(repository), snapshot.id.hex()[:8]).id == snapshot.id
    assert find_snapshot(opened(repository), "latest").id == snapshot.id
