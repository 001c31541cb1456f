"""Reading at the destination what is there: for verification, and to know what need not be restored again."""

import os
import stat

from drorch.sources.files.destination_handles import Handle
from drorch.sources.files.placement import Kind, Metadata, Refused

_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIR,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFBLK: Kind.DEV,
    stat.S_IFCHR: Kind.CHARDEV,
    stat.S_IFIFO: Kind.FIFO,
}
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class ReadBack:
    """The content of a regular file, read without touching its access time where the system allows that."""

    def __init__(self, handle: Handle) -> None:
        self._handle = handle

    @property
    def size(self) -> int:
        """Bytes it has now. Raises `OSError`."""
        return self.status.st_size

    @property
    def status(self) -> os.stat_result:
        """What it is now. Raises `OSError`."""
        return os.fstat(self._handle)

    def read_at(self, offset: int, length: int) -> bytes:
        """A region; shorter at the end of the file. Raises `OSError`."""
        return os.pread(self._handle, length, offset)


def open_regular(folder: Handle, name: bytes, flags: int) -> Handle:
    """Open a file without following it. Raises `Refused` for all but regular files, which are not opened at all,
    and `OSError`."""
    if stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        handle = Handle(os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder))
        if stat.S_ISREG(os.fstat(handle).st_mode):
            return handle
    raise Refused("it is not a regular file")


def open_content(folder: Handle, name: bytes) -> ReadBack:
    """Open a regular file for reading. Raises `Refused` and `OSError`."""
    try:
        return ReadBack(open_regular(folder, name, _READ_FLAGS | os.O_NOATIME))
    except PermissionError:
        return ReadBack(open_regular(folder, name, _READ_FLAGS))


def describe(handle: Handle) -> Metadata:
    """All metadata of a node opened with O_PATH; owners by number only. Raises `OSError`, and `Refused` for sockets."""
    status = os.fstat(handle)
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is None:
        raise Refused("it is a socket")
    return Metadata(
        kind=kind,
        permissions=stat.S_IMODE(status.st_mode),
        mtime_ns=status.st_mtime_ns,
        atime_ns=status.st_atime_ns,
        uid=status.st_uid,
        gid=status.st_gid,
        xattrs=tuple((name, os.getxattr(handle.path, name)) for name in os.listxattr(handle.path)),
        linktarget=os.readlink(b"", dir_fd=handle) if kind is Kind.SYMLINK else None,
        device=status.st_rdev if kind in (Kind.DEV, Kind.CHARDEV) else 0,
        size=status.st_size if kind is Kind.FILE else 0,
    )
