"""The daemon's socket in the file system: made at once with the rights it is to have, and only where nobody listens.

Promise: never for a moment may others connect than the owner and the group; a dead daemon's socket is replaced, a
living one's is left alone.
"""

import contextlib
import fcntl
import grp
import os
import socket
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import DrorchError

GROUP = "drorch"
"""Who belongs to this group may ask the daemon; where there is no such group, the owner's own."""
_SOCKET_MODE = 0o660
_FOLDER_MODE = 0o711
_LONGEST_ADDRESS = 107
"""Bytes of a sun_path, without its end (unix(7))."""
_LONGEST_NAME = 64
"""What fits into one behind /proc/self/fd/N/, with a number for the name it is made under."""
_WAITING = 64
_PATIENCE_SECONDS = 2.0
_SPAN = struct.Struct("@ll")


class SocketRefused(DrorchError):
    """There can be no socket here, or another daemon has it."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket, which does not block, and what it takes to leave nothing behind."""

    path: Path
    socket: socket.socket
    _lock: int
    _inode: int

    def close(self) -> None:
        """Stop listening and remove the file, unless it is another's by now."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        os.close(self._lock)


def listen(path: Path) -> Listener:
    """Listen at a path, however long it is. Raises `SocketRefused`."""
    if len(os.fsencode(path.name)) > _LONGEST_NAME:
        raise SocketRefused(
            f"the socket {path} has too long a name", hint=f"Give it one of at most {_LONGEST_NAME} bytes."
        )
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        lock = _only_one(path)
        try:
            _require_replaceable(path)
            listening, inode = _made(path)
        except BaseException:
            os.close(lock)
            raise
    except OSError as fault:
        raise SocketRefused(
            f"no socket can be made at {path}: {(fault.strerror or str(fault)).lower()}",
            hint="Name another place: [daemon] socket.",
        ) from fault
    return Listener(path, listening, lock, inode)


def connect(path: Path, seconds: float) -> socket.socket:
    """A connection to whoever listens at a path; each step of it takes at most so long. Raises `OSError`."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # Where many call at once, a socket with a timeout of Python's would not wait for its turn, but fail: unix(7).
        span = _SPAN.pack(int(seconds), int(seconds % 1 * 1_000_000))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, span)
        with _short(path) as name:
            connection.connect(name)
        connection.settimeout(seconds)
    except BaseException:
        connection.close()
        raise
    return connection


def _only_one(path: Path) -> int:
    """A lock that is held as long as somebody listens: it ends with the process, whatever becomes of that."""
    lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(lock)
        raise _living(path) from fault
    return lock


def _require_replaceable(path: Path) -> None:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise SocketRefused(f"{path} is there already and is no socket", hint="Name another place: [daemon] socket.")
    with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
        connect(path, _PATIENCE_SECONDS).close()
        raise _living(path)


def _living(path: Path) -> SocketRefused:
    return SocketRefused(f"a daemon listens at {path} already", hint="Type: drorch status")


def _made(path: Path) -> tuple[socket.socket, int]:
    """Made under another name, given its rights, and only then put into its place."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    making = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        making.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with _short(making) as name:
                listening.bind(name)
        finally:
            os.umask(before)
        listening.listen(_WAITING)
        listening.setblocking(False)
        _hand_to_group(making)
        making.chmod(_SOCKET_MODE)
        inode = making.lstat().st_ino
        making.rename(path)
    except BaseException:
        listening.close()
        with contextlib.suppress(OSError):
            making.unlink(missing_ok=True)
        raise
    return listening, inode


def _hand_to_group(path: Path) -> None:
    try:
        group = grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return
    # A user who runs a daemon of their own need not be of the group.
    with contextlib.suppress(PermissionError):
        os.chown(path, -1, group)


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of a file that fits into a socket's address, whatever folder it lies in."""
    if len(os.fsencode(path)) <= _LONGEST_ADDRESS:
        yield str(path)
        return
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
