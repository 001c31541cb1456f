"""How database files are opened, and what SQLite's complaints mean.

Promise: nothing that is not a regular file is opened, whatever its name; a name is never taken for more than a name.
"""

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from drorch.clock import INTERRUPTION, Clock
from drorch.errors import DrorchError, DumpFailed, SourceUnavailable

SIDECARS = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a database while it is used, by the end of the name. https://sqlite.org/tempfiles.html"""

_GAP_SECONDS = 0.002


class SourceLocked(SourceUnavailable):
    """Another process holds the database's lock."""


def real_path(path: Path | str) -> Path:
    """Where a database is: links are followed, as SQLite does before it looks for what lies beside it."""
    return Path(os.path.realpath(path))


def shown(path: Path) -> str:
    """A path as it stands in a message."""
    return os.fsencode(path).decode("utf-8", errors="backslashreplace")


def status_of(path: Path) -> os.stat_result:
    """The status of a database file. Raises `SourceUnavailable` where there is none, or something else."""
    try:
        status = path.stat()
    except OSError as fault:
        raise SourceUnavailable(
            f"database {shown(path)}: {fault.strerror}", hint="correct the path, or make the file readable"
        ) from fault
    except ValueError as fault:
        raise SourceUnavailable(
            f"database {shown(path)!r}: no file has such a name", hint="correct the path"
        ) from fault
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnavailable(f"database {shown(path)} is not a file", hint="name the database's file itself")
    return status


def connect(path: Path, *, mode: str, wait_seconds: float = 0.0, immutable: bool = False) -> sqlite3.Connection:
    """Open a database file; `mode` is SQLite's: "ro", "rw" or "rwc". Raises `sqlite3.Error`.

    Locks are waited for so long. An `immutable` one is read as it lies there, without locks: nobody may write to it.
    Names in it that are no text come with surrogates.
    """
    # SQLite reads the file at the first statement only: https://sqlite.org/uri.html
    name = f"file://{quote(os.fsencode(path.absolute()))}?mode={mode}{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(name, uri=True, timeout=wait_seconds, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", errors="surrogateescape")
    return connection


class Patience:
    """Waits for locks until so many seconds are over, looking often: whoever writes all the time leaves short gaps.

    SQLite itself looks ever more seldom, and nobody can interrupt it meanwhile.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def read(self, database: sqlite3.Connection, query: str) -> object:
        """The first value of an answer. Raises `sqlite3.Error`, also where the lock did not come in time."""
        while True:
            try:
                return database.execute(query).fetchone()[0]
            except sqlite3.OperationalError as fault:
                if not is_locked(fault) or self.is_over:
                    raise
            self._clock.sleep(_GAP_SECONDS)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left of it."""
        return self._clock.monotonic() > self._end


def connect_source(path: Path, patience: Patience) -> sqlite3.Connection:
    """Open a database that others use, to read it. Raises `SourceUnavailable` and `sqlite3.Error`."""
    status_of(path)
    # The last one to close a WAL database writes its log into it. A log that somebody left behind is evidence of that
    # and stays as it is; where there is none, whoever may write takes away what it needed itself.
    mode = "ro" if path.with_name(f"{path.name}-wal").exists() else "rw"
    try:
        return _probed(path, mode, patience)
    except sqlite3.OperationalError as fault:
        if mode == "rw" or not _wants_writing(fault):
            raise
        return _probed(path, "rw", patience)


def _probed(path: Path, mode: str, patience: Patience) -> sqlite3.Connection:
    connection = connect(path, mode=mode)
    try:
        connection.execute("PRAGMA query_only = ON")
        patience.read(connection, "PRAGMA schema_version")
    except BaseException:
        connection.close()
        raise
    return connection


def _wants_writing(fault: sqlite3.Error) -> bool:
    """Whether a transaction that was cut off must be undone before anybody can read."""
    return _code(fault).startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN"))


@contextlib.contextmanager
def source_faults(path: Path) -> Iterator[None]:
    """Translates what SQLite says of a database that is to be saved, into `SourceUnavailable` and `DumpFailed`."""
    try:
        yield
    except sqlite3.Error as fault:
        if INTERRUPTION.came:
            raise KeyboardInterrupt from fault
        raise _translated(path, fault) from fault


def _translated(path: Path, fault: sqlite3.Error) -> DrorchError:
    name, code = shown(path), _code(fault)
    if is_locked(fault):
        return locked(path)
    if code == "SQLITE_NOTADB":
        return DumpFailed(
            f"{name} is not a SQLite database, or is encrypted",
            hint='name the database\'s file; an encrypted one is saved by a command of its own (type = "command")',
        )
    if code.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM", "SQLITE_AUTH")):
        return SourceUnavailable(
            f"database {name} cannot be opened: {fault}",
            hint="a database in WAL mode is read by who may write to its folder: run drorch as its owner or as root",
        )
    if code == "SQLITE_FULL":
        return DumpFailed(
            f"database {name}: no room for its copy", hint="free some room, or set TMPDIR to where some is"
        )
    return DumpFailed(
        f"database {name}: SQLite says: {fault}", hint="look at it with: sqlite3 FILE 'pragma integrity_check'"
    )


def locked(path: Path) -> "SourceLocked":
    """The error of a database whose lock somebody else has."""
    return SourceLocked(
        f"database {shown(path)} is locked by another process", hint="end what holds it, or try again later"
    )


def is_locked(fault: sqlite3.Error) -> bool:
    """Whether somebody else holds the lock that was wanted."""
    return _code(fault).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def is_broken(fault: sqlite3.Error) -> bool:
    """Whether the file is no sound database, whoever opens it."""
    return _code(fault).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def _code(fault: sqlite3.Error) -> str:
    """SQLite's own name of an error; empty where Python's module complains itself."""
    return str(getattr(fault, "sqlite_errorname", ""))
