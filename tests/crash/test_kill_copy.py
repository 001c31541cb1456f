"""SIGKILL at every write of a copy: what is listed can be read to the last byte, and the next copy finishes.

The process is a real one and the signal is real: no `finally` runs, and the lock of the dead stays behind.
"""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from drorch.actions.check import CheckRequest, ReadAll, check
from drorch.actions.copy import original_of
from drorch.ids import SnapshotId
from drorch.repository.keys import ScryptCost
from drorch.repository.layout import FileKind
from drorch.repository.repository import Repository, initialize
from drorch.storage.local import LocalTarget
from tests.crash.backing_up import PASSWORD, back_up
from tests.crash.copying import copy
from tests.doubles import Moment
from tests.restic import Restic, restic

MIB = 1 << 20
FEWEST_WRITES = 8
"""Lock, two packs of data, one of trees, an index, two snapshots, lock removed."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two snapshots and several packs."""
    place, files = tmp_path_factory.mktemp("killed") / "repository", tmp_path_factory.mktemp("files")
    dice = random.Random(20261124)  # noqa: S311
    initialize(LocalTarget(place), PASSWORD, cost=ScryptCost(2, 1, 1))
    for _ in range(2):
        for number in range(10):
            (files / f"file-{number}-{dice.randrange(100)}").write_bytes(dice.randbytes(MIB))
        back_up(LocalTarget(place), files, workers=0)
    return place


def snapshots(place: Path) -> list[SnapshotId]:
    """What is listed, by the original's id; each is read whole, which fails where anything of it is missing."""
    repository = Repository.open(LocalTarget(place), PASSWORD)
    report = check(repository, CheckRequest(ReadAll()))
    assert all(one.read for one in report.snapshots)
    listing = repository.list_snapshots()
    assert not listing.faults
    return [original_of(named) for named in listing.snapshots]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", [moment.name for moment in Moment])
def test_a_killed_copy_lists_nothing_unreadable_and_the_next_one_finishes(
    moment: str, source: Path, tmp_path: Path
) -> None:
    whole = snapshots(source)
    sent = []
    for number in range(1, 100):
        place = tmp_path / f"repository-{number}"
        initialize(LocalTarget(place), PASSWORD, cost=ScryptCost(2, 1, 1))
        status = _run(source, place, number, moment)
        if status == 0:
            break
        assert status == -9
        assert set(snapshots(place)) <= set(whole)
        sent.append(copy(source, LocalTarget(place)).stored.data_added)
        assert snapshots(place) == whole
        assert list(LocalTarget(place).list(FileKind.LOCK)) == []
    restic(Restic.DEBIAN, place, "check", "--read-data", password=PASSWORD)
    assert len(sent) >= FEWEST_WRITES - 1
    # At first all is to be sent anew; what an index lists is used again; at the end nothing is left to send.
    assert any(0 < size < sent[0] for size in sent)
    assert sent[-1] == 0


def _run(source: Path, place: Path, number: int, moment: str) -> int:
    """Run a copy to its end or its death; its status."""
    command = [sys.executable, "-m", "tests.crash.copying", str(source), str(place), str(number), moment]
    return subprocess.run(command, timeout=120, check=False).returncode
