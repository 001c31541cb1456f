"""Where a database file is put, and what is there already.

Promise: a database that somebody uses is not replaced. What lies beside a file of that name is never applied to the
new one: the log of another database would ruin it.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from drorch.errors import RestoreError
from drorch.sources.databases.contract import Objection
from drorch.sources.databases.growing import put
from drorch.sources.sqlite.opening import SIDECARS, connect, is_broken, is_locked, shown

_LOCK_SECONDS = 1.0
_MOST_NAMED = 3


def objections_to(path: Path, *, overwrite: bool) -> Sequence[Objection]:
    """What stands in the way of a database at this path. Looks, and changes nothing."""
    if path.is_dir():
        return [Objection(f"{shown(path)} is a folder", "Name the file to make: --into FOLDER/NAME.", fatal=True)]
    if not path.parent.is_dir():
        return [Objection(f"folder {shown(path.parent)} is missing", "Make the folder first.", fatal=True)]
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return [Objection(f"folder {shown(path.parent)} may not be written to", "Choose another.", fatal=True)]
    if path.exists() and not path.is_file():
        return [Objection(f"{shown(path)} is not a file", "Choose another path with --into.", fatal=True)]
    there = [one for one in (path, *_beside(path)) if one.exists()]
    if not there:
        return []
    if not overwrite:
        what = "exists" if path.exists() else "is left of another database, and would be taken for a part of this one"
        return [
            Objection(f"{shown(there[0])} {what}", "Choose another path with --into, or --overwrite it.", fatal=True)
        ]
    return [_in_use(path, users)] if (users := _users(there)) else []


def _in_use(path: Path, users: Sequence[str]) -> Objection:
    who = ", ".join(users[:_MOST_NAMED]) + (" and others" if len(users) > _MOST_NAMED else "")
    return Objection(f"database {shown(path)} is in use by {who}", "Stop what uses it, then restore.", fatal=True)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{ending}") for ending in SIDECARS]


def _users(files: Sequence[Path]) -> list[str]:
    """Processes that have one of these files open, as far as we may know: only root sees all."""
    wanted = {(status.st_dev, status.st_ino) for file in files for status in _statuses(file)}
    found = []
    for process in sorted(Path("/proc").glob("[0-9]*"), key=lambda one: int(one.name)):
        if int(process.name) != os.getpid() and _has_open(process, wanted):
            found.append(f"process {process.name}{_name_of(process)}")
    return found


def _statuses(path: Path) -> list[os.stat_result]:
    with contextlib.suppress(OSError):
        return [path.stat()]
    return []


def _has_open(process: Path, wanted: set[tuple[int, int]]) -> bool:
    try:
        handles = list((process / "fd").iterdir())
    except OSError:
        return False
    return any((status.st_dev, status.st_ino) in wanted for handle in handles for status in _statuses(handle))


def _name_of(process: Path) -> str:
    with contextlib.suppress(OSError):
        name = (process / "comm").read_text("utf-8", errors="backslashreplace").strip()
        return f" ({name})"
    return ""


def replace(made: Path, path: Path) -> None:
    """Put a finished file in the place of a database that may be there. Raises `RestoreError` where that is in use."""
    with contextlib.ExitStack() as exits:
        if path.exists():
            _keep_rights(made, path)
            exits.enter_context(_held(path))
        for file in _beside(path):
            file.unlink(missing_ok=True)
        put(made, path)


def _keep_rights(made: Path, path: Path) -> None:
    """The new file belongs to whom the old one belonged, as far as we may do that."""
    status = path.stat()
    with contextlib.suppress(PermissionError):
        os.chown(made, status.st_uid, status.st_gid)
    made.chmod(status.st_mode & 0o777)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """A database that nobody else can use meanwhile; one that is broken is used by nobody."""
    database = connect(path, mode="rw", wait_seconds=_LOCK_SECONDS)
    try:
        try:
            # Whoever has a WAL database open, idle or not, keeps it from leaving that mode.
            if database.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                database.execute("PRAGMA journal_mode = DELETE")
            database.execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as fault:
            if is_locked(fault):
                raise RestoreError(
                    f"database {shown(path)} is in use by another process", hint="stop what uses it, then restore"
                ) from fault
            if not is_broken(fault):
                raise RestoreError(
                    f"database {shown(path)} cannot be locked: {fault}", hint="remove it by hand, then restore"
                ) from fault
        yield
    finally:
        database.close()
