"""A copy of a database that others go on using, of one moment, in a private file.

Promise: the copy is readable by its owner alone, is gone when the block is left, and is taken away at the next copy
where a process was killed before it could do so.
"""

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import DumpFailed
from drorch.sources.sqlite.opening import Patience, connect, connect_source, shown, source_faults

_PREFIX = "drorch-sqlite-"
_STEP_BYTES = 4 << 20
_MOST_RESTARTS = 5
_RETRY_SECONDS = 0.02
_BUSY = 5
"""SQLITE_BUSY; where another process has the lock."""


def copies_folder(wanted: Path | None) -> Path:
    """Where copies are made: where that was said, else in $TMPDIR or /var/tmp, which is on a disk where /tmp is not."""
    if wanted is not None:
        return wanted
    large = Path("/var/tmp")  # noqa: S108 - a private folder is made in it
    if "TMPDIR" not in os.environ and os.access(large, os.W_OK | os.X_OK):
        return large
    return Path(tempfile.gettempdir())


@contextlib.contextmanager
def private_folder(within: Path) -> Iterator[Path]:
    """A folder of our own, removed with all that is in it; before, those of killed processes are removed."""
    _remove_leftovers(within)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=within))
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if _is_ours(folder, handle):
                yield folder
                return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def _is_ours(folder: Path, handle: int) -> bool:
    """Lock it; False where another process took it for a leftover before that."""
    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)
        return os.fstat(handle).st_ino == folder.stat().st_ino
    return False


def _remove_leftovers(within: Path) -> None:
    for folder in within.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(handle).st_uid == os.geteuid():
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)


class Copying:
    """Copies a database step by step.

    Of a WAL database, a reader keeps one moment while writers go on. Of any other, a copy begins anew whenever
    somebody writes between two steps; after a few times, writers wait until it is done, which `made_wait` tells.
    """

    def __init__(self, path: Path, wait_seconds: float, clock: Clock) -> None:
        self._path = path
        self._wait_seconds = wait_seconds
        self._clock = clock
        self.made_wait = False

    def into(self, file: Path) -> None:
        """Make the copy in a file that is not there. Raises `SourceUnavailable` and `DumpFailed`."""
        patience = Patience(self._wait_seconds, self._clock)
        with source_faults(self._path), closing(connect_source(self._path, patience)) as source:
            if self._hold(source, patience) != "wal":
                source.execute("ROLLBACK")
                if self._between_writers(source, file):
                    return
                self.made_wait = True
                self._hold(source, patience)
            self._copy(source, file, _Restarts(None))

    def _hold(self, source: sqlite3.Connection, patience: Patience) -> str:
        """Keep the present moment of it; the journal mode."""
        source.execute("BEGIN")
        patience.read(source, "PRAGMA schema_version")
        return str(patience.read(source, "PRAGMA journal_mode"))

    def _between_writers(self, source: sqlite3.Connection, file: Path) -> bool:
        try:
            self._copy(source, file, _Restarts(_MOST_RESTARTS))
        except _RestartedError:
            file.unlink(missing_ok=True)
            return False
        return True

    def _copy(self, source: sqlite3.Connection, file: Path, restarts: "_Restarts") -> None:
        page_bytes = int(source.execute("PRAGMA page_size").fetchone()[0])
        try:
            file.touch(0o600, exist_ok=False)
        except OSError as fault:
            raise DumpFailed(f"copy of database {shown(self._path)}: {fault.strerror}") from fault
        with closing(connect(file, mode="rw")) as copy:
            # Whatever cuts it off, this copy is thrown away: nothing of it needs to be undone or to outlast a crash.
            copy.execute("PRAGMA journal_mode = OFF")
            copy.execute("PRAGMA synchronous = OFF")
            pages = max(1, _STEP_BYTES // page_bytes)
            source.backup(copy, pages=pages, progress=restarts.step, sleep=_RETRY_SECONDS)


class _RestartedError(Exception):
    """The copy began anew too often."""


class _Restarts:
    """Looks on while a copy is made: how often it began anew, or had to wait for a lock; None: that cannot be."""

    def __init__(self, most: int | None) -> None:
        self._remaining = most
        self._left: int | None = None

    def step(self, status: int, left: int, _total: int) -> None:
        """After each step. Raises `_RestartedError`."""
        if self._remaining is None:
            return
        if status == _BUSY or (self._left is not None and left > self._left):
            self._remaining -= 1
            if self._remaining < 0:
                raise _RestartedError
        self._left = left
