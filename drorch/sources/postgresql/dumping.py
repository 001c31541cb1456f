"""A dump under way: roles and tablespaces, then one database after the other, each as it was at one moment.

Promise: a database's facts are of the very snapshot that its dump is of, and its rows are counted from the dump.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg import sql

from drorch.clock import Clock
from drorch.errors import DumpFailed, SourceUnavailable
from drorch.process.commands import ChildFailed, describe_status
from drorch.process.streams import StreamCommand, start_reading
from drorch.sources.databases.contract import Part
from drorch.sources.databases.facts import DatabaseFacts, Facts, RowCount
from drorch.sources.postgresql.archive import ArchiveBroken, ArchiveScan
from drorch.sources.postgresql.inspection import Seen, inspect
from drorch.sources.postgresql.server import Access, Server, connected, one_line
from drorch.sources.postgresql.settings import GLOBALS_NAME, part_of

_MOST_NOTES = 20
_LONGEST_NOTE = 300
_END_OF_GLOBALS = b"-- PostgreSQL database cluster dump complete"
_TAIL_BYTES = 4096
_ERRORS = ("error:", "fatal:")


@dataclass(frozen=True, slots=True)
class Told:
    """What is known from the start: the server, the databases to dump, the roles, and what to say of it all."""

    server: Server
    databases: tuple[str, ...]
    roles: tuple[str, ...]
    notes: tuple[str, ...] = ()


class LogicalDump:
    """The dump of databases, and of what they share."""

    def __init__(self, access: Access, told: Told, clock: Clock) -> None:
        self._access = access
        self._told = told
        self._taken = clock.now().isoformat(timespec="milliseconds")
        self._found: dict[str, DatabaseFacts] = {}
        self._unanswered: dict[str, set[str]] = {}

    def parts(self) -> Sequence[Part]:
        """What the databases share comes first."""
        shared = [Part(GLOBALS_NAME, self._open_globals)] if self._access.settings.globals else []
        return [*shared, *(Part(part_of(name), self._opener(name)) for name in self._told.databases)]

    def facts(self) -> Facts:
        """What was found. Raises `DumpFailed` where a question of the job's has no answer anywhere."""
        nowhere = set(self._access.settings.facts).intersection(*self._unanswered.values())
        if self._unanswered and nowhere:
            raise DumpFailed(
                f"fact {min(nowhere)}: no database that is dumped has the tables that it asks",
                hint="write them with their schema, or correct the query",
            )
        return Facts(
            kind="postgresql",
            server=self._told.server.version,
            tool=f"pg_dump {self._access.tools.version}",
            taken=self._taken,
            databases=self._found,
            roles=self._told.roles,
            consistent=len(self._told.databases) == 1,
            notes=self._told.notes,
        )

    def _opener(self, database: str) -> Callable[[], "DatabaseStream"]:
        return lambda: DatabaseStream(self._access, database, self._keep)

    def _open_globals(self) -> "ToolStream":
        return globals_of(self._access, self._told.server.is_superuser)

    def _keep(self, database: str, facts: DatabaseFacts, unanswered: tuple[str, ...]) -> None:
        self._found[database] = facts
        self._unanswered[database] = set(unanswered)


