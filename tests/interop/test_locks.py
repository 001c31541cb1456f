"""drorch and restic respect each other's locks, and `restic unlock` neither frees ours nor kills us."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from drorch.errors import RepositoryLocked
from drorch.repository.repository import Repository
from drorch.repository.writer import Writer
from drorch.storage.local import LocalTarget
from tests.interop.product import command, drorch, make_repository, surroundings
from tests.restic import PASSWORD, Restic, each_restic, restic, restic_json, start_restic


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    make_repository(place)
    return place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "file").write_bytes(b"content")
    return folder


def locks(repository: Path) -> int:
    return len(list((repository / "locks").iterdir()))


def wait_for(what: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    """Wait until something is so, as long as the child lives."""
    deadline = time.monotonic() + 30
    while not what():
        assert child.poll() is None, "it ended before it was asked to"
        assert time.monotonic() < deadline
        time.sleep(0.02)


@each_restic
def test_restic_does_not_remove_while_drorch_writes(which: Restic, repository: Path, source: Path) -> None:
    with Writer(Repository.open(LocalTarget(repository), PASSWORD)):
        assert locks(repository) == 1
        for verb in (["prune"], ["forget", "--keep-last", "1", "--prune"]):
            refused = restic(which, repository, *verb, status=which.locked_status)
            assert b"already locked" in refused.stderr
        restic(which, repository, "unlock")
        assert locks(repository) == 1
        # A shared lock is no obstacle to another one.
        restic(which, repository, "backup", source)
    assert locks(repository) == 0
    restic(which, repository, "prune")


@each_restic
def test_drorch_does_not_write_while_restic_may_remove(
    which: Restic, repository: Path, source: Path, tmp_path: Path
) -> None:
    new_password = tmp_path / "new password"
    os.mkfifo(new_password, 0o600)
    # Changing a password holds an exclusive lock; restic reads the new one from where nothing comes until we say so.
    with start_restic(which, repository, "key", "passwd", "--new-password-file", new_password) as changing:
        try:
            wait_for(lambda: locks(repository) == 1, changing)
            refused = drorch(repository, "backup", source, status=11)
            assert b"locked exclusively" in refused.stderr
            assert len(refused.stderr.splitlines()) == 1
            with pytest.raises(RepositoryLocked), Writer(Repository.open(LocalTarget(repository), PASSWORD)):
                pass
            assert list((repository / "snapshots").iterdir()) == []
            assert locks(repository) == 1
        finally:
            write_soon(new_password, PASSWORD)
            assert changing.wait(30) == 0
    drorch(repository, "backup", source)


def write_soon(pipe: Path, text: str) -> None:
    """Write to a pipe whose reader may be gone."""
    threading.Thread(target=lambda: pipe.write_text(text), daemon=True).start()


@each_restic
def test_drorch_waits_for_restics_lock_if_asked(which: Restic, repository: Path, source: Path, tmp_path: Path) -> None:
    new_password = tmp_path / "new password"
    os.mkfifo(new_password, 0o600)
    with start_restic(which, repository, "key", "passwd", "--new-password-file", new_password) as changing:
        wait_for(lambda: locks(repository) == 1, changing)
        release = threading.Timer(1.0, lambda: new_password.write_text(PASSWORD))
        release.start()
        drorch(repository, "backup", source, "--retry-lock", "60s")
        assert changing.wait(30) == 0
        release.join()
    assert len(restic_json(which, repository, "snapshots")) == 1


@each_restic
def test_unlock_of_restic_leaves_a_working_backup_alone(which: Restic, repository: Path) -> None:
    """restic sends SIGHUP to a lock's holder to see whether it lives, which would kill who does not ignore it."""
    with subprocess.Popen(
        command(repository, "backup", "--stdin", "--stdin-filename", "dump"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=surroundings(),
    ) as backup:
        wait_for(lambda: locks(repository) == 1, backup)
        restic(which, repository, "unlock")
        assert locks(repository) == 1
        output, errors = backup.communicate(b"the dump", timeout=60)
        assert backup.returncode == 0, output + errors
    assert restic(which, repository, "dump", "latest", "/dump").stdout == b"the dump"
    assert locks(repository) == 0


@each_restic
def test_both_write_at_once(which: Restic, repository: Path) -> None:
    with start_restic(which, repository, "backup", "--stdin", "--stdin-filename", "its") as its:
        wait_for(lambda: locks(repository) == 1, its)
        drorch(repository, "backup", "--stdin", "--stdin-filename", "ours", stdin=b"ours" * 500_000)
        output, errors = its.communicate(b"its" * 500_000, timeout=60)
        assert its.returncode == 0, output + errors
    restic(which, repository, "check", "--read-data")
    assert len(Repository.open(LocalTarget(repository), PASSWORD).list_snapshots().snapshots) == 2
