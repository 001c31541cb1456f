"""Copies of the catalog that are whole: taken from it while others write, and put in its place where it was lost.

A copy is a catalog.sqlite, also where the catalog is in PostgreSQL. Whenever the process dies, the file that was there
is there, or the copy is.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import insert, select

from drorch.catalog.audit import AuditLog
from drorch.catalog.engine import BUSY_SECONDS, batches, fault_of, reading, server_engine, sqlite_engine, writing
from drorch.catalog.file import opened_file
from drorch.catalog.open import CatalogPlace
from drorch.catalog.schema import Upgrade
from drorch.catalog.tables import METADATA
from drorch.errors import CatalogError
from drorch.model.audit import AuditHead

_LOG = "-wal"
_BESIDES = (_LOG, "-shm", "-journal")


def copy_catalog(place: CatalogPlace, copy: Path, upgrade: Upgrade) -> AuditHead:
    """Copy the catalog of a place, as it is at one moment, into a file that is not there yet.

    Answers the end of the audit log that is in it. Raises `CatalogError`, and then there is no copy.
    """
    if place.url is None:
        return copy_database(place.catalog_file, copy)
    source = server_engine(place.url)
    try:
        with opened_file(copy, upgrade) as target, reading(source) as there:
            for table in METADATA.sorted_tables:
                for batch in batches(dict(row) for row in there.execute(select(table)).mappings()):
                    with writing(target.engine) as here:
                        here.execute(insert(table), batch)
            head = target.audit.head()
    except CatalogError:
        _remove(copy)
        raise
    finally:
        source.dispose()
    _at_rest(copy)
    return head


def copy_database(source: Path, copy: Path) -> AuditHead:
    """Copy a catalog while it is in use, into one file of its own; answers the end of the audit log that is in it.

    The copy is of one moment (SQLite's online backup). Raises `CatalogError` where the source is missing, damaged or no
    catalog, or where there is no room for the copy, which is then removed.
    """
    if not source.exists():
        raise CatalogError(f"catalog {source} is missing", hint="Run drorch catalog rebuild.")
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as opened,
            contextlib.closing(sqlite3.connect(copy)) as target,
        ):
            opened.backup(target)
        head = head_of(copy)
        _at_rest(copy)
    except sqlite3.Error as fault:
        _remove(copy)
        raise fault_of(str(source), fault) from fault
    except CatalogError:
        _remove(copy)
        raise
    return head


def _at_rest(copy: Path) -> None:
    # A database in WAL mode would need a second file as soon as somebody reads it.
    with contextlib.closing(sqlite3.connect(copy)) as target:
        target.execute("PRAGMA journal_mode = DELETE").fetchone()


def head_of(file: Path) -> AuditHead:
    """The end of the audit log in a catalog file. Raises `CatalogError` where it is no catalog."""
    engine = sqlite_engine(file)
    try:
        return AuditLog(engine).head()
    finally:
        engine.dispose()


def is_sound(file: Path) -> bool:
    """Whether SQLite finds nothing wrong in a database file, reading all of it. False where there is none."""
    if not file.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as opened:
            return opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    except sqlite3.Error:
        return False


def put_in_place(copy: Path, file: Path, aside: Path) -> None:
    """Make a copy the catalog; what stood there is kept as `aside`. Raises `CatalogError`.

    There is a catalog at every moment where there was one before.
    """
    with _translated(file):
        with copy.open("rb+") as opened:
            os.fsync(opened.fileno())
        if file.exists():
            aside.hardlink_to(file)
        _clear_besides(file, aside)
        copy.replace(file)
        _sync(file.parent)


def move_aside(file: Path, aside: Path) -> bool:
    """Keep a catalog under another name, and its log with it; whether there was one. Raises `CatalogError`."""
    with _translated(file):
        there = file.exists()
        _clear_besides(file, aside)
        if there:
            file.replace(aside)
            _sync(file.parent)
        return there


def _clear_besides(file: Path, aside: Path) -> None:
    # SQLite would play an old log into whatever file it finds beside it.
    log = file.with_name(file.name + _LOG)
    if log.exists():
        log.replace(aside.with_name(aside.name + _LOG))
    for suffix in _BESIDES[1:]:
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise CatalogError(f"catalog {file}: {fault.strerror}", hint="Look at the rights of its folder.") from fault


def _remove(file: Path) -> None:
    for suffix in ("", *_BESIDES):
        with contextlib.suppress(OSError):
            file.with_name(file.name + suffix).unlink(missing_ok=True)