class ToolStream:
    """The output of one of the server's tools. Raises `DumpFailed` where it fails, says nothing, or stops early."""

    def __init__(self, argv: Sequence[str], access: Access, what: str) -> None:
        self._what = what
        self._tool = argv[0].rpartition("/")[2]
        self._ended = False
        self.notes: tuple[str, ...] = ()
        quiet = access.settings.quiet_seconds
        try:
            self._child = start_reading(StreamCommand(argv, access.environment, quiet))
        except ChildFailed as fault:
            raise DumpFailed(f"{what}: {fault.message}", hint="see that the tool can be run") from fault

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end, once it is known that the dump is whole."""
        if self._ended or not len(buffer):
            return 0
        try:
            count = self._child.readinto(buffer)
            if count:
                self.look(buffer[:count])
            else:
                self._finish()
                self._ended = True
        except ChildFailed as fault:
            raise self.failed(f"{fault.message}{_last_words(str(fault.context.get('said', '')))}") from fault
        return count

    def close(self) -> None:
        """Let go of it; a tool that still runs is killed."""
        self._child.close()

    def look(self, piece: memoryview) -> None:
        """Every piece passes here."""

    def require_whole(self) -> None:
        """Called when the tool has succeeded. Raises `DumpFailed` where what came is not all."""

    def failed(self, why: str) -> DumpFailed:
        """The error for it."""
        self._child.close()
        return DumpFailed(f"{self._what}: {one_line(why)}", hint="see the server's log; no snapshot is made of it")

    def _finish(self) -> None:
        ended = self._child.finish()
        said = [line.strip() for line in ended.said.splitlines() if line.strip()]
        if ended.status != 0:
            raise self.failed(f"{self._tool} {describe_status(ended.status)}{_last_words(ended.said)}")
        if any(error in line for line in said for error in _ERRORS):
            raise self.failed(f"{self._tool} complained{_last_words(ended.said)}")
        self.notes = tuple(one_line(line)[:_LONGEST_NOTE] for line in said[:_MOST_NOTES])
        self.require_whole()


class GlobalsStream(ToolStream):
    """Roles and tablespaces as SQL, whole if it ends as it must."""

    def __init__(self, argv: Sequence[str], access: Access) -> None:
        super().__init__(argv, access, "roles and tablespaces")
        self._tail = b""

    def look(self, piece: memoryview) -> None:
        """Keep the end."""
        self._tail = (self._tail + bytes(piece[-_TAIL_BYTES:]))[-_TAIL_BYTES:]

    def require_whole(self) -> None:
        """It says so itself at its end. Raises `DumpFailed`."""
        if _END_OF_GLOBALS not in self._tail:
            raise self.failed("pg_dumpall ended before its dump was complete")


def globals_of(access: Access, is_superuser: bool) -> GlobalsStream:
    """What all databases of a server share; without passwords where the role may not read them."""
    arguments = ["--globals-only", "--no-password", access.address(_entrance(access))]
    if not is_superuser:
        arguments.append("--no-role-passwords")
    return GlobalsStream(access.tools.command("pg_dumpall", *arguments), access)


def _entrance(access: Access) -> str:
    return access.settings.databases[0] if access.settings.databases else "postgres"


class DatabaseStream(ToolStream):
    """The dump of one database. Its connection holds the snapshot; rows are counted as they pass."""

    def __init__(
        self, access: Access, database: str, keep: Callable[[str, DatabaseFacts, tuple[str, ...]], None]
    ) -> None:
        self._database = database
        self._keep = keep
        self._scan = ArchiveScan()
        with contextlib.ExitStack() as exits:
            try:
                quiet = access.settings.quiet_seconds
                connection = exits.enter_context(connected(access.settings, database, quiet))
                snapshot = _hold_snapshot(connection, quiet)
                arguments = ["--format=custom", "--compress=0", "--no-password", f"--snapshot={snapshot}"]
                argv = access.tools.command("pg_dump", *arguments, access.address(database))
                super().__init__(argv, access, f"database {database}")
                exits.callback(super().close)
                # While pg_dump itself reads the definitions: it does so for a while before its first byte.
                self._seen = inspect(connection, access.settings.facts)
            except psycopg.Error as fault:
                raise DumpFailed(f"database {database}: {one_line(fault)}", hint="see the server's log") from fault
            self._exits = exits.pop_all()

    def look(self, piece: memoryview) -> None:
        """Follow the archive. Raises `DumpFailed` where it is none."""
        try:
            self._scan.feed(piece)
        except ArchiveBroken as fault:
            raise self.failed(str(fault)) from fault

    def require_whole(self) -> None:
        """Every table's data has come to its end. Raises `DumpFailed`."""
        try:
            self._scan.finish()
        except ArchiveBroken as fault:
            raise self.failed(str(fault)) from fault
        notes = list(self.notes)
        if self._scan.unknown:
            notes.append(f"rows were not counted, and the end of the dump was not seen: {self._scan.unknown}")
        facts = replace(self._seen.facts, tables=_counts(self._seen, self._scan), notes=tuple(notes))
        self._keep(self._database, facts, self._seen.unanswered)

    def close(self) -> None:
        """Let go of the snapshot, and of pg_dump where it still runs."""
        self._exits.close()


def _hold_snapshot(connection: psycopg.Connection, seconds: float) -> str:
    """Begin the transaction that keeps the snapshot, for however long the dump takes; the snapshot's name."""
    connection.execute("begin isolation level repeatable read read only")
    connection.execute("set local idle_in_transaction_session_timeout = 0")
    connection.execute("set local lock_timeout = 0")
    milliseconds = sql.Literal(str(int(seconds * 1000)))
    connection.execute(sql.SQL("set local statement_timeout = {}").format(milliseconds))
    row = connection.execute("select pg_catalog.pg_export_snapshot()").fetchone()
    assert row is not None
    return str(row[0])


def _counts(seen: Seen, scan: ArchiveScan) -> dict[str, RowCount]:
    """Rows by table: of the tables whose data were dumped; estimates where the archive could not be followed."""
    if scan.unknown:
        return {table.shown: RowCount(table.estimate, exact=False) for table in seen.tables.values()}
    return {seen.tables[oid].shown: RowCount(rows) for oid, rows in scan.rows.items() if oid in seen.tables}


def _last_words(said: str) -> str:
    return f": {one_line(said)}" if said.strip() else ""


def told_by(connection: psycopg.Connection, access: Access, server: Server) -> Told:
    """What a server holds that is to be dumped. Raises `SourceUnavailable` where it has no such database."""
    rows = connection.execute(
        "select datname from pg_catalog.pg_database where datallowconn and not datistemplate order by datname"
    )
    there = [row[0] for row in rows]
    wanted = access.settings.databases or tuple(there)
    missing = [name for name in wanted if name not in there]
    if missing:
        raise SourceUnavailable(
            f"the server has no database {missing[0]} that takes connections", hint=f"it has {', '.join(there)}"
        )
    roles = connection.execute("select rolname from pg_catalog.pg_roles where rolname !~ '^pg_' order by rolname")
    notes = []
    if access.settings.globals and not server.is_superuser:
        notes.append(f"role {server.role} is no superuser, so the passwords of roles are not in the dump")
    if len(wanted) > 1:
        notes.append("each database is of a moment of its own")
    return Told(server, wanted, tuple(row[0] for row in roles), tuple(notes))
