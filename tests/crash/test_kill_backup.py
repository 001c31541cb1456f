"""SIGKILL at every write of a backup, before, within and after it: nothing that is listed is lost, nothing blocks.

The process is a real one with real workers, and the signal is real: no `finally` runs.
"""

import hashlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drorch.ids import TreeId
from drorch.repository.keys import ScryptCost
from drorch.repository.layout import FileKind
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository, initialize
from drorch.storage.local import LocalTarget
from tests.crash.backing_up import PASSWORD, back_up
from tests.doubles import Moment
from tests.restic import Restic, restic

MIB = 1 << 20
FEWEST_WRITES = 9
"""Lock, four packs, two indexes, snapshot, lock removed: a kill at fewer points would not be every kind."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough for two workers and several packs."""
    root = tmp_path_factory.mktemp("killed") / "source"
    dice = random.Random(20261123)  # noqa: S311
    for number in range(24):
        folder = root / f"folder-{number % 5}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file-{number}").write_bytes(dice.randbytes(2 * MIB))
    return root


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """A repository with one snapshot of a part of the source."""
    place = tmp_path_factory.mktemp("killed") / "repository"
    initialize(LocalTarget(place), PASSWORD, cost=ScryptCost(2, 1, 1))
    back_up(LocalTarget(place), source / "folder-1", workers=0)
    return place


@pytest.mark.timeout(900)
@pytest.mark.parametrize("moment", [moment.name for moment in Moment])
def test_a_killed_backup_loses_nothing_and_blocks_nobody(
    moment: str, first: Path, source: Path, tmp_path: Path
) -> None:
    number = 0
    while True:
        number += 1
        place = tmp_path / f"repository-{number}"
        shutil.copytree(first, place)
        status = _run(place, source, number, moment)
        if status == 0:
            break
        assert status == -9
        assert _snapshots_that_restore(place) >= 1
        result = back_up(LocalTarget(place), source)
        assert _files_in(place, result.snapshot.tree) == _files_of(source)
        assert list(LocalTarget(place).list(FileKind.LOCK)) == []
        restic(Restic.DEBIAN, place, "check", "--read-data", password=PASSWORD)
        shutil.rmtree(place)
    # A remove has no moment in its middle, so the last write of such a run is not a point of its own.
    assert number > FEWEST_WRITES


def test_uploads_of_a_killed_backup_are_used_again(first: Path, source: Path, tmp_path: Path) -> None:
    place = tmp_path / "repository"
    shutil.copytree(first, place)
    indexes = len(list(LocalTarget(place).list(FileKind.INDEX)))
    number = FEWEST_WRITES - 2
    while len(list(LocalTarget(place).list(FileKind.INDEX))) == indexes:
        assert _run(place, source, number, Moment.AFTER.name) == -9
        number += 1
    result = back_up(LocalTarget(place), source)
    assert int(result.summary["data_added"]) < sum((source / name).stat().st_size for name in _files_of(source)) / 2


def _run(place: Path, source: Path, number: int, moment: str) -> int:
    """Run a backup to its end or its death; its status. No process of its group outlives it by much."""
    command = [sys.executable, "-m", "tests.crash.backing_up", str(place), str(source), str(number), moment]
    with subprocess.Popen(command, start_new_session=True) as child:
        status = child.wait(120)
    _no_process_is_left_of(child.pid)
    return status


def _no_process_is_left_of(group: int) -> None:
    deadline = time.monotonic() + 10
    while _lives(group):
        assert time.monotonic() < deadline, "a worker outlived its killed parent"
        time.sleep(0.05)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _snapshots_that_restore(place: Path) -> int:
    """How many snapshots are listed; each is read whole, which fails where anything of it is missing."""
    listing = Repository.open(LocalTarget(place), PASSWORD).list_snapshots()
    assert not listing.faults
    for named in listing.snapshots:
        assert _files_in(place, named.snapshot.tree)
    return len(listing.snapshots)


def _files_in(place: Path, root: TreeId) -> dict[str, str]:
    """Every file below the source in a snapshot, by its last two path parts, with the hash of its content."""
    repository = Repository.open(LocalTarget(place), PASSWORD)
    files: dict[str, str] = {}
    folders = [("", root)]
    while folders:
        path, tree = folders.pop()
        for node in repository.load_tree(tree):
            below = f"{path}/{node.name.decode()}"
            if node.subtree is not None:
                folders.append((below, node.subtree))
            if node.content is not None:
                content = b"".join(repository.load_blob(blob, BlobType.DATA) for blob in node.content)
                files["/".join(below.split("/")[-2:])] = hashlib.sha256(content).hexdigest()
    return files


def _files_of(source: Path) -> dict[str, str]:
    return {
        str(path.relative_to(source)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in source.rglob("*")
        if path.is_file()
    }
