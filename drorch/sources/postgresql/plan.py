"""What a restore would do, and what stands in its way: looked at before anything is changed."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psycopg

from drorch.errors import RestoreError
from drorch.sources.databases.contract import Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import Facts
from drorch.sources.postgresql.contents import Contents, contents_of
from drorch.sources.postgresql.server import Server, connected
from drorch.sources.postgresql.settings import BASE_NAME, PostgresqlSettings, database_of

_LONGEST_NAME = 63
_SHOWN = 5
_HAS_CONTENT = (
    "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where"
    " n.nspname <> 'information_schema' and n.nspname !~ '^pg_') or exists (select from pg_catalog.pg_proc p join"
    " pg_catalog.pg_namespace n on n.oid = p.pronamespace where n.nspname <> 'information_schema' and"
    " n.nspname !~ '^pg_') or exists (select from pg_catalog.pg_namespace where nspname not in ('public',"
    " 'information_schema') and nspname !~ '^pg_') or exists (select from pg_catalog.pg_largeobject_metadata)"
)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a database goes: its name, and whether it is there, holds something, and belongs to the role."""

    name: str
    exists: bool
    is_empty: bool
    is_ours: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One database that is put back: the dump's part, the name it had, what it holds and where it goes."""

    part: str
    recorded: str
    contents: Contents
    destination: Destination
    keeps_owners: bool
    keeps_grants: bool
    keeps_tablespaces: bool


def steps_of(
    connection: psycopg.Connection, settings: PostgresqlSettings, server: Server, wish: RestoreWish, parts: StoredParts
) -> list[Step]:
    """What a wish means. Raises `RestoreError` where it means nothing."""
    dumps = {name: part for part in parts.names() if (name := database_of(part)) is not None}
    if not dumps and BASE_NAME in parts.names():
        raise RestoreError(
            "the snapshot holds the files of a whole server, which are not loaded into one",
            hint="take them out by `drorch restore`, unpack base.tar, and add the write-ahead log",
        )
    if wish.only is not None and wish.only not in dumps:
        raise RestoreError(f"the snapshot has no database {wish.only}", hint=f"it has {', '.join(dumps) or 'none'}")
    names = [wish.only] if wish.only is not None else list(dumps)
    if len(names) > 1 and wish.into is not None:
        raise RestoreError("several databases cannot go into one", hint=f"name one of {', '.join(names)}")
    if not names:
        raise RestoreError("the snapshot holds no dump of a database", hint="choose another snapshot")
    roles = {row[0] for row in connection.execute("select rolname from pg_catalog.pg_roles")}
    spaces = {row[0] for row in connection.execute("select spcname from pg_catalog.pg_tablespace")}
    steps = []
    for name in names:
        contents = contents_of(parts, dumps[name])
        destination = _destination(connection, settings, wish.into or name)
        mine = contents.owners <= {server.role}
        owners = mine or (server.is_superuser and wish.as_superuser and contents.owners <= roles)
        steps.append(Step(dumps[name], name, contents, destination, owners, owners, contents.tablespaces <= spaces))
    return steps


def objections_to(
    connection: psycopg.Connection, server: Server, wish: RestoreWish, parts: StoredParts, steps: Sequence[Step]
) -> Iterator[Objection]:
    """What stands in the way of the steps."""
    if server.is_superuser and not wish.as_superuser:
        yield Objection(
            f"role {server.role} is a superuser, and a dump can run commands as whoever loads it",
            "connect as a role that is none and has CREATEDB, or add --as-superuser where the dump is trusted",
            fatal=True,
        )
    row = connection.execute("select rolcreatedb from pg_catalog.pg_roles where rolname = current_user").fetchone()
    may_create = server.is_superuser or (row is not None and bool(row[0]))
    for step in steps:
        yield from _about_destination(server, wish, step, may_create)
        yield from _about_contents(connection, server, wish, step)
    if wish.jobs > 1:
        needed = max(parts.size(step.part) for step in steps)
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if needed > free:
            yield Objection(
                f"jobs at once need the dump in {tempfile.gettempdir()}: {needed} bytes, {free} are free",
                "leave out --jobs, or set TMPDIR to a folder with room",
                fatal=True,
            )


