"""A file that grows beside its place, and is put there when it is whole.

Promise: it is its owner's alone while it grows, and removed unless it was put in its place; what a killed process left
is removed when the next one grows a file in the same folder.
"""

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

_PREFIX = ".drorch-growing-"


@contextlib.contextmanager
def growing(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new file under a name of its own, with a handle to write to it; removed unless it was renamed."""
    _remove_leftovers(folder)
    file = folder / f"{_PREFIX}{secrets.token_hex(8)}"
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file, handle
    finally:
        file.unlink(missing_ok=True)
        os.close(handle)


def write_pieces(handle: int, pieces: Iterable[bytes]) -> int:
    """Write all of them; how many bytes that were."""
    written = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            count = os.write(handle, rest)
            rest = rest[count:]
            written += count
    return written


def put(file: Path, place: Path) -> None:
    """Rename it, so that it outlasts a crash of the machine: whole, or not at all."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    file.replace(place)
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove_leftovers(folder: Path) -> None:
    """Files that nobody has locked."""
    for file in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
            finally:
                os.close(handle)
