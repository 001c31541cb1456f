"""How a name comes to be what the snapshot says: made under a temporary name, then renamed over what was there.

A folder in the way goes only where it is empty, or where the policy allows its content to be removed.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from drorch.sources.files.destination_handles import Folders, Handle
from drorch.sources.files.destination_regions import Buffer, is_zero, write_all
from drorch.sources.files.destination_removal import Removal
from drorch.sources.files.placement import Kind, Metadata, Refused, RelativePath, require_safe

FORMATS = {
    Kind.FILE: stat.S_IFREG,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.FIFO: stat.S_IFIFO,
    Kind.DEV: stat.S_IFBLK,
    Kind.CHARDEV: stat.S_IFCHR,
}
_CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_SMALLEST_HOLE = 4096


class Placer:
    """Makes names below one destination. Threads may share it, each working on nodes of its own."""

    def __init__(self, folders: Folders, removal: Removal, *, delete: bool) -> None:
        self._folders = folders
        self._removal = removal
        self._delete = delete

    def folder(self, path: RelativePath) -> Handle:
        """The folder that `path` is in. Raises `OSError`, and `Refused` also for a name that is not one."""
        if not path:
            raise Refused("it would replace the destination itself")
        require_safe(path[-1])
        return self._folders.open(path[:-1])

    def move(self, folder: Handle, path: RelativePath, temporary: bytes) -> None:
        """Rename `temporary` to the last part of `path`, both in `folder`. Raises `OSError` and `Refused`."""
        try:
            os.rename(temporary, path[-1], src_dir_fd=folder, dst_dir_fd=folder)
        except IsADirectoryError:
            self._clear_folder(folder, path)
            os.rename(temporary, path[-1], src_dir_fd=folder, dst_dir_fd=folder)

    def make_folder(self, path: RelativePath) -> None:
        """Make a folder with mode 0700, or take the one that is there. Raises `OSError` and `Refused`."""
        folder = self.folder(path)
        try:
            os.mkdir(path[-1], 0o700, dir_fd=folder)
            return
        except FileExistsError:
            self._folders.forget(path)
        try:
            self._folders.open(path)
        except Refused:
            os.unlink(path[-1], dir_fd=folder)
            os.mkdir(path[-1], 0o700, dir_fd=folder)

    def unlock_folder(self, path: RelativePath) -> None:
        """Let its owner write into an existing folder until it is finished. Raises `OSError` and `Refused`."""
        handle = self._folders.open(path)
        status = os.fstat(handle)
        if status.st_uid == os.geteuid() and status.st_mode & 0o700 != 0o700:
            Path(handle.path).chmod(stat.S_IMODE(status.st_mode) | 0o700)

    def _clear_folder(self, folder: Handle, path: RelativePath) -> None:
        self._folders.forget(path)
        try:
            os.rmdir(path[-1], dir_fd=folder)
        except OSError as fault:
            if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            if not self._delete:
                raise Refused("a folder with content is in its place; --delete allows its removal") from fault
            self._removal.remove(path)


def create(folder: Handle, temporary: bytes) -> Handle:
    """A new empty file, mode 0600, in the place of what an earlier run left by that name. Raises `OSError`."""
    try:
        return Handle(os.open(temporary, _CREATE_FLAGS, 0o600, dir_fd=folder))
    except FileExistsError:
        os.unlink(temporary, dir_fd=folder)
        return Handle(os.open(temporary, _CREATE_FLAGS, 0o600, dir_fd=folder))


def make_special(folder: Handle, name: bytes, metadata: Metadata) -> None:
    """A symlink, fifo or device node with no rights yet. Raises `OSError`, `Refused`, `OverflowError`."""
    if metadata.kind == Kind.SYMLINK:
        if metadata.linktarget is None:
            raise Refused("the symlink has no target")
        target = metadata.linktarget
        _replacing(folder, name, lambda: os.symlink(target, name, dir_fd=folder))
    elif metadata.kind in (Kind.FIFO, Kind.DEV, Kind.CHARDEV):
        mode = FORMATS[Kind(metadata.kind)] | 0o600
        device = 0 if metadata.kind == Kind.FIFO else metadata.device
        _replacing(folder, name, lambda: os.mknod(name, mode, device, dir_fd=folder))
    else:
        raise Refused(f"a node of type {metadata.kind!r:.40} cannot be put back")


def link(source: Handle, original: bytes, folder: Handle, name: bytes) -> None:
    """Another name of `original`, a symlink itself rather than what it points to. Raises `OSError`."""
    _replacing(
        folder,
        name,
        lambda: os.link(original, name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False),
    )


def _replacing(folder: Handle, name: bytes, make: Callable[[], None]) -> None:
    try:
        make()
    except FileExistsError:
        os.unlink(name, dir_fd=folder)
        make()


def write_parts(handle: Handle, parts: Sequence[Buffer], *, sparse: bool) -> None:
    """Write a whole new file; with `sparse`, parts that are all zero become holes. Raises `OSError`."""
    offset = 0
    hole = False
    for part in parts:
        hole = sparse and len(part) >= _SMALLEST_HOLE and is_zero(part)
        if not hole:
            write_all(handle, offset, part)
        offset += len(part)
    if hole:
        os.ftruncate(handle, offset)


def remove_temporary(folder: Handle, name: bytes) -> None:
    """Clean up after a failure, whose own cause is the one to tell."""
    with contextlib.suppress(OSError):
        os.unlink(name, dir_fd=folder)
