"""A scratch place in a folder of this machine, and what such folders can do beside the contract.

The promise: it makes one new folder in a folder that is there, and takes nothing else away again.
"""

import contextlib
import os
import shlex
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from drorch.errors import TargetMissing
from drorch.storage.abilities import Abilities, Leftover, Space
from drorch.storage.local import LocalTarget


class LocalScratch:
    """A new folder `name` inside `parent`, which is where a repository is or will be."""

    def __init__(self, parent: Path, name: str) -> None:
        self._parent = parent.absolute()
        self._root = self._parent / name
        self.target = LocalTarget(self._root)
        self.abilities = Abilities(clocked=self, spacious=self, cached=self)

    @property
    def name(self) -> str:
        """See `ScratchPlace`."""
        return str(self._root)

    def prepare(self) -> None:
        """See `ScratchPlace`. The folders of a repository come with what is saved, after `config`."""
        if not self._parent.is_dir():
            raise TargetMissing(
                f"target {self._parent}: there is no such folder",
                hint=f"mount its disk, or make the folder: mkdir -p {shlex.quote(str(self._parent))}",
            )
        with self.target.translated("a scratch folder cannot be made"):
            self._root.mkdir(0o700)

    def discard(self) -> Sequence[Leftover]:
        """See `ScratchPlace`."""
        faults: list[Leftover] = []

        def note(_function: object, path: str, fault: object) -> None:
            reason = fault[1] if isinstance(fault, tuple) else fault
            if not isinstance(reason, FileNotFoundError):
                faults.append(Leftover(path, str(getattr(reason, "strerror", None) or reason).lower()))

        shutil.rmtree(self._root, onerror=note)
        return faults

    def time_there(self) -> datetime:
        """See `Clocked`: when a file that is made now was made, by the clock of whoever holds the disk."""
        path = self._root / "time"
        with self.target.translated("its clock cannot be read"):
            path.touch()
            try:
                return datetime.fromtimestamp(path.stat().st_mtime, UTC)
            finally:
                path.unlink()

    def space(self) -> Space:
        """See `Spacious`."""
        with self.target.translated("its room cannot be asked for"):
            found = os.statvfs(self._root)
        return Space(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)

    def forget(self, key: str) -> None:
        """See `Cached`."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._root / key, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
