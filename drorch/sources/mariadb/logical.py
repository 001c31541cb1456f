"""A dump by the server's own tool, database by database, streamed; its facts are found beside it.

Promise: what the tool wrote is taken for a dump only where it ended well, complained of no error and wrote its closing
line. Each database is of one moment; several are of as many. What is asked beside the tool is of a moment of its own:
the facts say so, unless the positions in the server's binary log prove it the same.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import DumpFailed
from drorch.process.commands import ChildFailed, describe_status
from drorch.process.streams import ReadChild, StreamCommand, start_reading
from drorch.sources.databases.contract import Part
from drorch.sources.databases.facts import DatabaseFacts, Facts
from drorch.sources.databases.said import last_words
from drorch.sources.databases.text import Text
from drorch.sources.mariadb.accounts import Accounts, accounts_of
from drorch.sources.mariadb.definitions import described
from drorch.sources.mariadb.rows import RowCounter
from drorch.sources.mariadb.server import Session, connected, privileges
from drorch.sources.mariadb.settings import USERS_NAME, MariadbSettings, part_of
from drorch.sources.mariadb.statements import Statements
from drorch.sources.mariadb.tools import DUMP, Tool, find, option_file

APART = "named facts were asked at another moment than the dump's"
"""A note of a database: its named facts may differ from what is in the dump."""

_COMPLETED = re.compile(rb"\n-- Dump completed(?: on [^\n]*)?\n\Z")
_PIECE_BYTES = 1 << 20
_TAIL_BYTES = 200
_HEAD_BYTES = 16384
_POSITION = re.compile(rb"CHANGE MASTER TO MASTER_LOG_FILE='([^'\n]+)', MASTER_LOG_POS=(\d+)")
_ERRORS = re.compile(r"\b(?:error|couldn't|cannot|can't|failed|denied)\b", re.IGNORECASE)
_ARGUMENTS = (
    "--single-transaction",
    "--quick",
    "--routines",
    "--events",
    "--triggers",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    "--skip-dump-date",
    "--no-tablespaces",
    "--max-allowed-packet=1G",
    "--net-buffer-length=1M",
)
# MySQL's tool fails without these on servers that are not its own.
_MYSQL_ARGUMENTS = ("--loose-set-gtid-purged=OFF", "--loose-column-statistics=0")


class LogicalSession:
    """A dump of databases under way."""

    def __init__(self, settings: MariadbSettings, clock: Clock, options: Path, tool: Tool) -> None:
        self._settings = settings
        self._clock = clock
        self._options = options
        self._tool = tool
        self._found: dict[str, DatabaseFacts] = {}
        self._accounts = Accounts("", (), ())
        with connected(settings) as session:
            self._server = session.version()
            self._databases = chosen(session, settings.databases)
            self._positions = tool.is_mariadb and _may_see_positions(session)
        self._taken = clock.now().isoformat(timespec="seconds")

    def parts(self) -> Sequence[Part]:
        """One for each database, and the accounts."""
        made = [Part(part_of(database), self._opener(database)) for database in self._databases]
        if self._settings.users:
            made.append(Part(USERS_NAME, self._open_accounts))
        return made

    def facts(self) -> Facts:
        """What was found while the parts were read. Raises `DumpFailed` for a question that no database can answer."""
        self._require_answers()
        notes = [*self._accounts.notes]
        if len(self._databases) > 1:
            notes.append("each database is of one moment; the databases are not of the same")
        return Facts(
            kind="mariadb",
            server=self._server,
            tool=self._tool.said,
            taken=self._taken,
            databases=dict(self._found),
            roles=self._accounts.names,
            consistent=len(self._databases) <= 1,
            notes=tuple(notes),
        )

    def _require_answers(self) -> None:
        answered = {name for facts in self._found.values() for name in facts.named}
        for name in sorted(self._settings.facts.keys() - answered):
            notes = (note for facts in self._found.values() for note in facts.notes)
            said = next((note for note in notes if note.startswith(f"fact {name} ")), None)
            if said is not None:
                raise DumpFailed(said, hint="Try the question by hand.")

    def _opener(self, database: str) -> Callable[[], "DatabaseStream"]:
        return lambda: DatabaseStream(self, database)

    def _open_accounts(self) -> Text:
        with connected(self._settings) as session:
            self._accounts = accounts_of(session)
        return Text(self._accounts.statements.encode("utf-8", "surrogateescape"))

    def started(self, database: str) -> ReadChild:
        """The tool, at work on a database. Raises `DumpFailed`."""
        argv = [self._tool.path, f"--defaults-file={self._options}", *_ARGUMENTS]
        if not self._tool.is_mariadb:
            argv += _MYSQL_ARGUMENTS
        if self._positions:
            argv.append("--master-data=2")
        try:
            return start_reading(StreamCommand([*argv, "--", database], quiet_seconds=self._settings.quiet_seconds))
        except ChildFailed as fault:
            raise DumpFailed(fault.message) from fault

    @contextlib.contextmanager
    def beside(self, database: str) -> Iterator[Session]:
        """A transaction that sees the database as of now, and changes nothing."""
        with connected(self._settings, database) as session:
            session.run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            session.run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield session

    def record(self, database: str, counter: RowCounter, session: Session, position: str) -> None:
        """Find the facts of a database whose dump was whole; `position` is where the dump says it began."""
        ours = snapshot_position(session)
        facts = described(session, database, counter.tables, self._settings.facts)
        if facts.named and not (position and position == ours):
            facts = replace(facts, notes=(*facts.notes, APART))
        if position:
            facts = replace(facts, notes=(*facts.notes, f"binary log at {position}"))
        self._found[database] = facts


class DatabaseStream:
    """The dump of one database being read."""

    def __init__(self, dump: LogicalSession, database: str) -> None:
        self._dump = dump
        self._database = database
        self._counter = RowCounter()
        self._statements = Statements()
        self._buffer = memoryview(bytearray(_PIECE_BYTES))
        self._ready = memoryview(b"")
        self._head = b""
        self._tail = b""
        self._ended = False
        with contextlib.ExitStack() as undo:
            self._session = undo.enter_context(dump.beside(database))
            self._child = undo.enter_context(dump.started(database))
            self._exits = undo.pop_all()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end. Raises `DumpFailed`."""
        filled = 0
        while filled < len(buffer):
            if not self._ready:
                if self._ended:
                    break
                self._ready = memoryview(self._next())
            count = min(len(self._ready), len(buffer) - filled)
            buffer[filled : filled + count] = self._ready[:count]
            self._ready = self._ready[count:]
            filled += count
        return filled

    def _next(self) -> bytes:
        """What follows in the dump as it is stored; b"" is not the end."""
        try:
            count = self._child.readinto(self._buffer)
        except ChildFailed as fault:
            said = last_words(str(fault.context.get("said", "")))
            raise DumpFailed(f"dump of database {self._database}: {fault.message}{said}") from fault
        if count == 0:
            self._require_whole()
            self._ended = True
            return self._statements.finish()
        piece = bytes(self._buffer[:count])
        if len(self._head) < _HEAD_BYTES:
            self._head += piece[: _HEAD_BYTES - len(self._head)]
        self._tail = piece[-_TAIL_BYTES:] if count >= _TAIL_BYTES else (self._tail + piece)[-_TAIL_BYTES:]
        self._counter.feed(piece)
        return self._statements.feed(piece)

    def close(self) -> None:
        """Let go of it; its facts are found where it was read to its end. Raises `DumpFailed`."""
        with self._exits:
            if self._ended and not self._ready:
                found = _POSITION.search(self._head)
                position = "" if found is None else f"{found[1].decode(errors='replace')}:{found[2].decode()}"
                self._dump.record(self._database, self._counter, self._session, position)

    def _require_whole(self) -> None:
        what = f"dump of database {self._database}"
        try:
            ended = self._child.finish()
        except ChildFailed as fault:
            raise DumpFailed(f"{what}: {fault.message}") from fault
        said = last_words(ended.said)
        if ended.status != 0:
            raise DumpFailed(f"{what}: the tool {describe_status(ended.status)}{said}", hint=_hint(ended.said))
        if _ERRORS.search(ended.said):
            raise DumpFailed(f"{what}: the tool complained{said}", hint=_hint(ended.said))
        if _COMPLETED.search(self._tail) is None:
            raise DumpFailed(f"{what}: its closing line is missing, so it is not whole{said}")


