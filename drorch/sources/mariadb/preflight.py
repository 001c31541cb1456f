"""What stands in the way of a backup or a restore, found before it begins, by looking only."""

import os
from collections.abc import Iterator, Sequence

from drorch.errors import DumpFailed, RestoreError
from drorch.sources.databases.contract import Objection, RestoreWish, StoredParts
from drorch.sources.mariadb.definitions import tables_of, untransacted
from drorch.sources.mariadb.loading import is_empty, planned, powers_of
from drorch.sources.mariadb.logical import chosen
from drorch.sources.mariadb.physical import destination, room_for
from drorch.sources.mariadb.server import ServerRefused, Session, connected, privileges, version_of
from drorch.sources.mariadb.settings import PHYSICAL_NAME, MariadbSettings
from drorch.sources.mariadb.tools import CLIENT, COPY, DUMP, UNPACK, Tool, find

_DUMPING = ("SELECT", "SHOW VIEW", "TRIGGER", "EVENT")
_WATCHING = frozenset({"BINLOG MONITOR", "REPLICATION CLIENT", "SUPER"})
_SHOWN = 5
_READING_ROUTINES = frozenset({"SHOW CREATE ROUTINE", "SHOW_ROUTINE"})
# With one of these an account is told which routines there are, which does not mean that it may read them.
_NAMING_ROUTINES = frozenset({"ALL PRIVILEGES", "EXECUTE", "ALTER ROUTINE", "CREATE ROUTINE"})
_UNREADABLE_ROUTINES = """
    SELECT 1 FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = %s AND ROUTINE_DEFINITION IS NULL LIMIT 1"""


def before_backup(settings: MariadbSettings) -> list[Objection]:
    """What a backup would meet. Raises `SourceUnavailable`."""
    found: list[Objection] = []
    try:
        tool = find(COPY if settings.physical else DUMP, settings.bin_dir)
    except DumpFailed as fault:
        return [_fatal(fault)]
    try:
        with connected(settings) as session:
            found += _old_tool(tool, session)
            found += _physical(session) if settings.physical else _logical(settings, session)
    except (DumpFailed, ServerRefused) as fault:
        found.append(_fatal(fault))
    return found


def before_restore(settings: MariadbSettings, wish: RestoreWish, parts: StoredParts) -> list[Objection]:
    """What a restore would meet. Raises `SourceUnavailable`."""
    try:
        if PHYSICAL_NAME in parts.names():
            return list(_before_unpacking(settings, wish, parts))
        return list(_before_loading(settings, wish, parts))
    except (DumpFailed, ServerRefused, RestoreError) as fault:
        return [_fatal(fault)]


def _fatal(fault: DumpFailed | ServerRefused | RestoreError) -> Objection:
    return Objection(fault.message, fault.hint or "Look at the server's log.", fatal=True)


def _old_tool(tool: Tool, session: Session) -> Iterator[Objection]:
    server = session.version()
    if tool.is_mariadb != ("mariadb" in server.lower()):
        yield Objection(
            f"{tool.path} is not of the server's own make ({server})",
            "Install the tools that came with the server.",
            fatal=False,
        )
    elif tool.version and tool.version[:2] < version_of(server)[:2]:
        yield Objection(
            f"{tool.path} is older than the server ({server})",
            "Install the tools of the server's version.",
            fatal=False,
        )


