"""PostgreSQL as a kind of database: both directions, and what would be in their way."""

import contextlib
from collections.abc import Iterator

import psycopg

from drorch.clock import Clock
from drorch.errors import DumpFailed, SourceUnavailable
from drorch.sources.databases.contract import DumpSession
from drorch.sources.postgresql.dumping import LogicalDump, told_by
from drorch.sources.postgresql.server import ToolMissing, access_to, connected_somewhere, one_line, server_of
from drorch.sources.postgresql.settings import PostgresqlSettings


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
                with connected_somewhere(self._settings) as connection:
                    server = server_of(connection)
                    access = exits.enter_context(access_to(self._settings, server))
                    told = told_by(connection, access, server)
            except ToolMissing as fault:
                raise DumpFailed(fault.message, hint=fault.hint) from fault
            except psycopg.Error as fault:
                raise SourceUnavailable(f"the server: {one_line(fault)}", hint="see the server's log") from fault
            yield LogicalDump(access, told, self._clock)
