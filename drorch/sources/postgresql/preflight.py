"""What a dump would meet, looked at before it begins: what the role may not read would fail it hours later."""

from collections.abc import Iterator, Sequence
from typing import LiteralString

import psycopg

from drorch.sources.databases.contract import Objection
from drorch.sources.postgresql.server import Server, connected
from drorch.sources.postgresql.settings import PostgresqlSettings, shown_name

_SHOWN = 5
_OURS: LiteralString = "n.nspname <> 'information_schema' and n.nspname !~ '^pg_'"
_FROM: LiteralString = "from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where "
_UNREADABLE: LiteralString = (
    "select n.nspname, c.relname " + _FROM + "c.relkind in ('r', 'p', 'S') and c.relpersistence <> 't' and " + _OURS +
    " and not (has_schema_privilege(n.oid, 'usage') and case c.relkind when 'S' then has_sequence_privilege(c.oid,"
    " 'select') else has_table_privilege(c.oid, 'select') end) order by 1, 2"
)  # fmt: skip
_HIDDEN_ROWS: LiteralString = (
    "select n.nspname, c.relname " + _FROM + "c.relrowsecurity and " + _OURS +
    " and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage')) order by 1, 2"
)  # fmt: skip
_UNREADABLE_LARGE_OBJECTS: LiteralString = (
    "select count(*) from pg_catalog.pg_largeobject_metadata m where not pg_has_role(m.lomowner, 'usage') and"
    " not exists (select from pg_catalog.aclexplode(m.lomacl) a where a.privilege_type = 'SELECT' and"
    " (a.grantee = 0 or pg_has_role(a.grantee, 'usage')))"
)


def objections_to_dump(settings: PostgresqlSettings, server: Server, databases: Sequence[str]) -> Iterator[Objection]:
    """What stands in the way of a dump of databases. Raises `SourceUnavailable` and `psycopg.Error`."""
    for database in databases:
        with connected(settings, database, settings.quiet_seconds) as connection:
            yield from _about_rights(connection, server, database)
    if settings.globals and not server.is_superuser:
        yield Objection(
            f"role {server.role} may not read the passwords of roles: they are not dumped",
            "dump as a superuser, or keep the passwords elsewhere",
            fatal=False,
        )


def objections_to_base(connection: psycopg.Connection, server: Server) -> Iterator[Objection]:
    """What stands in the way of a backup of the server's files."""
    spaces = connection.execute("select spcname from pg_catalog.pg_tablespace where spcname !~ '^pg_'").fetchall()
    if spaces:
        yield Objection(
            f"the server has tablespaces, as {spaces[0][0]}, whose files are elsewhere",
            "dump its databases instead: leave out base",
            fatal=True,
        )
    if not server.replicates:
        yield Objection(
            f"role {server.role} may not copy the server's files", f"ALTER ROLE {server.role} REPLICATION", fatal=True
        )
    shown = {name: _setting(connection, name) for name in ("max_wal_senders", "archive_mode", "archive_timeout")}
    if shown["max_wal_senders"] == "0":
        yield Objection("max_wal_senders is 0", "set it to 2 or more, and restart the server", fatal=True)
    if shown["archive_mode"] == "off":
        yield Objection(
            "archive_mode is off: without the write-ahead log, files of a server cannot be started",
            "archive the log, or receive it by pg_receivewal",
            fatal=False,
        )
    elif shown["archive_timeout"] == "0":
        yield Objection(
            "archive_timeout is 0: what a quiet server wrote is archived only when 16 MiB have come together",
            "set it to the data that may be lost, such as 5min",
            fatal=False,
        )


def _about_rights(connection: psycopg.Connection, server: Server, database: str) -> Iterator[Objection]:
    unreadable = [shown_name(*row) for row in connection.execute(_UNREADABLE)]
    if unreadable:
        yield Objection(
            f"database {database}: role {server.role} may not read {_some(unreadable)}",
            f"GRANT pg_read_all_data TO {server.role}",
            fatal=True,
        )
    hidden = [] if server.bypasses_row_security else [shown_name(*row) for row in connection.execute(_HIDDEN_ROWS)]
    if hidden:
        yield Objection(
            f"database {database}: row security hides rows of {_some(hidden)} from role {server.role}",
            f"ALTER ROLE {server.role} BYPASSRLS",
            fatal=True,
        )
    row = connection.execute(_UNREADABLE_LARGE_OBJECTS).fetchone()
    if row is not None and row[0] and not server.is_superuser:
        yield Objection(
            f"database {database}: role {server.role} may not read {row[0]} large objects",
            f"GRANT their owner TO {server.role}, or dump as a superuser",
            fatal=True,
        )


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("select current_setting(%s)", [name]).fetchone()
    return "" if row is None else str(row[0])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
