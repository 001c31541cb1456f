"""What a database is like, asked in one transaction: its definitions in one canonical listing, its tables, its facts.

Promise: the digest of the definitions is the same after a restore, under another name and with other owners.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from drorch.errors import DumpFailed
from drorch.sources.databases.facts import DatabaseFacts, RowCount
from drorch.sources.postgresql.definitions import LISTINGS
from drorch.sources.postgresql.server import one_line
from drorch.sources.postgresql.settings import shown_name

_WITH_PROVIDER, _WITH_PLAIN_LOCALE = 150_000, 170_000
_TEXTS = re.compile(r"::(?:character varying|text|bpchar|name|character)(?:\(\d+\))?(?:\[\])?")
_ORNAMENT = str.maketrans("", "", "() \n\t")
_TABLES: LiteralString = """
select c.oid::bigint, n.nspname, c.relname, greatest(c.reltuples, 0)::bigint
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that holds rows, and how many the server believes it has."""

    schema: str
    name: str
    estimate: int

    @property
    def shown(self) -> str:
        """As it stands in the facts."""
        return shown_name(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Seen:
    """A database: its facts but for rows, its tables by oid. `unanswered` are questions it has no tables for."""

    facts: DatabaseFacts
    tables: Mapping[int, Table]
    unanswered: tuple[str, ...] = ()


def inspect(connection: psycopg.Connection, named: Mapping[str, str]) -> Seen:
    """Look at a database, inside the transaction that is open. Raises `psycopg.Error`, and `DumpFailed` for a question.

    A question that asks for what this database does not have is `unanswered`; any other that fails is an error.
    """
    answers: dict[str, str] = {}
    for name, question in named.items():
        answer = _answer(connection, name, question)
        if answer is not None:
            answers[name] = answer
    # Names are written out whole where nothing is on the path, so that they do not hang on the role's settings.
    connection.execute("set local search_path to ''")
    tables = {row[0]: Table(*row[1:]) for row in connection.execute(_TABLES)}
    extensions = {
        row[0]: row[1] for row in connection.execute("select extname, extversion from pg_catalog.pg_extension")
    }
    row = connection.execute(
        "select pg_catalog.pg_encoding_to_char(encoding), pg_catalog.pg_database_size(oid)"
        " from pg_catalog.pg_database where datname = pg_catalog.current_database()"
    ).fetchone()
    assert row is not None
    collation, version = _collation(connection)
    facts = DatabaseFacts(
        encoding=row[0],
        collation=collation,
        collation_version=version,
        extensions=extensions,
        schema_digest=_digest(connection),
        size=row[1],
        named=answers,
    )
    return Seen(facts, tables, tuple(name for name in named if name not in answers))


def counted(connection: psycopg.Connection, tables: Mapping[int, Table]) -> dict[str, RowCount]:
    """Count the rows of tables, one after the other."""
    counts = {}
    for table in tables.values():
        query = sql.SQL("select count(*) from only {}").format(sql.Identifier(table.schema, table.name))
        row = connection.execute(query).fetchone()
        assert row is not None
        counts[table.shown] = RowCount(row[0])
    return counts


def _answer(connection: psycopg.Connection, name: str, question: str) -> str | None:
    try:
        with connection.transaction():
            cursor = connection.execute(question.encode())
            row = cursor.fetchone() if cursor.description else None
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return None
    except psycopg.Error as fault:
        raise DumpFailed(f"fact {name}: {one_line(fault)}", hint="correct its query in the configuration") from fault
    return "" if row is None else "\t".join("" if value is None else str(value) for value in row)


def _collation(connection: psycopg.Connection) -> tuple[str, str]:
    """Locale of the database, and the version of its rules."""
    number = connection.info.server_version
    provider, locale, version = "'c'", "null", "''"
    if number >= _WITH_PROVIDER:
        provider, version = "datlocprovider", "coalesce(datcollversion, '')"
        locale = "datlocale" if number >= _WITH_PLAIN_LOCALE else "daticulocale"
    columns = f"datcollate, datctype, {provider}, {locale}, {version}"
    question = f"select {columns} from pg_catalog.pg_database where datname = pg_catalog.current_database()"  # noqa: S608
    row = connection.execute(question.encode()).fetchone()
    assert row is not None
    collate, ctype, kind, own, version = row
    parts = [collate] if collate == ctype else [collate, f"ctype={ctype}"]
    if own:
        parts.append(f"{ {'i': 'icu', 'b': 'builtin'}.get(kind, kind) }={own}")
    return " ".join(parts), version


def _digest(connection: psycopg.Connection) -> str:
    """SHA-256 of all definitions, in an order that hangs on nothing but themselves."""
    lines: list[str] = []
    for kind, listing in LISTINGS.items():
        for row in connection.execute(listing):
            lines.append("\x1f".join((kind, *("" if value is None else str(value) for value in row))))
    digest = hashlib.sha256()
    for line in sorted(map(_plain, lines)):
        digest.update(line.encode("utf-8", errors="backslashreplace") + b"\0")
    return digest.hexdigest()


def _plain(line: str) -> str:
    """Without what the server itself writes otherwise once a definition was dumped and read again.

    `a in ('x', 'y')` gains and loses casts between its kinds of text, and parentheses.
    """
    return _TEXTS.sub("", line).translate(_ORNAMENT)
