"""What is done with files over one SFTP session: read in ranges, written whole, renamed into place.

Promise: reading never asks for more than the range, and what is under way at once is bounded.
"""

import struct
from collections import deque
from collections.abc import Sequence

from drorch.storage.sftp.packets import (
    Code,
    FileStatus,
    Kind,
    OpenFlag,
    Refused,
    Room,
    SessionLost,
    mode_attributes,
    text,
)
from drorch.storage.sftp.session import SftpSession, expect

_FSYNC = "fsync@openssh.com"
_POSIX_RENAME = "posix-rename@openssh.com"
_STATVFS = "statvfs@openssh.com"


def stat(session: SftpSession, path: bytes) -> FileStatus:
    """Status of a file, of a link's target for a link. Raises `Refused`."""
    return session.status(session.ask(Kind.STAT, text(path)))


def stat_all(session: SftpSession, paths: Sequence[bytes]) -> list[FileStatus | None]:
    """Status of each path, None where there is nothing (to be seen)."""
    found: list[FileStatus | None] = []
    for number in [session.ask(Kind.STAT, text(path)) for path in paths]:
        try:
            found.append(session.status(number))
        except Refused:
            found.append(None)
    return found


def open_for_reading(session: SftpSession, path: bytes) -> tuple[FileStatus, bytes | None]:
    """Status of a file and, where it is a regular one, a handle of it. Raises `Refused`.

    Both are asked for at once. Opening what is no regular file may hang (a FIFO does): the session is then over.
    """
    looking = session.ask(Kind.STAT, text(path))
    opening = session.ask(Kind.OPEN, text(path), struct.pack(">I", OpenFlag.READ), mode_attributes(None))
    try:
        status = session.status(looking)
    except Refused:
        session.forget(opening)
        raise
    if not status.is_file:
        session.close()
        return status, None
    return status, session.handle(opening)


def read_range(session: SftpSession, handle: bytes, offset: int, length: int) -> tuple[int, bytearray]:
    """The size of an open file, and its bytes from `offset`: `length`, or fewer where it ends before.

    Raises `Refused`.
    """
    sizing = session.ask(Kind.FSTAT, text(handle))
    data, end = bytearray(length), length
    wanted = deque((place, min(session.read_size, length - place)) for place in range(0, length, session.read_size))
    pending: dict[int, tuple[int, int]] = {}
    size: int | None = None
    faults: list[Refused] = []
    while pending or size is None or (wanted and not faults):
        while wanted and not faults and len(pending) < session.ahead(session.read_size):
            place, count = wanted.popleft()
            pending[session.ask(Kind.READ, text(handle), struct.pack(">QI", offset + place, count))] = place, count
        number, kind, rest = session.next_answer()
        try:
            if number == sizing:
                size = 0
                size = expect(Kind.ATTRS, kind, session.receive(rest)).attributes().size
                continue
            place, count = pending.pop(number)
            received = _receive_piece(session, kind, rest, memoryview(data)[place : place + count])
        except Refused as refusal:
            if refusal.code == Code.EOF and number != sizing:
                end = min(end, place)
            else:
                faults.append(refusal)
            continue
        if received < count:
            wanted.appendleft((place + received, count - received))
    if faults:
        raise faults[0]
    return size, data if end == length else data[:end]


def _receive_piece(session: SftpSession, kind: int, rest: int, view: memoryview) -> int:
    """Receive the answer to one read, which may have fewer bytes than asked for; how many. Raises `Refused`."""
    if kind != Kind.DATA:
        expect(Kind.DATA, kind, session.receive(rest))
    received = int.from_bytes(session.receive(4))
    if not 0 < received <= len(view) or received != rest - 4:
        raise SessionLost("the server sent other bytes than it was asked for")
    session.receive_into(view[:received])
    return received


