import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.actions.progress import NoProgress
from drorch.actions.restore.request import Overwrite
from drorch.actions.restore.survey import Way
from drorch.repository.keys import ScryptCost
from drorch.repository.repository import Repository, initialize
from drorch.sources.files.placement import DestinationPolicy, partial_name
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Target
from drorch.units import MIB
from tests.actions.restore_cases import EVERYTHING, Case, contents, partials, pieces_of
from tests.actions.trees import writing
from tests.doubles import CountingTarget, FakeClock

ROOT = Path(__file__).parents[2]
PIECES = pieces_of(5, 20)
OTHER = pieces_of(6, 20)
BESIDE = 2 * MIB
"""What may be read beside a piece that is wanted: its overhead, and gaps."""


def _case(to: Path, pieces: Sequence[bytes] = PIECES, target: Target | None = None, mode: int = 0o644) -> Case:
    repository = initialize(target or MemoryTarget(), "x", cost=ScryptCost(2, 1, 1), clock=FakeClock())
    with writing(repository) as writer:
        root = writer.nodes(replace(writer.file(b"large", *pieces), mode=mode))
        writer.snapshot(root)
    return Case(repository, root, to)


def _put_there(to: Path, pieces: Sequence[bytes], mode: int = 0o640) -> os.stat_result:
    path = to / "large"
    path.write_bytes(b"".join(pieces))
    path.chmod(mode)
    return path.stat()


