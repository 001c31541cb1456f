"""What a database is like: its tables' engines and sizes, the digest of its definitions, answers to named questions.

The digest is the same for a database that was restored under another name or by another account: it leaves out who
defined something, and how far an AUTO_INCREMENT has come.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from drorch.sources.databases.facts import DatabaseFacts, RowCount
from drorch.sources.mariadb.server import ServerRefused, Session, quoted, text_of

TRANSACTIONAL = frozenset({"InnoDB", "ROCKSDB", "TokuDB", "SEQUENCE"})
"""Engines whose tables a transaction sees as they were when it began."""

_MOVING = re.compile(r"\bDEFINER=(?:`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?|\S+)|\bAUTO_INCREMENT=\d+")
_TABLES = """
    SELECT TABLE_NAME, TABLE_TYPE, ENGINE, COALESCE(TABLE_ROWS, 0),
        COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0)
    FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME"""
_ROUTINES = """
    SELECT ROUTINE_TYPE, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s
    ORDER BY ROUTINE_TYPE, ROUTINE_NAME"""
_TRIGGERS = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = %s ORDER BY TRIGGER_NAME"
_EVENTS = "SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s ORDER BY EVENT_NAME"
_CHARSET = """
    SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA
    WHERE SCHEMA_NAME = %s"""
# In which column of its answer SHOW CREATE has the definition.
_DEFINITION = {"TABLE": 1, "VIEW": 1, "TRIGGER": 2, "EVENT": 3}
_ROUTINE_DEFINITION = 2


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a view: rows are the server's estimate; the size is in bytes with its indexes."""

    name: str
    kind: str
    engine: str
    estimate: int
    size: int

    @property
    def holds_rows(self) -> bool:
        """Whether it is a table that a dump has rows of."""
        return self.kind not in ("VIEW", "SYSTEM VIEW", "SEQUENCE")


def tables_of(session: Session, database: str) -> list[Table]:
    """The tables and views of a database."""
    return [
        Table(text_of(name), text_of(kind), text_of(engine), int(text_of(rows)), int(text_of(size)))
        for name, kind, engine, rows, size in session.rows(_TABLES, [database])
    ]


def untransacted(tables: Iterable[Table]) -> list[str]:
    """Names of the tables that a transaction does not see as of one moment."""
    return [table.name for table in tables if table.holds_rows and table.engine not in TRANSACTIONAL]


def charset_of(session: Session, database: str) -> tuple[str, str]:
    """Character set and collation that a database's tables get."""
    for charset, collation in session.rows(_CHARSET, [database]):
        return text_of(charset), text_of(collation)
    return "", ""


def counted(session: Session, tables: Iterable[Table]) -> dict[str, RowCount]:
    """The rows of each table of the session's own database, counted one by one."""
    found: dict[str, RowCount] = {}
    for table in tables:
        if table.holds_rows:
            found[table.name] = RowCount(int(session.text(f"SELECT COUNT(*) FROM {quoted(table.name)}")))  # noqa: S608
    return found


def described(
    session: Session, database: str, rows: Mapping[str, RowCount], questions: Mapping[str, str]
) -> DatabaseFacts:
    """The facts of the session's own database, with the rows of its tables as they were counted.

    A table whose rows nobody counted has the server's estimate, which is not exact.
    """
    tables = tables_of(session, database)
    charset, collation = charset_of(session, database)
    notes: list[str] = []
    if loose := untransacted(tables):
        shown = ", ".join(loose[:5]) + (f" and {len(loose) - 5} more" if len(loose) > 5 else "")
        notes.append(f"not of one moment, since their engine knows no transactions: {shown}")
    try:
        digest = _digest(session, database, tables)
    except ServerRefused as fault:
        digest = ""
        notes.append(f"no digest of the definitions: {fault.message}")
    named: dict[str, str] = {}
    for name, question in questions.items():
        try:
            named[name] = session.text(question)
        except ServerRefused as fault:
            notes.append(f"fact {name} has no answer: {fault.message}")
    return DatabaseFacts(
        encoding=charset,
        collation=collation,
        tables={
            table.name: rows.get(table.name, RowCount(table.estimate, exact=False))
            for table in tables
            if table.holds_rows
        },
        schema_digest=digest,
        size=sum(table.size for table in tables),
        named=named,
        notes=tuple(notes),
    )


def _digest(session: Session, database: str, tables: Iterable[Table]) -> str:
    digest = hashlib.sha256()
    for definition in _definitions(session, database, tables):
        text = " ".join(_MOVING.sub("", definition).split())
        digest.update(text.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _definitions(session: Session, database: str, tables: Iterable[Table]) -> Iterator[str]:
    for table in tables:
        kind = "VIEW" if table.kind == "VIEW" else "TABLE"
        yield from _shown(session, kind, table.name, _DEFINITION[kind])
    for what, name in session.rows(_ROUTINES, [database]):
        yield from _shown(session, text_of(what), text_of(name), _ROUTINE_DEFINITION)
    for name in session.texts(_TRIGGERS, [database]):
        yield from _shown(session, "TRIGGER", name, _DEFINITION["TRIGGER"])
    for name in session.texts(_EVENTS, [database]):
        yield from _shown(session, "EVENT", name, _DEFINITION["EVENT"])


def _shown(session: Session, kind: str, name: str, column: int) -> Iterator[str]:
    yield f"{kind} {name}"
    for row in session.rows(f"SHOW CREATE {kind} {quoted(name)}"):
        if row[column] is None:
            # The server hides bodies of routines from accounts without the right to see them.
            raise ServerRefused(f"the account may not see the definition of {kind.lower()} {name}", 0)
        yield text_of(row[column])
