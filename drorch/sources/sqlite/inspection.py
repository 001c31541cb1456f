"""A database file that nobody writes to is looked into: is it sound, and what are its facts.

Promise: the file may be hostile. It is opened without locks and never written to; of its definitions nothing is run
but what the job's own questions ask for, and these may only read, for a limited time. What could not be looked at is
said, and never taken for sound or counted.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import INTERRUPTION, Clock
from drorch.sources.databases.facts import DatabaseFacts, RowCount
from drorch.sources.sqlite.opening import connect

QUESTION_SECONDS = 60.0
"""How long one of a job's questions may take."""

_GLANCE_STEPS = 100_000
_MOST_FAULTS = 5
_LONGEST_ANSWER = 1000
# What a question may do (https://sqlite.org/c3ref/c_alter_table.html). Virtual tables ask for the data's version, and
# prepare to be written to; nothing is, because the file is opened for reading.
_PERMITTED = frozenset(
    {
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
        sqlite3.SQLITE_INSERT,
        sqlite3.SQLITE_UPDATE,
        sqlite3.SQLITE_DELETE,
    }
)
_FORBIDDEN_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_PRAGMAS = ("user_version", "application_id", "page_size")
# What is missing is with the application that made the database: its own orders of texts, functions, kinds of tables.
_UNKNOWN_HERE = ("no such collation", "unknown function", "no such function", "no such module")


class UnsoundError(Exception):
    """A database file is damaged; the text is what SQLite says of it."""


class QuestionError(Exception):
    """One of the job's questions has no answer; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """Looks into database files: asks `questions` by name, each an SQL query whose first value is the answer."""

    questions: Mapping[str, str]
    clock: Clock

    def look(self, file: Path, *, thorough: bool = False) -> DatabaseFacts:
        """Check a file and give its facts. Raises `UnsoundError`, `QuestionError` and `sqlite3.Error`.

        `thorough`, for what is put back: indexes are compared with their tables, too, which takes several times as
        long; and a question without an answer is only said to be one.
        """
        with closing(open_still(file)) as database:
            database.set_progress_handler(_stop_asked, _GLANCE_STEPS)
            _require_whole(database, file.stat().st_size)
            notes = [*_unchecked(database, "integrity_check" if thorough else "quick_check")]
            tables: dict[str, RowCount] = {}
            for name, root in _tables(database):
                if not root:
                    notes.append(f"table {name} is virtual and was not counted")
                elif isinstance(count := _count(database, name), int):
                    tables[name] = RowCount(count)
                else:
                    notes.append(f"table {name} was not counted: {count}")
            return DatabaseFacts(
                encoding=str(_value(database, "PRAGMA encoding")),
                tables=tables,
                schema_digest=_digest(database),
                size=file.stat().st_size,
                named=_pragmas(database) | self._answers(database, notes if thorough else None),
                notes=tuple(notes),
            )

    def _answers(self, database: sqlite3.Connection, notes: list[str] | None) -> dict[str, str]:
        """What it answers. A question that fails is noted, where there are notes. Raises `QuestionError`."""
        answers = {}
        for name, query in sorted(self.questions.items()):
            try:
                answers[name] = self._answer(database, name, query)
            except QuestionError as fault:
                if notes is None:
                    raise
                notes.append(str(fault))
        return answers

    def _answer(self, database: sqlite3.Connection, name: str, query: str) -> str:
        deadline = self.clock.monotonic() + QUESTION_SECONDS
        with _reading_only(database, lambda: int(INTERRUPTION.came or self.clock.monotonic() > deadline)):
            try:
                return _text(_value(database, query))
            except (sqlite3.Error, sqlite3.Warning, ValueError) as fault:
                if INTERRUPTION.came:
                    raise KeyboardInterrupt from fault
                late = self.clock.monotonic() > deadline
                why = f"it took longer than {QUESTION_SECONDS:.0f} s" if late else str(fault)
                raise QuestionError(f"fact {name}: {why}") from fault


def open_still(file: Path) -> sqlite3.Connection:
    """Open a database file that nobody writes to, as a stranger's. Raises `sqlite3.Error`."""
    database = connect(file, mode="ro", immutable=True)
    database.execute("PRAGMA query_only = ON")
    # Definitions may call only what is harmless: https://sqlite.org/security.html
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA cell_size_check = ON")
    return database


