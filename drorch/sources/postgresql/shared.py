"""Roles and tablespaces, read out of pg_dumpall's SQL and put back: known statements only, one by one.

Promise: no statement of another form is run, a role that exists is left as it is, and none becomes a superuser unless
that is asked for.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from drorch.sources.postgresql.server import one_line

_PIECE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\\[^\n]*|;|[^'"\\;-]+|.""", re.DOTALL)
_NAME = r'("(?:[^"]|"")*"|[A-Za-z_][\w$]*)'
_ROLE = re.compile(rf"(CREATE|ALTER) ROLE {_NAME}(?: |$)", re.DOTALL)
_OTHERS = re.compile(
    rf"(?:GRANT {_NAME} TO {_NAME}|COMMENT ON (?:ROLE|TABLESPACE) {_NAME} IS |CREATE TABLESPACE {_NAME} OWNER |"
    rf"ALTER TABLESPACE {_NAME} |(?:GRANT|REVOKE) (?:ALL|CREATE) ON TABLESPACE {_NAME} )"
)
_FOR_SUPERUSERS = re.compile(r"(?<![\w\"])(?:NO)?(?:SUPERUSER|REPLICATION|BYPASSRLS)(?![\w\"])")
_GRANT = re.compile(rf"GRANT {_NAME} TO {_NAME}")
_SETTINGS = re.compile(r"(?:SET \w+ = |SELECT pg_catalog\.set_config\()")
_SUPERUSER = re.compile(r"(?<![\w\"])(?:SUPERUSER|REPLICATION|BYPASSRLS)(?!\w)")
_TABLESPACE = re.compile(r"\bTABLESPACE\b")


@dataclass(frozen=True, slots=True)
class SharedLoaded:
    """What became of it: how many statements were run, and what to say."""

    run: int
    notes: tuple[str, ...]


def statements(text: str) -> Iterator[str]:
    """The statements of a script, without comments and without psql's own commands."""
    gathered: list[str] = []
    for found in _PIECE.finditer(text):
        piece = found[0]
        if piece == ";":
            yield "".join(gathered).strip()
            gathered.clear()
        elif not piece.startswith(("--", "\\")):
            gathered.append(piece)


def load_shared(connection: psycopg.Connection, text: str, as_superuser: bool) -> SharedLoaded:
    """Run the statements that make what is missing. What cannot be made is a note."""
    roles = {row[0] for row in connection.execute("select rolname from pg_catalog.pg_roles")}
    run, notes = 0, []
    for statement in statements(text):
        role = _ROLE.match(statement)
        if role is None and not _OTHERS.match(statement):
            if statement and not _SETTINGS.match(statement):
                notes.append(f"left out, since its form is not known: {one_line(statement)[:60]}")
            continue
        name = _plain(role[2]) if role is not None else ""
        if name in roles:
            notes.extend([f"role {name} exists and is left as it is"] if statement.startswith("CREATE") else [])
            continue
        bare = re.sub(r"'(?:[^']|'')*'", "''", statement)
        if not as_superuser and role is not None:
            if _SUPERUSER.search(bare):
                notes.append(f"role {name} is not given the rights of a superuser")
            # Only a superuser may so much as name them.
            statement = _FOR_SUPERUSERS.sub("", statement)
        if not as_superuser and _TABLESPACE.search(bare):
            notes.append(f"left out, since only a superuser may: {one_line(bare)[:60]}")
            continue
        if not as_superuser and not _may_grant(statement, roles):
            notes.append(f"left out, since it gives rights that are there already: {one_line(bare)[:60]}")
            continue
        try:
            connection.execute(statement.encode())
            run += 1
        except psycopg.Error as fault:
            notes.append(f"{one_line(bare)[:60]}: {one_line(fault)}")
    return SharedLoaded(run, tuple(notes))


def _may_grant(statement: str, roles: set[str]) -> bool:
    """Whether a statement makes nobody a member who was there before, and of nothing that the server itself defines."""
    grant = _GRANT.match(statement)
    if grant is None:
        return True
    return _plain(grant[2]) not in roles and not _plain(grant[1]).startswith("pg_")


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