CHANGES = {
    "one region": [*PIECES[:7], OTHER[7], *PIECES[8:]],
    "longer": [*PIECES, *OTHER[:3]],
    "shorter": PIECES[:18],
    "first and last": [OTHER[0], *PIECES[1:19], OTHER[19]],
    "not even a piece": [*PIECES[:4], OTHER[4][:99], PIECES[4][99:], *PIECES[5:]],
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_only_what_differs_is_fetched_and_written_into_the_file(tmp_path: Path, change: str) -> None:
    before = _put_there(tmp_path, CHANGES[change])
    target = CountingTarget(MemoryTarget())
    case = _case(tmp_path, target=target)
    plan = case.plan()
    assert [file.way for file in plan.files] == [Way.IN_PLACE]
    assert len(plan.files[0].wanted) <= 2
    assert plan.fetch.bytes_to_fetch <= 2 * BESIDE
    loaded = len(target.operations)
    result = case.execute(plan, verify=True)

    assert sum(one.size for one in target.operations[loaded:]) <= 2 * BESIDE
    assert (result.problems, result.verified, result.bytes_restored) == ((), 1, len(plan.files[0].wanted) * MIB)
    assert contents(tmp_path) == {"large": b"".join(PIECES)}
    after = (tmp_path / "large").stat()
    assert (after.st_ino, after.st_mode & 0o777, after.st_mtime_ns) == (before.st_ino, 0o644, 1_000_000_000)


@pytest.mark.parametrize("policy", [Overwrite.ALWAYS, Overwrite.IF_CHANGED])
def test_a_large_file_that_is_right_is_left(tmp_path: Path, policy: Overwrite) -> None:
    before = _put_there(tmp_path, PIECES)
    case = _case(tmp_path)
    plan = case.plan(replace(EVERYTHING, overwrite=policy))
    assert (plan.files[0].way, plan.fetch.bytes_to_fetch) == (Way.THERE, 0)
    assert case.execute(plan).files_unchanged == 1
    assert (tmp_path / "large").stat().st_ino == before.st_ino


def test_what_runs_and_what_has_another_name_is_replaced(tmp_path: Path) -> None:
    for name, mode in (("program", 0o755), ("linked", 0o644)):
        to = tmp_path / name
        to.mkdir()
        before = _put_there(to, CHANGES["one region"], mode)
        if name == "linked":
            (tmp_path / "outside").hardlink_to(to / "large")
        case = _case(to)
        plan = case.plan()
        assert [file.way for file in plan.files] == [Way.NEW]
        assert case.execute(plan, verify=True).verified == 1
        assert (to / "large").stat().st_ino != before.st_ino
    assert (tmp_path / "outside").read_bytes() == b"".join(CHANGES["one region"])


def test_a_file_in_place_that_cannot_be_completed_keeps_the_rest_and_is_reported(tmp_path: Path) -> None:
    _put_there(tmp_path, CHANGES["first and last"])
    target = MemoryTarget()
    case = _case(tmp_path, target=target)
    plan = case.plan()
    for item in list(target.list("data")):
        target.remove(item.key)
    result = case.execute(plan, verify=True)
    assert [problem.subject for problem in result.problems] == ["/large"]
    assert contents(tmp_path) == {"large": b"".join(CHANGES["first and last"])}


def _leave_partial(to: Path, content: bytes, mode: int = 0o600) -> Path:
    to.mkdir(exist_ok=True)
    partial = to / os.fsdecode(partial_name(b"large"))
    partial.write_bytes(content)
    partial.chmod(mode)
    return partial


@pytest.mark.parametrize("count", [1, 19, 20])
def test_what_an_interrupted_run_left_is_completed(tmp_path: Path, count: int) -> None:
    partial = _leave_partial(tmp_path, b"".join(PIECES[:count]))
    inode = partial.stat().st_ino
    case = _case(tmp_path)
    plan = case.plan()
    assert (plan.files[0].way, len(plan.files[0].wanted)) == (Way.RESUMED, 20 - count)
    assert case.execute(plan, verify=True).verified == 1
    assert contents(tmp_path) == {"large": b"".join(PIECES)}
    assert (tmp_path / "large").stat().st_ino == inode


def test_what_somebody_else_may_have_left_is_not_trusted(tmp_path: Path) -> None:
    _leave_partial(tmp_path, b"".join(PIECES), mode=0o644)
    case = _case(tmp_path)
    assert case.plan().files[0].way is Way.NEW
    case.put_back()
    assert contents(tmp_path) == {"large": b"".join(PIECES)}


def test_a_killed_restore_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pieces = pieces_of(7, 64)
    to = tmp_path / "to"
    _case(to, pieces, LocalTarget(tmp_path / "repository"))
    command = [sys.executable, "-m", "tests.actions.restore_killed", str(tmp_path / "repository"), str(to)]
    done = subprocess.run([*command, "3"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not (to / "large").exists()
    assert len(partials(to)) == 1

    opened = Repository.open(LocalTarget(tmp_path / "repository"), "x")
    case = Case(opened, opened.list_snapshots().snapshots[0].snapshot.tree, to)
    plan = case.plan()
    assert plan.files[0].way is Way.RESUMED
    assert 0 < plan.fetch.bytes_to_fetch < 49 * MIB
    assert case.execute(plan, verify=True).problems == ()
    assert contents(to) == {"large": b"".join(pieces)}


class _Interrupting(NoProgress):
    """Interrupts at the nth file, as Ctrl-C would."""

    def __init__(self, number: int) -> None:
        self._left = number

    def advance(self, files: int, size: int) -> None:  # noqa: ARG002
        self._left -= files
        if self._left <= 0:
            raise KeyboardInterrupt


def test_an_interruption_leaves_no_small_partial_files(tmp_path: Path) -> None:
    repository = initialize(MemoryTarget(), "x", cost=ScryptCost(2, 1, 1), clock=FakeClock())
    with writing(repository) as writer:
        nodes = [writer.file(b"f%d" % number, b"%d" % number, b"tail %d" % number) for number in range(100)]
        root = writer.nodes(*nodes)
        writer.snapshot(root)
    case = Case(repository, root, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        case.execute(case.plan(), progress=_Interrupting(20))
    assert not partials(tmp_path)
    assert 20 <= len(contents(tmp_path)) < 100
    assert all(content == f"{name[1:]}tail {name[1:]}".encode() for name, content in contents(tmp_path).items())
    case.put_back()
    assert len(contents(tmp_path)) == 100


def test_a_large_file_with_zeros_becomes_sparse_where_that_is_asked_for(tmp_path: Path) -> None:
    zeros = bytes(MIB)
    case = _case(tmp_path, [PIECES[0], *[zeros] * 17, PIECES[1], zeros])
    assert case.execute(case.plan(), DestinationPolicy(sparse=True), verify=True).verified == 1
    status = (tmp_path / "large").stat()
    assert (status.st_size, status.st_blocks * 512 < 5 * MIB) == (20 * MIB, True)
    assert contents(tmp_path) == {"large": PIECES[0] + zeros * 17 + PIECES[1] + zeros}
