"""SQLite as a kind of database: one file, both directions."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import DrorchError, DumpFailed
from drorch.sources.databases.contract import DumpSession, Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import Facts
from drorch.sources.sqlite.copying import Copying, copies_folder, private_folder
from drorch.sources.sqlite.dump import CopySession, database_name
from drorch.sources.sqlite.inspection import Inspection, QuestionError, UnsoundError
from drorch.sources.sqlite.opening import (
    Patience,
    SourceLocked,
    connect_source,
    real_path,
    shown,
    source_faults,
    status_of,
)
from drorch.sources.sqlite.restoring import Restoring
from drorch.units import format_size

KIND = "sqlite"
_COPY = "copy.sqlite"
_GLANCE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """A database by the `path` of its file; `facts` are queries by name whose answers are recorded.

    A lock of somebody else is waited for `wait_seconds`. Copies are made in the folder `copies`; None: in $TMPDIR or
    /var/tmp.
    """

    path: Path
    facts: Mapping[str, str] = field(default_factory=dict)
    wait_seconds: float = 60.0
    copies: Path | None = None


class Sqlite:
    """A SQLite database, saved by a copy that was checked, and put back as a file."""

    kind = KIND

    def __init__(self, settings: SqliteSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._inspection = Inspection(settings.facts, clock)

    def preflight(self) -> Sequence[Objection]:
        """Whether the file can be read, the job's questions can be asked, and there is room for the copy."""
        path = real_path(self._settings.path)
        patience = Patience(_GLANCE_SECONDS, self._clock)
        try:
            with source_faults(path), closing(connect_source(path, patience)) as source:
                needed = _size_of(source, patience)
                faults = list(self._unanswerable(source))
        except SourceLocked as fault:
            return [Objection(fault.message, fault.hint or "", fatal=False), *self._room_for(path.stat().st_size)]
        except DrorchError as fault:
            return [Objection(fault.message, fault.hint or "", fatal=True)]
        return [*faults, *self._room_for(needed)]

    def dump(self) -> AbstractContextManager[DumpSession]:
        """Copy the database and check the copy. Raises `SourceUnavailable` and `DumpFailed`."""
        return self._dump()

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:
        """What a restore would meet."""
        return self._restoring(wish, parts, facts).objections()

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:
        """Put the file back once it was found sound, and compare it. Raises `RestoreError`."""
        return self._restoring(wish, parts, facts).restore()

    def _restoring(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Restoring:
        return Restoring(self._settings.path, wish, parts, facts, self._inspection)

    @contextlib.contextmanager
    def _dump(self) -> Iterator[CopySession]:
        path = real_path(self._settings.path)
        status_of(path)
        taken = self._clock.now().isoformat()
        with contextlib.ExitStack() as exits:
            with _folder_faults(self._settings.copies), private_folder(copies_folder(self._settings.copies)) as folder:
                file = folder / _COPY
                copying = Copying(path, self._settings.wait_seconds, self._clock)
                copying.into(file)
                facts = self._facts_of(file, path, taken, made_wait=copying.made_wait)
                handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
                exits.callback(os.close, handle)
            yield CopySession(database_name(path), handle, facts)

    def _facts_of(self, file: Path, path: Path, taken: str, *, made_wait: bool) -> Facts:
        hint = "look at the database with: sqlite3 FILE 'pragma integrity_check'"
        try:
            with source_faults(path):
                found = self._inspection.look(file)
        except UnsoundError as fault:
            raise DumpFailed(f"database {shown(path)} is damaged; SQLite says: {fault}", hint=hint) from fault
        except QuestionError as fault:
            raise DumpFailed(f"database {shown(path)}: {fault}", hint="correct the job's facts") from fault
        engine = f"SQLite {sqlite3.sqlite_version}"
        waited = ("writers waited while it was copied: it is not in WAL mode, and was written to all the time",)
        return Facts(
            kind=KIND,
            server=engine,
            tool=f"{engine}, online backup",
            taken=taken,
            databases={database_name(path): found},
            notes=waited if made_wait else (),
        )

    def _unanswerable(self, source: sqlite3.Connection) -> Iterator[Objection]:
        for name, query in sorted(self._settings.facts.items()):
            try:
                source.execute(f"EXPLAIN {query}").close()
            except (sqlite3.Error, sqlite3.Warning, ValueError) as fault:
                yield Objection(f"fact {name}: {fault}", "Correct the job's facts.", fatal=True)

    def _room_for(self, needed: int) -> Sequence[Objection]:
        folder = copies_folder(self._settings.copies)
        try:
            free = shutil.disk_usage(folder).free
        except OSError as fault:
            return [Objection(f"folder {folder} for the copy: {fault.strerror}", "Make the folder.", fatal=True)]
        if not os.access(folder, os.W_OK | os.X_OK):
            return [Objection(f"folder {folder} for the copy may not be written to", "Set TMPDIR.", fatal=True)]
        if free < needed:
            what = f"the copy needs {format_size(needed)} in {folder}, where {format_size(free)} are free"
            return [Objection(what, "Free some room, or set TMPDIR to a folder where some is.", fatal=True)]
        return []


def _size_of(source: sqlite3.Connection, patience: Patience) -> int:
    """Of a copy, in bytes."""
    pages, page_bytes = (patience.read(source, f"PRAGMA {name}") for name in ("page_count", "page_size"))
    return int(str(pages)) * int(str(page_bytes))


@contextlib.contextmanager
def _folder_faults(copies: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise DumpFailed(
            f"folder {copies_folder(copies)} for the copy: {fault.strerror}",
            hint="set TMPDIR to a folder that can be used",
        ) from fault
