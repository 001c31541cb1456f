"""A database file is put back.

Promise: it is written beside its place, found sound, and put there in one step; before that, nothing that was there is
touched. A file that was there is replaced only where that was asked for, and never while somebody uses it.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import INTERRUPTION
from drorch.errors import RestoreError
from drorch.sources.databases.contract import Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import DatabaseFacts, Facts, compare
from drorch.sources.sqlite.dump import FOLDER, SUFFIX
from drorch.sources.sqlite.inspection import Inspection, UnsoundError
from drorch.sources.sqlite.opening import real_path, shown
from drorch.sources.sqlite.replacing import objections_to, replace, sync_folder
from drorch.units import format_size

_PREFIX = ".drorch-sqlite-"


@dataclass(frozen=True, slots=True)
class Restoring:
    """One restore: `recorded_path` is where the database goes where the wish does not say otherwise."""

    recorded_path: Path
    wish: RestoreWish
    parts: StoredParts
    facts: Facts | None
    inspection: Inspection

    def objections(self) -> Sequence[Objection]:
        """What stands in the way. Looks, and changes nothing."""
        try:
            part = self._part()
        except RestoreError as fault:
            return [Objection(fault.message, fault.hint or "", fatal=True)]
        found = [
            Objection(f"SQLite cannot restore {what} alone", "Restore the whole database to another path.", fatal=True)
            for what, asked in (("tables", self.wish.tables), ("schemas", self.wish.schemas))
            if asked
        ]
        path = self._path()
        found.extend(objections_to(path, overwrite=self.wish.overwrite))
        if not any(one.fatal for one in found) and (free := shutil.disk_usage(path.parent).free) < self.parts.size(
            part
        ):
            needed = f"{format_size(self.parts.size(part))} are needed, {format_size(free)} are free"
            found.append(Objection(f"folder {shown(path.parent)} is full: {needed}", "Free some room.", fatal=True))
        return found

    def restore(self) -> Loaded:
        """Do it. Raises `RestoreError`, and what reading the part raises."""
        for one in self.objections():
            if one.fatal:
                raise RestoreError(one.message, hint=one.hint)
        part, path = self._part(), self._path()
        try:
            with _growing(path.parent) as (file, handle):
                self._write(part, handle)
                found = self._inspected(file, path)
                os.fsync(handle)
                new = not path.exists()
                replace(file, path)
        except OSError as fault:
            raise RestoreError(
                f"database {shown(path)}: {fault.strerror}", hint="make room, or choose another path with --into"
            ) from fault
        private = ("the file is its owner's alone (mode 0600): give it to whoever needs it",) if new else ()
        return self._compared(part, found, private)

    def _part(self) -> str:
        """The part that is meant. Raises `RestoreError`."""
        names = [name for name in self.parts.names() if name.startswith(f"{FOLDER}/") and name.endswith(SUFFIX)]
        wanted = [name for name in names if self.wish.only in (None, _database_of(name))]
        if len(wanted) == 1:
            return wanted[0]
        if not names:
            raise RestoreError("the snapshot holds no SQLite database", hint="choose another: drorch snapshots")
        held = ", ".join(_database_of(name) for name in names)
        raise RestoreError(f"the snapshot holds the databases {held}", hint="name one of them with --only")

    def _path(self) -> Path:
        return real_path(self.wish.into or self.recorded_path)

    def _write(self, part: str, handle: int) -> None:
        with self.parts.open(part) as pieces:
            for piece in pieces:
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(handle, rest) :]

    def _inspected(self, file: Path, path: Path) -> DatabaseFacts:
        hint = "restore an older snapshot: drorch snapshots"
        try:
            return self.inspection.look(file, thorough=True)
        except UnsoundError as fault:
            raise RestoreError(f"what would be {shown(path)} is damaged; SQLite says: {fault}", hint=hint) from fault
        except sqlite3.Error as fault:
            if INTERRUPTION.came:
                raise KeyboardInterrupt from fault
            raise RestoreError(f"what would be {shown(path)} is no database: {fault}", hint=hint) from fault

    def _compared(self, part: str, found: DatabaseFacts, notes: tuple[str, ...]) -> Loaded:
        name = _database_of(part)
        recorded = self.facts.databases.get(name) if self.facts is not None else None
        if recorded is None:
            unknown = f"the snapshot holds no facts of {name}, so nothing was compared"
            return Loaded((name,), (), (*notes, *found.notes, unknown), compared=False)
        comparison = compare(recorded, found)
        notes = (*notes, *found.notes, *comparison.remarks, *comparison.not_compared)
        told = comparison.differences
        if found.size != recorded.size:
            told = (*told, f"it has {found.size} bytes, had {recorded.size}")
        return Loaded((name,), told, notes, compared=not comparison.not_compared)


def _database_of(part: str) -> str:
    return part.removeprefix(f"{FOLDER}/").removesuffix(SUFFIX)


@contextlib.contextmanager
def _growing(folder: Path) -> Iterator[tuple[Path, int]]:
    """A new file under a name of its own, with a handle to write to it; removed unless it was renamed."""
    _remove_leftovers(folder)
    file = folder / f"{_PREFIX}{secrets.token_hex(8)}"
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield file, handle
    finally:
        file.unlink(missing_ok=True)
        sync_folder(folder)
        os.close(handle)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed restores left there: files that nobody has locked."""
    for file in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.unlink()
            finally:
                os.close(handle)
