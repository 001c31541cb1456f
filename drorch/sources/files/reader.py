"""Reads the content of regular files, once, from start to end.

Promise: what is opened is a regular file at the end of its path (never a link, a pipe or a device that took its
place), its access time is left alone where the kernel allows, and a change during the reading does not go unseen.
"""

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from drorch.sources.files.metadata import FileDetails, details_of_handle
from drorch.sources.files.paths import open_unnoticed
from drorch.sources.files.vantage import renumbered

# O_NONBLOCK: a pipe that took the file's place must not block the run.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class OpenedRegularFile:
    """A regular file being read. It holds one descriptor until it is closed."""

    __slots__ = ("_handle", "stat")

    blob_bytes: ClassVar[None] = None

    def __init__(self, handle: int, status: os.stat_result) -> None:
        self._handle = handle
        self.stat = status

    def details(self) -> FileDetails:
        """Owner, group and extended attributes of what is open."""
        return details_of_handle(self._handle, self.stat)

    def readinto(self, buffer: memoryview) -> int:
        """Bytes put at the start of `buffer`; fewer than fit do not mean the end, 0 does. Raises `OSError`."""
        return os.readv(self._handle, [buffer])

    def changed(self) -> str | None:
        """How the file differs now from when it was opened, in words; None where it does not. Raises `OSError`."""
        before, now = self.stat, os.fstat(self._handle)
        if now.st_size > before.st_size:
            return f"grew from {before.st_size} to {now.st_size} bytes while it was read"
        if now.st_size < before.st_size:
            return f"shrank from {before.st_size} to {now.st_size} bytes while it was read"
        if now.st_mtime_ns != before.st_mtime_ns:
            return "was written to while it was read"
        if now.st_nlink == 0 and before.st_nlink > 0:
            return "was removed while it was read"
        return None

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._handle)


@dataclass(frozen=True, slots=True)
class FilesReader:
    """Opens regular files by their absolute path (bytes). It holds nothing open, so other processes may have it.

    `devices` are the device numbers that stand for others in what it says of a file (`vantage.py`).
    """

    devices: Mapping[int, int] = field(default_factory=dict)

    def open(self, locator: object) -> OpenedRegularFile:
        """Open the regular file at a path.

        Raises `OSError`, with ELOOP where a symlink and EINVAL where anything else has taken its place.
        """
        assert isinstance(locator, bytes)
        handle = open_unnoticed(locator, _FLAGS)
        try:
            status = renumbered(os.fstat(handle), self.devices)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "is no longer a regular file", locator)
        except BaseException:
            os.close(handle)
            raise
        return OpenedRegularFile(handle, status)
