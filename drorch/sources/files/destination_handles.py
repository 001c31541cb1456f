"""Folders of the destination by handle, so that no symlink is ever followed on the way to a file.

Every folder is opened part by part from the root's handle with O_NOFOLLOW, so paths of any length and depth work
and a symlink put in a folder's place, even while the restore runs, ends in a refusal.
"""

import errno
import os
import threading
from collections import OrderedDict
from pathlib import Path

from drorch.sources.files.placement import Refused, RelativePath, require_safe, shown

_FOLDER_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_LIMIT = 256


class Handle(int):
    """An open file descriptor that closes itself when its last user lets go of it.

    It is the number, so whoever is in a system call with it holds it: evicting it from a cache while another
    thread uses it is safe.
    """

    __slots__ = ()

    def __del__(self) -> None:
        os.close(self)

    @property
    def path(self) -> str:
        """A path that leads to this very inode, for system calls that take no handle opened with O_PATH."""
        return f"/proc/self/fd/{int(self)}"


class Folders:
    """Handles of the folders below a root: the last used ones stay open, at most `limit` of them."""

    def __init__(self, root: Path, limit: int = _LIMIT) -> None:
        """Raises `OSError` where the root cannot be opened."""
        self._root: Handle | None = Handle(os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        self._limit = limit
        self._lock = threading.Lock()
        self._cached: OrderedDict[RelativePath, Handle] = OrderedDict()

    def open(self, path: RelativePath) -> Handle:
        """The handle (O_PATH) of a folder. Raises `Refused` and `OSError`."""
        if not path:
            return self._opened_root()
        with self._lock:
            handle = self._cached.get(path)
            if handle is not None:
                self._cached.move_to_end(path)
                return handle
        return self._walk(path)

    def forget(self, path: RelativePath) -> None:
        """A folder was removed: what is found under its name next is another one."""
        with self._lock:
            self._cached.pop(path, None)

    def close(self) -> None:
        """Let go of all handles; nothing can be opened any more."""
        with self._lock:
            self._cached.clear()
            self._root = None

    def _walk(self, path: RelativePath) -> Handle:
        known, handle = self._deepest_cached(path)
        for depth in range(known, len(path)):
            handle = _open_folder(handle, path, depth)
            if len(path) - depth <= self._limit:
                self._keep(path[: depth + 1], handle)
        return handle

    def _deepest_cached(self, path: RelativePath) -> tuple[int, Handle]:
        with self._lock:
            for depth in range(len(path) - 1, 0, -1):
                handle = self._cached.get(path[:depth])
                if handle is not None:
                    return depth, handle
        return 0, self._opened_root()

    def _opened_root(self) -> Handle:
        root = self._root
        if root is None:
            raise Refused("the destination is closed")
        return root

    def _keep(self, path: RelativePath, handle: Handle) -> None:
        with self._lock:
            self._cached[path] = handle
            self._cached.move_to_end(path)
            if len(self._cached) > self._limit:
                self._cached.popitem(last=False)


def _open_folder(parent: Handle, path: RelativePath, depth: int) -> Handle:
    require_safe(path[depth])
    try:
        return Handle(os.open(path[depth], _FOLDER_FLAGS, dir_fd=parent))
    except OSError as fault:
        if fault.errno in (errno.ENOTDIR, errno.ELOOP):
            raise Refused(f"{shown(path[: depth + 1])} is not a folder; nothing is written through it") from fault
        raise


def open_listed(folder: Handle) -> Handle:
    """The same folder, opened for listing and for its metadata. Raises `OSError`."""
    return Handle(os.open(b".", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder))


def open_node(folder: Handle, name: bytes) -> Handle:
    """Whatever has this name, not followed and not opened (O_PATH). Raises `OSError`."""
    return Handle(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder))