def _logical(settings: MariadbSettings, session: Session) -> Iterator[Objection]:
    grants = session.grants()
    for database in chosen(session, settings.databases):
        held = privileges(grants, database)
        missing = [] if "ALL PRIVILEGES" in held else [right for right in _DUMPING if right not in held]
        if missing:
            rights = ", ".join(missing)
            yield Objection(
                f"the account lacks {rights} on database {database}: a dump would lack what it cannot see",
                f"Type on the server: GRANT {rights} ON *.* TO ...",
                fatal=True,
            )
        if not _sees_routines(session, grants, database):
            yield Objection(
                f"the account may not read all procedures and functions in database {database}: a dump would lack some",
                "Type on the server: GRANT SELECT ON mysql.proc TO ... (MySQL: GRANT SHOW_ROUTINE ON *.*)",
                fatal=True,
            )
        if loose := untransacted(tables_of(session, database)):
            shown = ", ".join(loose[:_SHOWN]) + (f" and {len(loose) - _SHOWN} more" if len(loose) > _SHOWN else "")
            yield Objection(
                f"tables of database {database} without transactions are dumped as they change: {shown}",
                "Type on the server: ALTER TABLE ... ENGINE=InnoDB",
                fatal=False,
            )
    everywhere = privileges(grants, None)
    if settings.users and not privileges(grants, "mysql") & {"SELECT", "ALL PRIVILEGES"}:
        yield Objection(
            "the account may not read the server's accounts",
            "Grant it SELECT on mysql.*, or write users = false.",
            fatal=True,
        )
    may_watch = "RELOAD" in everywhere and bool(everywhere & _WATCHING)
    if session.text("SELECT @@log_bin") == "1" and not (may_watch or "ALL PRIVILEGES" in everywhere):
        yield Objection(
            "the account may not ask for positions in the binary log: dumps are without them",
            "Grant it RELOAD and BINLOG MONITOR (REPLICATION CLIENT on MySQL) on *.*.",
            fatal=False,
        )


def _sees_routines(session: Session, grants: Sequence[str], database: str) -> bool:
    """Whether the account may read all routines of a database: of others', it is not even shown the names."""
    if privileges(grants, database) & _READING_ROUTINES or privileges(grants, None) & {"SELECT", "ALL PRIVILEGES"}:
        return True
    try:
        session.rows("SELECT 1 FROM mysql.proc LIMIT 1")
    except ServerRefused:
        named = privileges(grants, database) & _NAMING_ROUTINES
        return bool(named) and not session.rows(_UNREADABLE_ROUTINES, [database])
    return True


def _physical(session: Session) -> Iterator[Objection]:
    held = privileges(session.grants(), None)
    missing = [right for right in ("RELOAD", "PROCESS", "LOCK TABLES") if right not in held]
    missing += [] if held & _WATCHING else ["BINLOG MONITOR"]
    if missing and "ALL PRIVILEGES" not in held:
        rights = ", ".join(missing)
        yield Objection(f"the account lacks {rights}", f"Type on the server: GRANT {rights} ON *.* TO ...", fatal=True)
    data = session.text("SELECT @@datadir")
    if not os.access(data, os.R_OK | os.X_OK):
        yield Objection(
            f"the server's files in {data} cannot be read here",
            "Run as root, or as the server's own user, on the server's own machine.",
            fatal=True,
        )


def _before_unpacking(settings: MariadbSettings, wish: RestoreWish, parts: StoredParts) -> Iterator[Objection]:
    folder = destination(wish)
    for names in (UNPACK, COPY):
        find(names, settings.bin_dir)
    needed, free = room_for(folder, parts)
    if needed > free:
        yield Objection(
            f"{folder} needs {needed} bytes, and {free} are free there", "Name a folder with more room.", fatal=True
        )


def _before_loading(settings: MariadbSettings, wish: RestoreWish, parts: StoredParts) -> Iterator[Objection]:
    plans = planned(wish, parts)
    tool = find(CLIENT, settings.bin_dir)
    with connected(settings) as session:
        yield from _old_tool(tool, session)
        powers = powers_of(session)
        if powers and not wish.as_superuser:
            yield Objection(
                f"the account may do more than load a database: {', '.join(powers)}; a dump could do it, too",
                "Give the job an account with rights on that database only, or type --as-superuser.",
                fatal=True,
            )
        for plan in plans:
            if not wish.overwrite and not is_empty(session, plan.into):
                yield Objection(
                    f"database {plan.into} is not empty",
                    "Restore under another name with --into NAME, or type --overwrite.",
                    fatal=True,
                )
        trusted = session.text("SELECT @@log_bin = 0 OR @@log_bin_trust_function_creators = 1") == "1"
        if not powers and not trusted:
            yield Objection(
                "the server lets no account but a superuser make triggers and functions",
                "Type on the server: SET GLOBAL log_bin_trust_function_creators = 1",
                fatal=False,
            )