@contextlib.contextmanager
def dumping(settings: MariadbSettings, clock: Clock) -> Iterator[LogicalSession]:
    """Begin a dump. Raises `SourceUnavailable` and `DumpFailed`."""
    tool = find(DUMP, settings.bin_dir)
    with option_file(settings) as options:
        yield LogicalSession(settings, clock, options, tool)


def chosen(session: Session, wanted: Sequence[str]) -> tuple[str, ...]:
    """The databases to dump. Raises `DumpFailed` for one that is not there."""
    there = session.databases()
    if not wanted:
        return there
    if missing := sorted(set(wanted) - set(there)):
        raise DumpFailed(
            f"the server has no database {missing[0]} that the account may see",
            hint=f"It sees: {', '.join(there) or 'none'}.",
        )
    return tuple(wanted)


def snapshot_position(session: Session) -> str:
    """Where the binary log was when the session's transaction began; "" where that is not known."""
    found = {str(name).lower(): str(value) for name, value in session.rows("SHOW STATUS LIKE 'binlog_snapshot_%'")}
    file, position = found.get("binlog_snapshot_file", ""), found.get("binlog_snapshot_position", "")
    return f"{file}:{position}" if file and position else ""


def _may_see_positions(session: Session) -> bool:
    if session.text("SELECT @@log_bin") != "1":
        return False
    held = privileges(session.grants(), None)
    watching = {"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"}
    return "ALL PRIVILEGES" in held or ("RELOAD" in held and bool(held & watching))


def _hint(said: str) -> str | None:
    if "denied" in said.lower():
        return "Grant the job's user SELECT, SHOW VIEW, TRIGGER and EVENT on the database."
    return None
