"""Dumps loaded again by the server's own client, and compared with what was recorded of them.

Promise: nothing that is there is overwritten unasked; the client carries out no commands of its own out of a dump, and
lends it no superuser's account unless asked. Loading is no transaction: a failed one says what it leaves.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from drorch.errors import DrorchError, DumpFailed, RestoreError
from drorch.process.commands import ChildFailed, describe_status
from drorch.process.streams import StreamCommand, start_feeding
from drorch.sources.databases.contract import Loaded, RestoreWish, StoredParts
from drorch.sources.databases.facts import Comparison, DatabaseFacts, Facts, compare
from drorch.sources.databases.said import last_words
from drorch.sources.mariadb.definitions import counted, described, tables_of
from drorch.sources.mariadb.incoming import Fitting, Incoming
from drorch.sources.mariadb.logical import APART
from drorch.sources.mariadb.server import (
    SYSTEM_DATABASES,
    ServerRefused,
    Session,
    connected,
    privileges,
    quoted,
    version_of,
)
from drorch.sources.mariadb.settings import USERS_NAME, MariadbSettings, database_of
from drorch.sources.mariadb.tools import CLIENT, Tool, find, option_file

POWERS = frozenset(
    {"ALL PRIVILEGES", "SUPER", "FILE", "CREATE USER", "SHUTDOWN", "SET USER", "GRANT OPTION"}
    | {"INSERT", "UPDATE", "DELETE", "DROP", "ALTER"}
)
"""What an account must not be allowed everywhere, or in the server's own database, to load a stranger's dump."""

_PATIENCE_SECONDS = 24 * 3600.0
"""How long the client may take nothing: a server that builds an index, or commits much, reads nothing meanwhile."""
_LOAD_SECONDS = 86_400.0
"""For how long the client may take no byte: the server builds indexes meanwhile."""

_CHARSET = re.compile(r"[a-z0-9_]{1,64}", re.ASCII)
_ARGUMENTS = (
    # No commands of the client's own but \C and DELIMITER; --sandbox says so again where it is known.
    "--binary-mode",
    "--loose-sandbox",
    "--batch",
    # Without it, comments in bodies of routines are lost.
    "--comments",
    "--disable-named-commands",
    "--local-infile=0",
    "--disable-reconnect",
    # It would put rows into what it says last.
    "--loose-disable-print-query-on-error",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A part, the database it is of, and the name of the one it goes to."""

    part: str
    recorded: str
    into: str


def planned(wish: RestoreWish, parts: StoredParts) -> list[Planned]:
    """Which parts go where. Raises `RestoreError`."""
    there = {name: part for part in parts.names() if (name := database_of(part)) is not None}
    if not there:
        raise RestoreError("the snapshot holds no dump of a MariaDB database", hint="Choose another snapshot.")
    if wish.schemas:
        raise RestoreError("MariaDB has no schemas in a database", hint="Name the database, and tables.")
    if wish.only is not None and wish.only not in there:
        raise RestoreError(f"the snapshot holds no database {wish.only}", hint=f"It holds: {', '.join(sorted(there))}.")
    wanted = [wish.only] if wish.only is not None else sorted(there)
    if len(wanted) > 1 and (wish.into is not None or wish.tables):
        raise RestoreError("the snapshot holds several databases", hint=f"Choose one of: {', '.join(sorted(there))}.")
    made = [Planned(there[name], name, wish.into if wish.into is not None else name) for name in wanted]
    for plan in made:
        if plan.into.lower() in SYSTEM_DATABASES or not plan.into or "\0" in plan.into:
            raise RestoreError(f"{plan.into!r} is no name for a restored database", hint="Choose another name.")
    return made


def is_empty(session: Session, database: str) -> bool:
    """Whether there is nothing in a database, or no such database."""
    return not any(
        session.rows(f"SELECT 1 FROM information_schema.{table} WHERE {column} = %s LIMIT 1", [database])  # noqa: S608
        for table, column in (
            ("TABLES", "TABLE_SCHEMA"),
            ("ROUTINES", "ROUTINE_SCHEMA"),
            ("EVENTS", "EVENT_SCHEMA"),
        )
    )


def powers_of(session: Session) -> list[str]:
    """What the account is allowed that it should not be to load a dump, ascending."""
    return sorted(privileges(session.grants(), "mysql") & POWERS)


