"""The socket as a file: whose it is, whom it takes the place of, and that it is gone afterwards."""

import grp
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drorch.orchestrator.control.listener import GROUP, SocketRefused, connect, listen

DAEMON = """
import pathlib, sys, time
from drorch.orchestrator.control.listener import listen
held = listen(pathlib.Path(sys.argv[1]))
print("listening", flush=True)
time.sleep(600)
"""


def group() -> int:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return os.getegid()


def test_owner_and_group_may_connect_and_nobody_else(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        listener = listen(tmp_path / "new" / "control.sock")
    finally:
        os.umask(before)
    status = listener.path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o660, os.geteuid())
    if os.geteuid() == 0:
        assert status.st_gid == group()
    assert not (tmp_path / "new").stat().st_mode & 0o022
    listener.close()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["control.sock.lock"]


def test_a_path_may_be_as_long_as_it_likes(tmp_path: Path) -> None:
    folder = tmp_path
    for _ in range(6):
        folder /= "x" * 60
    listener = listen(folder / "control.sock")
    connect(folder / "control.sock", 5).close()
    listener.close()
    with pytest.raises(SocketRefused, match="too long a name"):
        listen(tmp_path / ("x" * 100))


def test_a_living_daemon_keeps_its_socket(tmp_path: Path) -> None:
    first = listen(tmp_path / "control.sock")
    with pytest.raises(SocketRefused, match="listens at") as refused:
        listen(tmp_path / "control.sock")
    assert refused.value.hint == "Type: drorch status"
    connect(tmp_path / "control.sock", 5).close()
    first.close()
    listen(tmp_path / "control.sock").close()


def test_a_living_daemon_without_a_lock_keeps_its_socket(tmp_path: Path) -> None:
    first = listen(tmp_path / "control.sock")
    (tmp_path / "control.sock.lock").unlink()
    with pytest.raises(SocketRefused, match="already"):
        listen(tmp_path / "control.sock")
    first.close()


def test_the_socket_of_a_dead_daemon_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    with subprocess.Popen([sys.executable, "-c", DAEMON, path], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"listening\n"
        with pytest.raises(SocketRefused):
            listen(path)
        child.send_signal(signal.SIGKILL)
    assert path.exists()
    listener = listen(path)
    connect(path, 5).close()
    listener.close()
    assert not path.exists()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(SocketRefused, match="no socket"):
        listen(path)
    assert path.read_text() == "precious"
    with pytest.raises(SocketRefused, match="file exists"):
        listen(path / "below")


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "control.sock.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SocketRefused):
        listen(tmp_path / "control.sock")
    assert not (tmp_path / "elsewhere").exists()


def test_another_ones_socket_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    first = listen(path)
    path.unlink()
    (tmp_path / "control.sock.lock").unlink()
    second = listen(path)
    first.close()
    connect(path, 5).close()
    second.close()


def test_whoever_calls_while_many_do_waits_for_a_turn(tmp_path: Path) -> None:
    listener = listen(tmp_path / "control.sock")
    called: list[socket.socket] = []
    callers = [threading.Thread(target=lambda: called.append(connect(listener.path, 20))) for _ in range(100)]
    for caller in callers:
        caller.start()
    listener.socket.settimeout(20)
    taken = [listener.socket.accept()[0] for _ in callers]
    for caller in callers:
        caller.join()
    assert len(called) == 100
    for one in (*called, *taken):
        one.close()
    listener.close()


def test_a_daemon_that_answers_nobody_is_given_up(tmp_path: Path) -> None:
    listener = listen(tmp_path / "control.sock")
    called = []
    with pytest.raises(OSError, match="temporarily unavailable"):
        for _ in range(200):
            called.append(connect(listener.path, 0.2))
    for one in called:
        one.close()
    listener.close()
