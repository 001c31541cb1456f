"""A database file is put back.

Promise: it is written beside its place, found sound, and put there in one step; before that, nothing that was there is
touched. A file that was there is replaced only where that was asked for, and never while somebody uses it.
"""

import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import INTERRUPTION
from drorch.errors import RestoreError
from drorch.sources.databases.contract import Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import DatabaseFacts, Facts, compare
from drorch.sources.databases.growing import growing, write_pieces
from drorch.sources.sqlite.dump import FOLDER, SUFFIX
from drorch.sources.sqlite.inspection import Inspection, UnsoundError
from drorch.sources.sqlite.opening import real_path, shown
from drorch.sources.sqlite.replacing import objections_to, replace
from drorch.units import format_size


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
            with growing(path.parent) as (file, handle):
                with self.parts.open(part) as pieces:
                    write_pieces(handle, pieces)
                found = self._inspected(file, path)
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
