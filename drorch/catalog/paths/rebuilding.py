"""Derives path history anew from snapshots, beside the old one, which stays as it is until the new one is whole."""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from drorch.catalog.engine import BUSY_SECONDS, fault_of, sqlite_engine
from drorch.catalog.paths.recording import Recorder
from drorch.catalog.paths.values import SnapshotListing
from drorch.catalog.schema import PATHS, Upgrade
from drorch.errors import CatalogError

_BESIDES = ("-wal", "-shm", "-journal")


def rebuild(path: Path, listings: Iterable[SnapshotListing], upgrade: Upgrade) -> int:
    """Make paths.sqlite anew from snapshots, each lineage's in the order they were taken; answers how many there were.

    A rebuild that dies leaves the old history in place. What other processes record meanwhile is lost with it, which
    the next difference they record notices (`HistoryGap`). Raises `CatalogError`.
    """
    fresh = path.with_name(f"{path.name}.new")
    _remove(fresh)
    engine = sqlite_engine(fresh, synchronous="OFF")
    count = 0
    try:
        upgrade(engine, PATHS)
        recorder = Recorder(engine)
        for listing in listings:
            recorder.record_listing(listing.snapshot, listing.entries)
            count += 1
    except OSError as fault:
        raise CatalogError(f"catalog {fresh}: {fault.strerror}") from fault
    finally:
        engine.dispose()
    _swap(fresh, path)
    _remove(fresh)
    return count


def _swap(fresh: Path, path: Path) -> None:
    """Put the new content where the old one is, in one transaction of SQLite's own.

    The file itself is not renamed over one that may be open: its new reader would find the old one's log.
    """
    try:
        with contextlib.closing(sqlite3.connect(fresh)) as source, contextlib.closing(_opened(path)) as target:
            source.backup(target)
    except sqlite3.DatabaseError as fault:
        raise fault_of(str(path), fault) from fault


def _opened(path: Path) -> sqlite3.Connection:
    """The old history, or an empty one in its place where it is past reading."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
    try:
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        raise
    except sqlite3.DatabaseError:
        connection.close()
        _remove(path)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS)
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    return connection


def _remove(path: Path) -> None:
    try:
        for name in (path.name, *(path.name + suffix for suffix in (*_BESIDES, ".upgrade-lock"))):
            path.with_name(name).unlink(missing_ok=True)
    except OSError as fault:
        raise CatalogError(f"catalog {path}: {fault.strerror}") from fault
