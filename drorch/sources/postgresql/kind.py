"""PostgreSQL as a kind of database: both directions, and what would be in their way."""

import contextlib
from collections.abc import Iterator, Sequence

import psycopg

from drorch.clock import Clock
from drorch.errors import DumpFailed, RestoreError, SourceUnavailable
from drorch.sources.databases.contract import DumpSession, Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import Facts
from drorch.sources.postgresql.base import BaseDump
from drorch.sources.postgresql.dumping import LogicalDump, told_by
from drorch.sources.postgresql.plan import Step, about_facts, objections_to, steps_of
from drorch.sources.postgresql.preflight import objections_to_base, objections_to_dump
from drorch.sources.postgresql.restoring import Loading, compared, load, text_of
from drorch.sources.postgresql.server import (
    Access,
    Server,
    ToolMissing,
    access_to,
    connected_somewhere,
    one_line,
    server_of,
)
from drorch.sources.postgresql.settings import GLOBALS_NAME, PostgresqlSettings
from drorch.sources.postgresql.shared import load_shared

_MOST_GLOBALS = 256 << 20


class Postgresql:
    """A server's databases, or its files (`base`). Fits `DatabaseKind`."""

    kind = "postgresql"

    def __init__(self, settings: PostgresqlSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    @contextlib.contextmanager
    def dump(self) -> Iterator[DumpSession]:
        """Begin a dump. Raises `SourceUnavailable` and `DumpFailed`."""
        with contextlib.ExitStack() as exits:
            try:
                with connected_somewhere(self._settings, self._settings.quiet_seconds) as connection:
                    server = server_of(connection)
                    access = exits.enter_context(access_to(self._settings, server))
                    told = told_by(connection, access, server)
            except ToolMissing as fault:
                raise DumpFailed(fault.message, hint=fault.hint) from fault
            except psycopg.Error as fault:
                raise SourceUnavailable(f"the server: {one_line(fault)}", hint="see the server's log") from fault
            dump = BaseDump if self._settings.base else LogicalDump
            yield dump(access, told, self._clock)

    def preflight(self) -> Sequence[Objection]:
        """What a backup would meet. Looks, and changes nothing. Raises `SourceUnavailable`."""
        with contextlib.ExitStack() as exits:
            try:
                looked = connected_somewhere(self._settings, self._settings.quiet_seconds)
                connection = exits.enter_context(looked)
                server = server_of(connection)
                access = exits.enter_context(access_to(self._settings, server))
                if self._settings.base:
                    return list(objections_to_base(connection, server))
                told = told_by(connection, access, server)
                return list(objections_to_dump(self._settings, server, told.databases))
            except ToolMissing as fault:
                return [Objection(fault.message, fault.hint or "", fatal=True)]
            except psycopg.Error as fault:
                raise SourceUnavailable(f"the server: {one_line(fault)}", hint="see the server's log") from fault

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:
        """What a restore would meet. Looks, and changes nothing. Raises `SourceUnavailable`."""
        try:
            with self._connected() as (connection, _):
                server = server_of(connection)
                steps = steps_of(connection, self._settings, server, wish, parts)
                return [*objections_to(connection, server, wish, parts, steps), *about_facts(facts, steps)]
        except RestoreError as fault:
            return [Objection(fault.message, fault.hint or "", fatal=True)]

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:
        """Put it back and compare it with the facts. Raises `RestoreError` and `SourceUnavailable`."""
        with self._connected() as (connection, access):
            server = server_of(connection)
            steps, notes = self._allowed(connection, server, wish, parts)
            if wish.globals_too:
                notes = self._load_globals(connection, wish, parts)
                # Looked at anew: roles that were just made can own things.
                steps, more = self._allowed(connection, server, wish, parts)
                notes += more
            differences: list[str] = []
            is_compared = True
            for step in steps:
                loading = Loading(access, wish, parts, step)
                notes += load(loading, connection)
                recorded = facts.databases.get(step.recorded) if facts is not None else None
                if recorded is None:
                    is_compared = False
                    notes.append(f"database {step.recorded} was not compared: there are no facts of it")
                    continue
                comparison = compared(loading, recorded)
                differences += comparison.differences
                notes += [*comparison.not_compared, *comparison.remarks]
                is_compared = is_compared and not comparison.not_compared
            names = tuple(step.destination.name for step in steps)
            return Loaded(names, tuple(differences), tuple(notes), is_compared)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[tuple[psycopg.Connection, Access]]:
        with contextlib.ExitStack() as exits:
            try:
                connection = exits.enter_context(connected_somewhere(self._settings))
                access = exits.enter_context(access_to(self._settings, server_of(connection)))
                yield connection, access
            except ToolMissing as fault:
                raise RestoreError(fault.message, hint=fault.hint) from fault
            except psycopg.Error as fault:
                raise SourceUnavailable(f"the server: {one_line(fault)}", hint="see the server's log") from fault

    def _allowed(
        self, connection: psycopg.Connection, server: Server, wish: RestoreWish, parts: StoredParts
    ) -> tuple[list[Step], list[str]]:
        """What is to be done, and what to say of it. Raises `RestoreError` where something stands in the way."""
        steps = steps_of(connection, self._settings, server, wish, parts)
        notes = []
        for objection in objections_to(connection, server, wish, parts, steps):
            if objection.fatal:
                raise RestoreError(objection.message, hint=objection.hint)
            notes.append(objection.message)
        return steps, notes

    def _load_globals(self, connection: psycopg.Connection, wish: RestoreWish, parts: StoredParts) -> list[str]:
        if GLOBALS_NAME not in parts.names():
            return ["the snapshot holds no roles and tablespaces"]
        text = text_of(parts, GLOBALS_NAME, _MOST_GLOBALS)
        return list(load_shared(connection, text, wish.as_superuser).notes)