@contextmanager
def _reading_only(database: sqlite3.Connection, overdue: Callable[[], int]) -> Iterator[None]:
    database.set_authorizer(_permit)
    database.set_progress_handler(overdue, _GLANCE_STEPS)
    try:
        yield
    finally:
        database.set_authorizer(None)
        database.set_progress_handler(_stop_asked, _GLANCE_STEPS)


def _permit(action: int, first: str | None, second: str | None, _database: str | None, _within: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION and second in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    if action in _PERMITTED or (action == sqlite3.SQLITE_PRAGMA and first == "data_version" and second is None):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


def _stop_asked() -> int:
    return int(INTERRUPTION.came)


def _value(database: sqlite3.Connection, query: str) -> object:
    row = database.execute(query).fetchone()
    return row[0] if row else None


def _text(value: object) -> str:
    """An answer as text; a long one is cut, and told from others by its digest."""
    text = "NULL" if value is None else value.hex() if isinstance(value, bytes) else str(value)
    if len(text) <= _LONGEST_ANSWER:
        return text
    digest = hashlib.sha256(text.encode("utf-8", errors="surrogateescape")).hexdigest()
    return f"{text[:_LONGEST_ANSWER]}... ({len(text)} characters, SHA-256 {digest})"


def _require_whole(database: sqlite3.Connection, size: int) -> None:
    """SQLite takes what a file lacks at its end for zeros, and a few bytes for an empty database."""
    try:
        pages, page_bytes = (int(str(_value(database, f"PRAGMA {name}"))) for name in ("page_count", "page_size"))
    except sqlite3.DatabaseError as fault:
        if isinstance(fault, sqlite3.OperationalError):
            raise
        raise UnsoundError(str(fault)) from fault
    if pages * page_bytes != size:
        raise UnsoundError(f"it has {size} bytes and not {pages * page_bytes}")


def _unchecked(database: sqlite3.Connection, check: str) -> Iterator[str]:
    """Check it, and say what could not be. Raises `UnsoundError`."""
    try:
        _verify(database, f"PRAGMA {check}({_MOST_FAULTS})")
    except sqlite3.OperationalError as fault:
        if not _is_unknown_here(fault):
            raise
        yield f"it was checked table by table only: {fault}"
    else:
        return
    for name, root in _tables(database):
        if not root:
            continue
        try:
            _verify(database, f"PRAGMA {check}({quoted(name)})")
        except sqlite3.OperationalError as fault:
            if not _is_unknown_here(fault):
                raise
            yield f"table {name} was not checked: {fault}"


def _verify(database: sqlite3.Connection, check: str) -> None:
    try:
        found = [str(row[0]) for row in database.execute(check).fetchmany(_MOST_FAULTS)]
    except sqlite3.DatabaseError as fault:
        if isinstance(fault, sqlite3.OperationalError) or INTERRUPTION.came:
            raise
        raise UnsoundError(str(fault)) from fault
    if found != ["ok"]:
        raise UnsoundError("; ".join(" ".join(line.split()) for line in found) or "nothing, where it should say ok")


def _is_unknown_here(fault: sqlite3.Error) -> bool:
    return str(fault).startswith(_UNKNOWN_HERE)


def _tables(database: sqlite3.Connection) -> list[tuple[str, int]]:
    """Tables by name, each with the page it begins at; a virtual one has none, and SQLite's own are left out."""
    rows = database.execute("SELECT name, rootpage FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return [(str(name), int(root or 0)) for name, root in rows if not str(name).startswith("sqlite_")]


def _count(database: sqlite3.Connection, name: str) -> int | str:
    """Rows of a table, or why nobody knows."""
    try:
        count = _value(database, f"SELECT count(*) FROM {quoted(name)}")  # noqa: S608 - quoted, there is no other way
    except sqlite3.OperationalError as fault:
        if INTERRUPTION.came:
            raise
        return str(fault)
    except UnicodeEncodeError:
        return "its name is no text"
    assert isinstance(count, int)
    return count


def quoted(name: str) -> str:
    """A name as it is written in SQL."""
    return '"' + name.replace('"', '""') + '"'


def _digest(database: sqlite3.Connection) -> str:
    """A digest of all definitions, whatever order they stand in."""
    rows = database.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'"
    )
    lines = sorted(repr(row) for row in rows)
    return hashlib.sha256("\n".join(lines).encode("utf-8", errors="surrogateescape")).hexdigest()


def _pragmas(database: sqlite3.Connection) -> dict[str, str]:
    """What the database says of itself, by names that no question of a job can have."""
    return {f"pragma {name}": str(_value(database, f"PRAGMA {name}")) for name in _PRAGMAS}
