"""Files of passwords: private, and gone when they are not needed, also when their process was killed."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.errors import SourceUnavailable
from drorch.process.identity import own_identity
from drorch.sources.databases.passfile import passfile, remove_leftovers

_KEEPER = """
import sys, time
from drorch.sources.databases.passfile import passfile
with passfile("geheim", "pgpass") as file:
    print(file, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A temporary folder, open to all as /tmp is."""
    tmp_path.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield tmp_path
    monkeypatch.setattr("tempfile.tempdir", None)


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_private_and_removed(place: Path) -> None:
    before = os.umask(0)
    try:
        with passfile("localhost:*:*:backup:g\u00e4heim\udcff", "pgpass") as file:
            assert file.read_bytes() == b"localhost:*:*:backup:g\xc3\xa4heim\xff"
            assert (file.name, _mode(file), _mode(file.parent), file.parent.parent) == ("pgpass", 0o600, 0o700, place)
    finally:
        os.umask(before)
    assert list(place.iterdir()) == []


def test_it_is_removed_whatever_happens(place: Path) -> None:
    def interrupted() -> None:
        with passfile("geheim"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(place.iterdir()) == []


def test_what_killed_processes_left_is_removed_and_nothing_else(place: Path) -> None:
    with _keeper() as killed, _keeper() as alive:
        left, needed = _told(killed), _told(alive)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
        linked = place / f"{left.parent.name}x"
        linked.symlink_to(needed.parent)
        foreign = place / left.parent.name.replace("-", "_")
        foreign.mkdir()
        with passfile("another"):
            assert not left.parent.exists()
            assert needed.read_text() == "geheim"
        assert {path.name for path in place.iterdir()} == {needed.parent.name, linked.name, foreign.name}
        alive.communicate()
    assert not needed.parent.exists()


def test_what_is_of_another_boot_is_removed_and_of_another_container_is_not(place: Path) -> None:
    with passfile("geheim") as file:
        own = file.parent.name.split("-")
    assert own[:2] == ["drorch", "secret"]
    pid, started, boot, namespace, last = own[2:]
    another_boot = place / "-".join(["drorch-secret", pid, started, "0" * len(boot), namespace, last])
    another_container = place / "-".join(["drorch-secret", "999999999", "1", boot, "17", last])
    for folder in (another_boot, another_container):
        folder.mkdir(0o700)
    remove_leftovers()
    # A machine without a name cannot be told from another one that shares the folder.
    kept = [another_container] if own_identity().machine else [another_boot, another_container]
    assert sorted(place.iterdir()) == sorted(kept)


def test_no_room_is_said_in_a_line(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(place / "missing"))
    with pytest.raises(SourceUnavailable, match="No such file"), passfile("geheim"):
        pass


def _keeper() -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", _KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _told(keeper: "subprocess.Popen[str]") -> Path:
    assert keeper.stdout is not None
    return Path(keeper.stdout.readline().strip())