def about_facts(facts: Facts | None, steps: Sequence[Step]) -> Iterator[Objection]:
    """What cannot be compared afterwards."""
    for step in steps:
        if facts is None or step.recorded not in facts.databases:
            yield Objection(
                f"the snapshot has no facts of database {step.recorded}, so what is restored cannot be compared",
                "look at it yourself",
                fatal=False,
            )


def _destination(connection: psycopg.Connection, settings: PostgresqlSettings, name: str) -> Destination:
    row = connection.execute(
        "select pg_catalog.pg_has_role(datdba, 'usage'), datallowconn from pg_catalog.pg_database where datname = %s",
        [name],
    ).fetchone()
    if row is None:
        return Destination(name, exists=False, is_empty=True, is_ours=True)
    if not row[1]:
        return Destination(name, exists=True, is_empty=False, is_ours=bool(row[0]))
    with connected(settings, name) as inside:
        found = inside.execute(_HAS_CONTENT).fetchone()
    return Destination(name, exists=True, is_empty=found is not None and not found[0], is_ours=bool(row[0]))


def _about_destination(server: Server, wish: RestoreWish, step: Step, may_create: bool) -> Iterator[Objection]:
    there = step.destination
    if len(there.name.encode()) > _LONGEST_NAME or not there.name:
        yield Objection(f"database name {there.name!r} is too long or empty", "choose another name", fatal=True)
    if not there.is_empty and not wish.overwrite:
        yield Objection(f"database {there.name} is not empty", "add --overwrite, or --into another name", fatal=True)
    if not there.is_empty and wish.overwrite and (wish.tables or wish.schemas):
        yield Objection(
            f"database {there.name} is not empty, and some tables of a dump do not replace a whole database",
            "restore them --into another name, and copy them from there",
            fatal=True,
        )
    if there.exists and not there.is_ours:
        yield Objection(
            f"database {there.name} does not belong to role {server.role}", "choose another name or role", fatal=True
        )
    if not may_create and (not there.exists or not there.is_empty):
        yield Objection(
            f"role {server.role} may not create databases", f"ALTER ROLE {server.role} CREATEDB", fatal=True
        )


def _about_contents(
    connection: psycopg.Connection, server: Server, wish: RestoreWish, step: Step
) -> Iterator[Objection]:
    contents = step.contents
    selective = bool(wish.tables or wish.schemas)
    if contents.unknown and selective:
        yield Objection(f"tables cannot be chosen: {contents.unknown}", "restore all of them", fatal=True)
    elif missing := contents.missing(wish.tables, wish.schemas):
        yield Objection(
            f"the dump of {step.recorded} has no {missing[0]}", "write names as in public.orders", fatal=True
        )
    rows = connection.execute(
        "select name, superuser and not trusted from pg_catalog.pg_available_extension_versions where name = any(%s)",
        [list(contents.extensions)],
    )
    trusted = {name: not untrusted for name, untrusted in rows}
    for name in sorted(contents.extensions):
        if name not in trusted:
            yield Objection(f"extension {name} is not installed on the server", "install its package", fatal=True)
        elif not trusted[name] and not server.is_superuser:
            yield Objection(
                f"extension {name} can be made by superusers only", "connect as one, with --as-superuser", fatal=True
            )
    special = contents.for_superusers()
    if special and not server.is_superuser and not selective:
        yield Objection(
            f"only a superuser may make {', '.join(special[:_SHOWN])}",
            "connect as one, with --as-superuser",
            fatal=True,
        )
    if not step.keeps_owners:
        yield Objection(
            f"what is restored belongs to role {server.role}, and nothing is granted to others",
            "add --as-superuser and --globals to have the recorded owners and grants",
            fatal=False,
        )