class Loading:
    """Dumps being loaded into a server."""

    def __init__(self, settings: MariadbSettings, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> None:
        self._settings = settings
        self._wish = wish
        self._parts = parts
        self._facts = facts
        self._notes: list[str] = []

    def load(self) -> Loaded:
        """Load and compare. Raises `RestoreError` and `SourceUnavailable`."""
        plans = planned(self._wish, self._parts)
        try:
            tool = find(CLIENT, self._settings.bin_dir)
            with option_file(self._settings) as options:
                self._require(plans)
                if self._wish.globals_too:
                    self._load_accounts(tool, options)
                for plan in plans:
                    self._load(plan, tool, options)
            return self._compared(plans)
        except (DumpFailed, ServerRefused) as fault:
            raise RestoreError(fault.message, hint=fault.hint) from fault

    def _require(self, plans: Sequence[Planned]) -> None:
        with connected(self._settings) as session:
            powers = powers_of(session)
            if powers and not self._wish.as_superuser:
                raise RestoreError(
                    f"the account may do more than load a database: {', '.join(powers)}; a dump could do it, too",
                    hint="Give the job an account with rights on that database only, or type --as-superuser.",
                )
            for plan in plans:
                if not self._wish.overwrite and not is_empty(session, plan.into):
                    raise RestoreError(
                        f"database {plan.into} is not empty",
                        hint="Restore under another name with --into NAME, or type --overwrite.",
                    )

    def _load_accounts(self, tool: Tool, options: Path) -> None:
        if USERS_NAME not in self._parts.names():
            raise RestoreError("the snapshot holds no accounts", hint="Leave the accounts out.")
        if not self._wish.as_superuser:
            raise RestoreError("accounts can be made by a superuser only", hint="Type --as-superuser.")
        self._feed(USERS_NAME, Fitting("", keeps_definers=True), [tool.path, f"--defaults-file={options}", *_ARGUMENTS])

    def _load(self, plan: Planned, tool: Tool, options: Path) -> None:
        existed = self._prepare(plan)
        fitting = Fitting(plan.into, self._wish.as_superuser, frozenset(self._wish.tables))
        argv = [tool.path, f"--defaults-file={options}", *_ARGUMENTS, "--", plan.into]
        try:
            loaded = self._feed(plan.part, fitting, argv)
        except DrorchError as fault:
            left = self._left_behind(plan, existed)
            raise RestoreError(f"{fault.message}; {left}", hint=fault.hint) from fault
        if missing := sorted(set(self._wish.tables) - loaded):
            raise RestoreError(f"the dump of {plan.recorded} has no table {missing[0]}", hint="Look at its facts.")
        if self._wish.tables:
            self._notes.append("of the tables' database no views, routines and events were restored")
        if not self._wish.as_superuser:
            self._notes.append(f"the account that restored is the definer of all that is in {plan.into}")

    def _prepare(self, plan: Planned) -> bool:
        """Make the database, or an empty one of it; whether there was one."""
        with connected(self._settings) as session:
            existed = plan.into in session.databases()
            if existed and (self._wish.tables or is_empty(session, plan.into)):
                return existed
            if existed:
                session.run(f"DROP DATABASE {quoted(plan.into)}")
            session.run(f"CREATE DATABASE {quoted(plan.into)}{self._charset(plan)}")
            return existed

    def _charset(self, plan: Planned) -> str:
        facts = self._facts.databases.get(plan.recorded) if self._facts else None
        if facts is None or not (_CHARSET.fullmatch(facts.encoding) and _CHARSET.fullmatch(facts.collation)):
            return ""
        return f" CHARACTER SET {facts.encoding} COLLATE {facts.collation}"

    def _left_behind(self, plan: Planned, existed: bool) -> str:
        """What a failed load leaves, in words: nothing where there was nothing before."""
        if existed:
            return f"database {plan.into} holds a part of it now"
        try:
            with connected(self._settings) as session:
                session.run(f"DROP DATABASE IF EXISTS {quoted(plan.into)}")
        except DrorchError:
            return f"database {plan.into} is new and holds a part of it"
        return f"database {plan.into}, which was new, is removed again"

    def _feed(self, part: str, fitting: Fitting, argv: Sequence[str]) -> set[str]:
        """Feed a part to the client; the tables that were wanted and are in it. Raises `RestoreError`."""
        incoming = Incoming(fitting)
        command = StreamCommand(argv, quiet_seconds=_PATIENCE_SECONDS)
        try:
            with start_feeding(command) as child, self._parts.open(part) as pieces:
                for piece in pieces:
                    child.feed(incoming.feed(piece))
                child.feed(incoming.finish())
                if not incoming.completed:
                    raise RestoreError(
                        f"{part} has no closing line: it is no whole dump", hint="Choose another snapshot."
                    )
                ended = child.finish()
        except ChildFailed as fault:
            said = str(fault.context.get("said", ""))
            raise RestoreError(f"{part}: {fault.message}{last_words(said)}", hint=_hint(said)) from fault
        if ended.status != 0:
            how = describe_status(ended.status)
            raise RestoreError(f"{part}: the client {how}{last_words(ended.said)}", hint=_hint(ended.said))
        return {name for name in fitting.tables if incoming.has(name)}

    def _compared(self, plans: Sequence[Planned]) -> Loaded:
        differences: list[str] = []
        compared = True
        for plan in plans:
            recorded = self._facts.databases.get(plan.recorded) if self._facts else None
            if recorded is None:
                self._notes.append(f"database {plan.into} was not compared: nothing is recorded of it")
                compared = False
                continue
            found = self._compare(plan, recorded)
            lead = f"{plan.into}: " if len(plans) > 1 else ""
            differences += [lead + line for line in found.differences]
            self._notes += [lead + line for line in (*found.not_compared, *found.remarks)]
            compared = compared and not found.not_compared
        return Loaded(tuple(plan.into for plan in plans), tuple(differences), tuple(self._notes), compared)

    def _compare(self, plan: Planned, recorded: DatabaseFacts) -> Comparison:
        with connected(self._settings, plan.into) as session:
            tables = tables_of(session, plan.into)
            wanted = [table for table in tables if not self._wish.tables or table.name in self._wish.tables]
            found = described(session, plan.into, counted(session, wanted), self._settings.facts)
            here = session.version()
        if self._wish.tables:
            only = {name: rows for name, rows in recorded.tables.items() if name in self._wish.tables}
            now = {name: rows for name, rows in found.tables.items() if name in self._wish.tables}
            return compare(DatabaseFacts(tables=only), DatabaseFacts(tables=now))
        if self._facts and version_of(here)[:2] != version_of(self._facts.server)[:2]:
            # Each version writes definitions in its own way.
            found = replace(found, schema_digest="")
        if APART in recorded.notes:
            found = replace(found, named={})
        return compare(recorded, found)


def _hint(said: str) -> str | None:
    if "1419" in said or "log_bin_trust" in said:
        return "Type on the server: SET GLOBAL log_bin_trust_function_creators = 1"
    if "denied" in said.lower():
        return "Grant the job's user all rights on that database."
    return None