def create_file(session: SftpSession, path: bytes, mode: int) -> bytes:
    """Create a file that must not exist, to be written; its handle. Raises `Refused`."""
    flags = struct.pack(">I", OpenFlag.WRITE | OpenFlag.CREATE | OpenFlag.EXCLUSIVE)
    return session.handle(session.ask(Kind.OPEN, text(path), flags, mode_attributes(mode)))


def write_and_close(session: SftpSession, handle: bytes, data: memoryview, mode: int | None) -> None:
    """Write a whole file, set its mode unless None, sync it where the server can, and close it. Raises `Refused`."""
    pending: deque[int] = deque()
    fault: Refused | None = None
    for offset in range(0, len(data), session.write_size):
        if len(pending) >= session.ahead(session.write_size):
            fault = session.refusal(pending.popleft())
        if fault is not None:
            break
        piece = data[offset : offset + session.write_size]
        pending.append(session.ask(Kind.WRITE, text(handle), struct.pack(">QI", offset, len(piece)), piece))
    if mode is not None:
        # Some file systems know no modes; the file is as private there as its folder.
        session.forget(session.ask(Kind.FSETSTAT, text(handle), mode_attributes(mode)))
    if fault is None and session.offers(_FSYNC):
        pending.append(session.ask_extended(_FSYNC, text(handle)))
    pending.append(session.ask(Kind.CLOSE, text(handle)))
    for number in pending:
        refusal = session.refusal(number)
        fault = fault or refusal
    if fault is not None:
        raise fault


def open_for_sync(session: SftpSession, folder: bytes) -> int | None:
    """Begin to open a folder, as OpenSSH's server allows it; None where what is renamed in it cannot be synced."""
    if not session.offers(_FSYNC):
        return None
    return session.ask(Kind.OPEN, text(folder), struct.pack(">I", OpenFlag.READ), mode_attributes(None))


def sync_folder(session: SftpSession, folder: bytes) -> None:
    """Make what was made or renamed in a folder survive a power cut, where the server lets folders be synced."""
    _sync_and_close(session, open_for_sync(session, folder))


def replace(session: SftpSession, source: bytes, destination: bytes, opening: int | None) -> None:
    """Rename a file onto another, in one step where the server can, and sync their folder. Raises `Refused`.

    `opening` is what `open_for_sync` began. A server without posix-rename@openssh.com renames onto nothing only: there
    the old file is removed before.
    """
    if not session.offers(_POSIX_RENAME):
        _rename_or_remove_first(session, source, destination)
        _sync_and_close(session, opening)
        return
    # OpenSSH's server, which alone offers both, does one thing after the other: the folder is synced once renamed in.
    renaming = session.ask_extended(_POSIX_RENAME, text(source), text(destination))
    _sync_and_close(session, opening)
    session.answer(renaming, Kind.STATUS)


def _rename_or_remove_first(session: SftpSession, source: bytes, destination: bytes) -> None:
    try:
        session.do(Kind.RENAME, text(source), text(destination))
    except Refused:
        remove(session, destination)
        session.do(Kind.RENAME, text(source), text(destination))


def _sync_and_close(session: SftpSession, opening: int | None) -> None:
    if opening is None:
        return
    try:
        handle = session.handle(opening)
    except Refused:
        return
    number = session.ask_extended(_FSYNC, text(handle))
    session.close_handle(handle)
    session.refusal(number)


def remove(session: SftpSession, path: bytes) -> None:
    """Remove a file. Raises `Refused`."""
    session.do(Kind.REMOVE, text(path))


def remove_if_there(session: SftpSession, path: bytes) -> None:
    """Remove a file unless it is missing. Raises `Refused`."""
    try:
        session.do(Kind.REMOVE, text(path))
    except Refused as refusal:
        if refusal.code != Code.NO_SUCH_FILE:
            raise


def room(session: SftpSession, path: bytes) -> Room | None:
    """How much room the file system of a path has; None where the server does not tell."""
    if not session.offers(_STATVFS):
        return None
    try:
        return session.answer(session.ask_extended(_STATVFS, text(path)), Kind.EXTENDED_REPLY).room()
    except Refused:
        return None
