"""restic, Debian's and a current one, reads what drorch writes: checks it, restores it whole, forgets and prunes it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.repository.repository import Repository
from drorch.storage.local import LocalTarget
from tests.interop.comparing import Traced, differences, of_folder, of_snapshot
from tests.interop.hostile import make_hostile
from tests.interop.judging import faults
from tests.interop.product import drorch, drorch_json, make_repository
from tests.restic import PASSWORD, Restic, each_restic, restic, restic_json

SHARE = Path("/usr/share")
PARTS = ("doc", "man", "zoneinfo", "perl", "perl5", "locale", "terminfo", "bash-completion", "dpkg", "gcc", "python3")
"""Of /usr/share what every machine has: many small files, links, folders. The whole would take minutes."""

each_version = pytest.mark.parametrize("version", ["1", "2"])


def opened(repository: Path) -> Repository:
    return Repository.open(LocalTarget(repository), PASSWORD)


def as_ours(traced: Traced) -> Traced:
    """What others own, as it is once it was restored by whoever runs this: only root gives files away."""
    if os.geteuid() == 0:
        return traced
    return {path: replace(traits, owner=(os.geteuid(), os.getegid())) for path, traits in traced.items()}


@each_version
@each_restic
def test_every_kind_of_node_is_restored_as_it_was(which: Restic, version: str, tmp_path: Path) -> None:
    repository, source = tmp_path / "repository", tmp_path / "source"
    make_hostile(source, newer=which is Restic.CURRENT)
    make_repository(repository, int(version))
    drorch(repository, "backup", source)
    assert faults(opened(repository)) == []
    checked = restic(which, repository, "check", "--read-data")
    assert b"no errors were found" in checked.stdout
    restic(which, repository, "restore", "latest", "--target", tmp_path / "restored")
    assert differences(of_folder(source), of_folder(tmp_path / "restored" / source.relative_to("/"))) == []


@each_restic
def test_a_repository_drorch_made_is_one_for_restic(which: Restic, tmp_path: Path) -> None:
    repository, source = tmp_path / "repository", tmp_path / "source"
    source.mkdir()
    (source / "file").write_bytes(b"content")
    drorch(repository, "init")
    drorch(repository, "backup", "source", "--tag", "a,b", "--host", "other", cwd=tmp_path)
    (snapshot,) = restic_json(which, repository, "snapshots")
    assert snapshot["paths"] == [str(source)]
    assert (snapshot["hostname"], snapshot["tags"]) == ("other", ["a", "b"])
    assert restic(which, repository, "dump", "latest", "/source/file").stdout == b"content"
    assert restic_json(which, repository, "cat", "config")["version"] == 2
    assert json.loads(restic(which, repository, "key", "list", "--json").stdout)[0]["current"]


@each_restic
def test_usr_share_is_restored_as_it_is(which: Restic, tmp_path: Path) -> None:
    repository, restored = tmp_path / "repository", tmp_path / "restored"
    make_repository(repository)
    parts = [SHARE / part for part in PARTS if (SHARE / part).is_dir()]
    done = drorch_json(repository, "backup", *parts)
    assert done["files_new"] > 1000
    checked = restic(which, repository, "check", "--read-data")
    assert b"no errors were found" in checked.stdout
    restic(which, repository, "restore", "latest", "--target", restored)
    for part in parts:
        assert differences(as_ours(of_folder(part)), of_folder(restored / part.relative_to("/"))) == []
    assert faults(opened(repository)) == []


@each_restic
def test_restic_forgets_and_prunes_ours(which: Restic, tmp_path: Path) -> None:
    repository, source = tmp_path / "repository", tmp_path / "source"
    source.mkdir()
    make_repository(repository)
    for number in range(4):
        (source / f"file-{number}").write_bytes(b"%d" % number * 700_000)
        (source / "changing").write_bytes(b"version %d" % number * 100_000)
        drorch(repository, "backup", "source", cwd=tmp_path)
    packs = len(list((repository / "data").glob("??/*")))
    assert restic_json(which, repository, "stats", "latest")["total_file_count"] == 6
    assert restic_json(which, repository, "stats", "--mode", "raw-data")["total_size"] > 0
    restic(which, repository, "forget", "--keep-last", "1")
    restic(which, repository, "prune", "--max-unused", "0")
    assert len(list((repository / "data").glob("??/*"))) < packs
    restic(which, repository, "check", "--read-data")
    assert faults(opened(repository)) == []
    (left,) = opened(repository).list_snapshots().snapshots
    assert differences(of_folder(source), of_snapshot(opened(repository), left.snapshot.tree, b"source")) == []
    assert drorch_json(repository, "backup", "source", cwd=tmp_path)["data_added"] == 0


def test_restic_rewrites_ours(tmp_path: Path) -> None:
    """Current restic refuses to rewrite a tree that it cannot reproduce to the byte; 0.14 has no such command."""
    repository, source = tmp_path / "repository", tmp_path / "source"
    make_hostile(source)
    make_repository(repository)
    drorch(repository, "backup", "source", cwd=tmp_path)
    restic(Restic.CURRENT, repository, "rewrite", "--exclude", "bottom", "--forget", "latest")
    restic(Restic.CURRENT, repository, "tag", "--add", "rewritten")
    restic(Restic.CURRENT, repository, "check", "--read-data")
    (left,) = opened(repository).list_snapshots().snapshots
    assert left.snapshot.original is not None
    assert left.snapshot.tags == ("rewritten",)
    told = differences(of_folder(source), of_snapshot(opened(repository), left.snapshot.tree, b"source"))
    assert len(told) == 1
    assert "bottom' is missing" in told[0]
    assert faults(opened(repository)) == []
