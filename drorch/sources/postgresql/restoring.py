"""The way back: a dump is loaded by pg_restore, into a database of its own, and compared with the facts.

Promise: what is there is replaced only by what has been loaded whole; a load that fails leaves nothing behind, but for
parallel ones into a database that was empty. Dumps are loaded by whoever is connected: they can do what that role can.
"""

import contextlib
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
from psycopg import sql

from drorch.errors import DumpFailed, RestoreError
from drorch.process.commands import ChildFailed, describe_status
from drorch.process.streams import FedChild, StreamCommand, start_feeding, start_reading
from drorch.sources.databases.contract import RestoreWish, StoredParts
from drorch.sources.databases.facts import Comparison, DatabaseFacts, compare
from drorch.sources.postgresql.inspection import Table, counted, inspect
from drorch.sources.postgresql.plan import Step
from drorch.sources.postgresql.server import Access, connected, one_line

_LOAD_SECONDS = 86_400.0
"""For how long a load may take no byte: it builds indexes at its end."""

_TEMPORARY_NAME = 40


@dataclass(frozen=True, slots=True)
class Loading:
    """How one step is carried out."""

    access: Access
    wish: RestoreWish
    parts: StoredParts
    step: Step


def load(loading: Loading, connection: psycopg.Connection) -> list[str]:
    """Carry out a step; what pg_restore had to say. Raises `RestoreError`."""
    there = loading.step.destination
    if there.exists and there.is_empty:
        return _load_into(loading, there.name)
    fresh = f"{there.name[:_TEMPORARY_NAME]}_{secrets.token_hex(4)}" if there.exists else there.name
    _create(connection, loading.step, fresh)
    with contextlib.ExitStack() as undo:
        undo.callback(_drop, connection, fresh)
        notes = _load_into(loading, fresh)
        if there.exists:
            _replace(connection, fresh, there.name)
        undo.pop_all()
    return notes


def _create(connection: psycopg.Connection, step: Step, name: str) -> None:
    command = sql.SQL("create database {} template template0 ").format(sql.Identifier(name))
    try:
        connection.execute(command + step.contents.options())
    except psycopg.Error as fault:
        raise RestoreError(
            f"database {name} cannot be made: {one_line(fault)}", hint="install its locale, or see the role's rights"
        ) from fault


def _drop(connection: psycopg.Connection, name: str) -> None:
    with contextlib.suppress(psycopg.Error):
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _replace(connection: psycopg.Connection, fresh: str, name: str) -> None:
    try:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        rename = sql.SQL("alter database {} rename to {}").format(sql.Identifier(fresh), sql.Identifier(name))
        connection.execute(rename)
    except psycopg.Error as fault:
        raise RestoreError(f"database {name} cannot be replaced: {one_line(fault)}") from fault


def _load_into(loading: Loading, database: str) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="drorch-load-") as folder:
        argv = [*_command(loading, database), *_selection(loading, Path(folder))]
        try:
            if loading.wish.jobs > 1:
                said = _load_spooled(loading, argv, Path(folder) / "dump")
            else:
                said = _load_streamed(loading, (*argv, "--single-transaction"))
        except ChildFailed as fault:
            raise _failed(database, f"{fault.message}: {fault.context.get('said', '')}") from fault
        except OSError as fault:
            raise RestoreError(
                f"database {database}: the dump cannot be written to {folder}: {fault.strerror}",
                hint="leave out --jobs, or set TMPDIR to a folder with room",
            ) from fault
    return [one_line(line) for line in said.splitlines() if line.strip()]


def _command(loading: Loading, database: str) -> list[str]:
    step, access = loading.step, loading.access
    argv = [*access.tools.command("pg_restore", "--no-password", "--exit-on-error", access.address(database))]
    # Both reach out to other servers as soon as they are there.
    argv += ["--no-publications", "--no-subscriptions"]
    if not step.keeps_owners:
        argv.append("--no-owner")
    if not step.keeps_grants:
        argv.append("--no-privileges")
    if not step.keeps_tablespaces:
        argv.append("--no-tablespaces")
    return argv


