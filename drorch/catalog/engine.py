"""How the catalog's databases are reached: one writer at a time, short, and never half.

Every write transaction takes the write lock when it begins (BEGIN IMMEDIATE in SQLite, an advisory lock in
PostgreSQL), so that two writers wait for each other and never fail each other. Reads see one state throughout.
What the database library raises leaves this room as `CatalogError`.
"""

import contextlib
import gc
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry
from tenacity import retry, retry_if_exception, stop_after_delay, wait_random

from drorch.errors import CatalogError

BATCH = 500
"""Rows in one transaction: few enough that the write lock is held far less than 100 ms."""

BUSY_SECONDS = 60.0
"""How long a write waits for another to end."""

_SERVER_PATIENCE = {"connect_timeout": 10, "keepalives_idle": 30, "tcp_user_timeout": 60_000}
"""How long a PostgreSQL server may be silent: seconds, and milliseconds for what was sent and never acknowledged."""

_WRITES = "drorch_writes"
_ADVISORY_LOCK = 0x64726F726368
_FULL = ("disk is full", "no space left")
_IO_ERROR = "disk i/o error"
_LEAST_ROOM = 128 * 1024
_READ_ONLY = ("readonly database", "read-only")
_DAMAGED = ("malformed", "not a database", "disk image")

T = TypeVar("T")


def batches(rows: Iterable[T], size: int = BATCH) -> Iterator[Sequence[T]]:
    """The rows in order, in pieces of at most `size`."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


def sqlite_engine(path: Path, *, synchronous: str = "FULL", patience: float = BUSY_SECONDS) -> Engine:
    """The engine of one SQLite file, which is made when it is first used. `synchronous` is SQLite's pragma.

    `patience` is how many seconds it waits for others who write.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": patience, "check_same_thread": False}
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        assert isinstance(connection, sqlite3.Connection)
        # The driver must not begin transactions of its own, later and weaker ones than ours.
        connection.isolation_level = None
        _use_write_ahead_log(connection)
        for pragma in (f"synchronous = {synchronous}", "foreign_keys = ON", "temp_store = MEMORY"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes(connection) else "BEGIN")

    return engine


def _is_busy(fault: BaseException) -> bool:
    return isinstance(fault, sqlite3.OperationalError) and (fault.sqlite_errorcode & 0xFF) == sqlite3.SQLITE_BUSY


# A file's change to the write-ahead log is refused at once, whatever the timeout, while another process is using it.
@retry(
    retry=retry_if_exception(_is_busy), stop=stop_after_delay(BUSY_SECONDS), wait=wait_random(0.005, 0.05), reraise=True
)
def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")


def writes(connection: Connection) -> bool:
    """Whether the connection's transaction is one that writes."""
    return bool(connection.get_execution_options().get(_WRITES, False))


def server_engine(url: str) -> Engine:
    """The engine of a PostgreSQL database. Raises `CatalogError` where the address is not one."""
    try:
        engine = create_engine(
            _with_driver(url), isolation_level="REPEATABLE READ", pool_pre_ping=True, connect_args=_SERVER_PATIENCE
        )
    except (ArgumentError, NoSuchModuleError, ValueError) as fault:
        raise CatalogError(
            "the catalog's url is not the address of a PostgreSQL database",
            hint="Write it as postgresql://USER@HOST/DATABASE.",
        ) from fault
    except ModuleNotFoundError as fault:
        raise CatalogError(
            "the catalog is in PostgreSQL, and its driver psycopg is not installed",
            hint="Install drorch again with all it needs, or take url out of [catalog].",
        ) from fault

    return engine


def _with_driver(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgresql", "postgres"):
        raise ArgumentError("another scheme than postgresql")
    return f"postgresql+psycopg://{rest}"


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A write transaction: committed at the end of the block, rolled back whole when it is left by an error.

    Raises `CatalogError`, for what happens in the block too.
    """
    with translated(engine), engine.connect() as raw:
        connection = raw.execution_options(**{_WRITES: True})
        serial = engine.dialect.name == "postgresql"
        if serial:
            # Under REPEATABLE READ the lock must be had before the snapshot is taken, so it is one of the session.
            _lock_session(connection)
        try:
            with _uncollected(), connection.begin():
                yield connection
        finally:
            if serial:
                _unlock_session(connection)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    # A full collection of a large heap takes longer than all the rest of a write: it waits until the lock is free.
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def _lock_session(connection: Connection) -> None:
    with connection.begin():
        connection.exec_driver_sql(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})")


def _unlock_session(connection: Connection) -> None:
    if connection.closed or connection.invalidated:
        return
    with connection.begin():
        connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_ADVISORY_LOCK})")


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A read transaction: everything read in the block is of one state. Raises `CatalogError`."""
    with translated(engine), engine.connect() as connection, connection.begin():
        yield connection


def copy_to(engine: Engine, copy: Path) -> None:
    """Copy a SQLite database, as it is at one moment, to a file that is whole or not there. Raises `CatalogError`."""
    unfinished = copy.with_name(f"{copy.name}.new")
    try:
        unfinished.unlink(missing_ok=True)
        with (
            translated(engine),
            contextlib.closing(sqlite3.connect(str(engine.url.database))) as source,
            contextlib.closing(sqlite3.connect(unfinished)) as target,
        ):
            source.backup(target)
        unfinished.replace(copy)
    except OSError as fault:
        raise CatalogError(f"catalog copy {copy}: {fault.strerror}") from fault


@contextlib.contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Raises whatever the database library raises in the block as `CatalogError`."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as fault:
        raise fault_of(shown(engine), fault) from fault


def fault_of(name: str, fault: Exception) -> CatalogError:
    """What a fault of the database library about the database `name` means to the operator."""
    reason = str(getattr(fault, "orig", None) or fault).strip().split("\n")[0]
    lowered = reason.lower()
    if any(sign in lowered for sign in _FULL) or (_IO_ERROR in lowered and _is_full(Path(name).parent)):
        return CatalogError(f"catalog {name}: no space left on its disk", hint="Make room there.")
    if any(sign in lowered for sign in _READ_ONLY):
        return CatalogError(
            f"catalog {name} cannot be written: it is read-only", hint="Give drorch the right to write it."
        )
    if any(sign in lowered for sign in _DAMAGED):
        return CatalogError(f"catalog {name} is damaged", hint="Run drorch catalog rebuild.")
    if "unable to open" in lowered:
        return CatalogError(f"catalog {name} cannot be opened", hint="Look at the rights of its folder, and its disk.")
    return CatalogError(f"catalog {name}: {reason}")


def _is_full(folder: Path) -> bool:
    """Whether a disk has no room: SQLite calls that an I/O error where it is the log's index that finds none."""
    try:
        room = os.statvfs(folder)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _LEAST_ROOM or (room.f_files > 0 and room.f_favail == 0)


def shown(engine: Engine) -> str:
    """A database as messages name it: without a password."""
    if engine.dialect.name == "sqlite":
        return str(engine.url.database)
    return engine.url.render_as_string(hide_password=True).replace("+psycopg", "")
