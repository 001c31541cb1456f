"""Locks among real processes: restic and drorch keep each other out, and the dead keep nobody out."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import RepositoryLocked
from drorch.repository.layout import FileKind, stored_ids
from drorch.repository.lock import Lock
from drorch.repository.repository import Repository
from tests.repository.children import start_python
from tests.repository.fresh import fresh_folder
from tests.restic import PASSWORD, Restic, each_restic, restic, start_restic

HOLDER = """
    import signal, sys
    # Whoever started the tests may have had hangups ignored, which children inherit.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    from datetime import timedelta
    from pathlib import Path
    from drorch.repository.lock import Lock
    from drorch.repository.repository import Repository
    from drorch.storage.local import LocalTarget
    repository = Repository.open(LocalTarget(Path(sys.argv[1])), sys.argv[2])
    with Lock(repository.locks, sys.argv[3] == "exclusive", timedelta(0), repository.clock) as lock:
        print("held", flush=True)
        sys.stdin.readline()
        lock.assert_held()
    print("released", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return fresh_folder(tmp_path / "repository")


def folder_of(repository: Repository) -> Path:
    return Path(repository.target.properties.description)


def count_locks(repository: Repository) -> int:
    return sum(1 for _ in stored_ids(repository.target, FileKind.LOCK))


@contextmanager
def held_by_child(repository: Repository, kind: str) -> Iterator["subprocess.Popen[str]"]:
    """A process of drorch that holds a lock until it reads a line."""
    with start_python(HOLDER, folder_of(repository), PASSWORD, kind) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            yield child
        finally:
            child.kill()


@contextmanager
def held_by_restic(which: Restic, repository: Repository) -> Iterator[None]:
    """A `restic backup --stdin` that waits for its input, and so holds a shared lock."""
    with start_restic(which, folder_of(repository), "backup", "--stdin") as child:
        try:
            wait_for_lock(repository, child)
            yield
        finally:
            child.communicate(b"some input", timeout=60)
    assert child.returncode == 0


def wait_for_lock(repository: Repository, child: "subprocess.Popen[bytes]") -> None:
    clock = SystemClock()
    began = clock.monotonic()
    while not count_locks(repository):
        assert child.poll() is None, "restic ended before it took a lock"
        assert clock.monotonic() - began < 60, "restic took no lock within a minute"
        clock.sleep(0.05)
    # restic takes a second look after 0.2 s, and goes if we came meanwhile.
    clock.sleep(0.5)


@each_restic
def test_a_shared_lock_of_restic_keeps_out_an_exclusive_one_only(which: Restic, repository: Repository) -> None:
    with held_by_restic(which, repository):
        (lock,) = repository.locks.read()
        assert not lock.exclusive
        assert lock.identity is None
        assert not lock.is_stale(repository.locks.now())
        with repository.shared_lock() as ours:
            ours.assert_held()
        with pytest.raises(RepositoryLocked), Lock(repository.locks, True, timedelta(0), repository.clock):
            pass
        assert count_locks(repository) == 1
    with Lock(repository.locks, True, timedelta(0), repository.clock):
        assert count_locks(repository) == 1


@each_restic
def test_a_shared_lock_of_drorch_lets_restic_back_up_and_not_check(which: Restic, repository: Repository) -> None:
    folder = folder_of(repository)
    with repository.shared_lock() as ours:
        restic(which, folder, "backup", "--stdin", stdin=b"content")
        refused = restic(which, folder, "check", status=which.locked_status)
        assert f"PID {os.getpid()}".encode() in refused.stderr
        ours.assert_held()
    restic(which, folder, "check")


@each_restic
def test_an_exclusive_lock_of_drorch_keeps_restic_out(which: Restic, repository: Repository) -> None:
    folder = folder_of(repository)
    with Lock(repository.locks, True, timedelta(0), repository.clock) as ours:
        refused = restic(which, folder, "backup", "--stdin", status=which.locked_status, stdin=b"content")
        assert b"locked exclusively" in refused.stderr
        listed = restic(which, folder, "list", "locks", "--no-lock").stdout.decode().split()
        assert listed == [lock.id.hex() for lock in repository.locks.read()]
        ours.assert_held()
    restic(which, folder, "backup", "--stdin", stdin=b"content")


@each_restic
def test_restic_unlock_neither_kills_nor_unlocks_a_holder_that_lives(which: Restic, repository: Repository) -> None:
    """restic sends the holder a hangup to see whether it lives."""
    with held_by_child(repository, "shared") as child:
        restic(which, folder_of(repository), "unlock")
        assert count_locks(repository) == 1
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write("\n")
        child.stdin.flush()
        assert child.stdout.readline() == "released\n"
        assert count_locks(repository) == 0
        child.send_signal(signal.SIGHUP)
        assert child.wait(30) == -signal.SIGHUP


@each_restic
def test_restic_unlock_of_all_is_noticed_by_the_holder(which: Restic, repository: Repository) -> None:
    with repository.shared_lock() as ours:
        restic(which, folder_of(repository), "unlock", "--remove-all")
        with pytest.raises(RepositoryLocked, match="taken away"):
            ours.assert_held()


@each_restic
def test_restic_unlock_removes_what_a_killed_holder_left(which: Restic, repository: Repository) -> None:
    with held_by_child(repository, "exclusive") as child:
        child.kill()
        child.wait(30)
        assert count_locks(repository) == 1
        restic(which, folder_of(repository), "unlock")
        assert count_locks(repository) == 0


@pytest.mark.parametrize("kind", ["shared", "exclusive"])
def test_what_a_killed_holder_left_is_removed_and_a_living_one_kept(repository: Repository, kind: str) -> None:
    with held_by_child(repository, kind) as child:
        with pytest.raises(RepositoryLocked), Lock(repository.locks, True, timedelta(0), repository.clock):
            pass
        assert count_locks(repository) == 1
        child.kill()
        child.wait(30)
        assert count_locks(repository) == 1
        with Lock(repository.locks, True, timedelta(0), repository.clock):
            assert count_locks(repository) == 1
    assert count_locks(repository) == 0


def test_a_zombie_holder_is_not_gone_while_it_has_not_been_waited_for(repository: Repository) -> None:
    """Its lock blocks a moment longer; what matters is that nothing goes wrong over it."""
    with held_by_child(repository, "exclusive") as child:
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(RepositoryLocked), Lock(repository.locks, True, timedelta(0), repository.clock):
            pass


def test_a_stranger_with_another_master_key_reads_no_lock(tmp_path: Path) -> None:
    first, second = fresh_folder(tmp_path / "first"), fresh_folder(tmp_path / "second")
    stranger = Repository(first.target, second.master, first.config, first.clock)
    with first.shared_lock(), pytest.raises(RepositoryLocked, match="cannot be read"), stranger.shared_lock():
        pass
