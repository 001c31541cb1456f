"""Reaching files whatever the length of their path: what the kernel refuses at once is walked piece by piece.

Promise: no path is too long (only a single name can be), and never more than two descriptors are open at a time.
"""

import contextlib
import errno
import os
from collections.abc import Iterator

# limits.h: the longest path of one system call, its final NUL included (path_resolution(7)).
PATH_MAX = 4096


def join(folder: bytes, name: bytes) -> bytes:
    """Path of a name in a folder; the root folder is "/", and no folder at all is ""."""
    return folder + name if folder.endswith(b"/") else folder + b"/" + name


def open_deep(path: bytes, flags: int) -> int:
    """A descriptor of `path`, of any length, to be closed by the caller. Raises `OSError`."""
    if len(path) < PATH_MAX:
        return os.open(path, flags)
    with _anchored(path) as (anchor, rest):
        return os.open(rest, flags, dir_fd=anchor)


def open_unnoticed(path: bytes, flags: int) -> int:
    """As `open_deep`, leaving the access time alone where the kernel allows it (owner or root, open(2))."""
    try:
        return open_deep(path, flags | os.O_NOATIME)
    except PermissionError as fault:
        if fault.errno != errno.EPERM:
            raise
        return open_deep(path, flags)


@contextlib.contextmanager
def reachable(path: bytes) -> Iterator[bytes]:
    """A path of the same file that any system call takes, for calls that know no directory handles.

    A long one leads through /proc/self/fd and is valid in the block only. Raises `OSError`.
    """
    if len(path) < PATH_MAX:
        yield path
        return
    with _anchored(path) as (anchor, rest):
        yield b"/proc/self/fd/%d/%s" % (anchor, rest)


@contextlib.contextmanager
def _anchored(path: bytes) -> Iterator[tuple[int, bytes]]:
    """A handle of a folder far down a long path, and the short rest of the path."""
    anchor, rest = _open_next(path, None)
    try:
        # Room for the "/proc/self/fd/N/" that may come before it.
        while len(rest) >= PATH_MAX - 64:
            above = anchor
            try:
                anchor, rest = _open_next(rest, above)
            finally:
                if anchor != above:
                    os.close(above)
        yield anchor, rest
    finally:
        os.close(anchor)


def _open_next(path: bytes, above: int | None) -> tuple[int, bytes]:
    cut = path.rfind(b"/", 1, PATH_MAX - 1)
    if cut < 0:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    handle = os.open(path[:cut], os.O_PATH | os.O_DIRECTORY, dir_fd=above)
    return handle, path[cut:].lstrip(b"/")
