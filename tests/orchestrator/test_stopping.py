"""Who runs a job without a daemon is found by its lock, and nobody else is ever told to stop."""

import fcntl
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drorch.model.names import job_name
from drorch.orchestrator.joblock import only_run_of
from drorch.orchestrator.stopping import NotStopped, runner_of
from tests.storage.privileges import need, run_quietly

HOMES = job_name("homes")
_HOLDS = """
import fcntl, sys, time
file = open(sys.argv[1], "a")
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@contextmanager
def holder(state_dir: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the lock of homes and is called so."""
    lock = state_dir / "locks" / "homes.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    program = state_dir / name
    program.write_text(_HOLDS)
    with subprocess.Popen([sys.executable, program, lock], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def test_nobody_runs_a_job_whose_lock_nobody_holds(tmp_path: Path) -> None:
    assert runner_of(HOMES, tmp_path) is None
    with only_run_of(HOMES, tmp_path):
        pass
    assert runner_of(HOMES, tmp_path) is None


def test_whoever_runs_a_job_is_told_to_stop(tmp_path: Path) -> None:
    with holder(tmp_path, "drorch") as process:
        found = runner_of(HOMES, tmp_path)
        assert found is not None
        with found:
            assert found.pid == process.pid
            found.stop()
        assert process.wait(60) == -signal.SIGINT


def test_one_that_has_ended_since_is_no_fault(tmp_path: Path) -> None:
    with holder(tmp_path, "drorch") as process:
        found = runner_of(HOMES, tmp_path)
        assert found is not None
        process.kill()
        process.wait()
        with found:
            found.stop()
    assert runner_of(HOMES, tmp_path) is None


def test_what_is_none_of_drorchs_is_left_alone(tmp_path: Path) -> None:
    with holder(tmp_path, "other") as process:
        with pytest.raises(NotStopped, match="none of drorch's"):
            runner_of(HOMES, tmp_path)
        assert process.poll() is None


@pytest.fixture
def two_disks(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two file systems that number their files alike."""
    places = (tmp_path / "one", tmp_path / "other")
    for place in places:
        place.mkdir()
        mounted = run_quietly("mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", str(place)) == 0
        need("the right to mount a tmpfs", present=mounted)
    yield places
    for place in places:
        run_quietly("umount", str(place))


def test_the_holder_of_another_file_of_the_same_number_is_left_alone(two_disks: tuple[Path, Path]) -> None:
    for place in two_disks:
        (place / "locks").mkdir()
        (place / "locks" / "homes.lock").touch()
    one, other = two_disks
    assert len({(place / "locks" / "homes.lock").stat().st_ino for place in two_disks}) == 1
    with holder(one, "drorch") as process:
        assert runner_of(HOMES, other) is None
        found = runner_of(HOMES, one)
        assert found is not None
        assert found.pid == process.pid
        found.close()


def test_descriptors_are_not_left_open(tmp_path: Path) -> None:
    there = set(Path("/proc/self/fd").iterdir())
    with holder(tmp_path, "drorch"):
        found = runner_of(HOMES, tmp_path)
        assert found is not None
        found.close()
        with (tmp_path / "locks" / "homes.lock").open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert set(Path("/proc/self/fd").iterdir()) == there