def _selection(loading: Loading, folder: Path) -> list[str]:
    wish, contents = loading.wish, loading.step.contents
    if not (wish.tables or wish.schemas):
        return []
    lines = folder / "selection"
    lines.write_text("".join(f"{number};\n" for number in contents.chosen(wish.tables, wish.schemas)))
    return [f"--use-list={lines}"]


def _load_streamed(loading: Loading, argv: tuple[str, ...]) -> str:
    command = StreamCommand(argv, loading.access.environment, _LOAD_SECONDS, _LOAD_SECONDS)
    with start_feeding(command) as child:
        with contextlib.suppress(_HadEnough):
            _feed(loading, child)
        ended = child.finish()
        if ended.status != 0:
            raise _failed(loading.step.destination.name, f"{describe_status(ended.status)}: {ended.said}")
        return ended.said


class _HadEnough(Exception):
    """It reads no further: it has all that it was to load, or it failed, which its status tells."""


def _feed(loading: Loading, child: FedChild) -> None:
    with loading.parts.open(loading.step.part) as pieces:
        for piece in pieces:
            try:
                child.feed(piece)
            except ChildFailed as fault:
                raise _HadEnough from fault


def _load_spooled(loading: Loading, argv: list[str], spool: Path) -> str:
    with loading.parts.open(loading.step.part) as pieces, spool.open("wb") as file:
        for piece in pieces:
            file.write(piece)
    argv = [*argv, f"--jobs={loading.wish.jobs}", str(spool)]
    command = StreamCommand(argv, loading.access.environment, _LOAD_SECONDS, _LOAD_SECONDS)
    with start_reading(command) as child:
        buffer = memoryview(bytearray(1 << 16))
        while child.readinto(buffer):
            pass
        ended = child.finish()
    if ended.status != 0:
        raise _failed(loading.step.destination.name, f"{describe_status(ended.status)}: {ended.said}")
    return ended.said


def _failed(database: str, why: str) -> RestoreError:
    return RestoreError(
        f"database {database}: pg_restore {one_line(why)}", hint="see the server's log; what it had loaded is undone"
    )


def compared(loading: Loading, recorded: DatabaseFacts) -> Comparison:
    """Look at what is there now, and compare. Rows are counted, which reads all tables. Raises `RestoreError`."""
    settings, wish = loading.access.settings, loading.wish
    name = loading.step.destination.name
    if wish.tables or wish.schemas:
        recorded = _of_selection(loading, recorded)
    questions = {fact: query for fact, query in settings.facts.items() if fact in recorded.named}
    try:
        with connected(settings, name) as connection:
            connection.execute("analyze")
            connection.execute("begin isolation level repeatable read read only")
            connection.execute("set local row_security = off")
            seen = inspect(connection, questions)
            tables = _recorded_tables(seen.tables, recorded)
            return compare(recorded, replace(seen.facts, tables=counted(connection, tables)))
    except (psycopg.Error, DumpFailed) as fault:
        raise RestoreError(
            f"database {name} was loaded, and cannot be looked at: {one_line(fault)}", hint="look at it yourself"
        ) from fault


def _recorded_tables(found: Mapping[int, Table], recorded: DatabaseFacts) -> dict[int, Table]:
    return {oid: table for oid, table in found.items() if table.shown in recorded.tables}


def _of_selection(loading: Loading, recorded: DatabaseFacts) -> DatabaseFacts:
    """What can be said of some tables: their rows."""
    contents, wish = loading.step.contents, loading.wish
    chosen = set(contents.chosen(wish.tables, wish.schemas))
    names = {name for name, entry in contents.tables().items() if entry.dump_id in chosen}
    tables = {name: count for name, count in recorded.tables.items() if name in names}
    return replace(recorded, tables=tables, schema_digest="", named={}, extensions={})


def text_of(parts: StoredParts, name: str, most: int) -> str:
    """A small part as text. Raises `RestoreError` where it is too large to be one."""
    content = bytearray()
    with parts.open(name) as pieces:
        for piece in pieces:
            content += piece
            if len(content) > most:
                raise RestoreError(f"{name} is too large to be what it should be", hint="choose another snapshot")
    return content.decode("utf-8", errors="backslashreplace")
