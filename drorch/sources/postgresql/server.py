"""A server that is talked to: connections, and its own tools with what they need to connect.

Promise: a password is in no argument list and in no environment; psycopg's faults leave this package translated.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from drorch.errors import DrorchError, SourceUnavailable
from drorch.process.commands import HARMLESS_VARIABLES, ChildFailed, run_whole
from drorch.secrets import redacted
from drorch.sources.databases.passfile import passfile
from drorch.sources.postgresql.patience import PatientConnection
from drorch.sources.postgresql.settings import PostgresqlSettings

_FOLDERS = Path("/usr/lib/postgresql")
_CONNECT_SECONDS = 30
_VERSION_SECONDS = 30.0
_MOST_SAID = 600
_LIBPQ_VARIABLES = (
    "PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGSYSCONFDIR", "PGSSLMODE",
    "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGREQUIREPEER", "PGCHANNELBINDING", "PGGSSENCMODE",
    "PGKRBSRVNAME", "PGTARGETSESSIONATTRS", "PGCONNECT_TIMEOUT",
)  # fmt: skip
"""What psycopg takes from the environment, so that the tools reach the same server. No secret is among them."""


class ToolMissing(DrorchError):
    """One of the server's tools is not installed, or too old."""


@dataclass(frozen=True, slots=True)
class Server:
    """What is known of a server and of the role that is connected to it. `version` is as it tells it."""

    version: str
    number: int
    role: str
    is_superuser: bool
    bypasses_row_security: bool
    replicates: bool

    @property
    def major(self) -> int:
        """10 and up: the first part of its version."""
        return self.number // 10_000


@dataclass(frozen=True, slots=True)
class Tools:
    """A folder with the tools of one version."""

    folder: Path | None
    major: int
    version: str

    def command(self, name: str, *arguments: str) -> tuple[str, ...]:
        """How one of them is called."""
        return (name if self.folder is None else str(self.folder / name), *arguments)


@dataclass(frozen=True, slots=True)
class Access:
    """A server's tools, and what their environment holds so that they may connect."""

    settings: PostgresqlSettings
    tools: Tools
    environment: dict[str, str] = field(repr=False)

    def address(self, database: str) -> str:
        """The argument that names a database, whatever it is called; it holds no password."""
        return f"--dbname={make_conninfo('', **self.settings.place(database))}"


def one_line(fault: Exception | str) -> str:
    """What a server or tool said, on one line, bounded, without secrets that are known."""
    return redacted(" ".join(str(fault).split()))[-_MOST_SAID:]


@contextlib.contextmanager
def connected(
    settings: PostgresqlSettings, database: str, quiet_seconds: float | None = None
) -> Iterator[psycopg.Connection]:
    """A connection in autocommit, whose server may be silent for so long. `SourceUnavailable`: there can be none."""
    password = {} if settings.password is None else {"password": settings.password()}
    try:
        connection = PatientConnection.connect(
            make_conninfo("", **settings.place(database), **password),
            autocommit=True,
            prepare_threshold=None,
            connect_timeout=_CONNECT_SECONDS,
            client_encoding="UTF8",
            application_name="drorch",
        )
    except psycopg.Error as fault:
        raise SourceUnavailable(
            f"database {database}: {one_line(fault)}", hint="see that the server runs and that the role may log in"
        ) from fault
    connection.quiet_seconds = quiet_seconds
    try:
        yield connection
    finally:
        connection.close()


@contextlib.contextmanager
def connected_somewhere(
    settings: PostgresqlSettings, quiet_seconds: float | None = None
) -> Iterator[psycopg.Connection]:
    """A connection to whichever database can be expected to be there, else as `connected`."""
    with contextlib.ExitStack() as exits:
        faults = []
        for database in dict.fromkeys(("postgres", *settings.databases[:1], "template1")):
            try:
                connection = exits.enter_context(connected(settings, database, quiet_seconds))
            except SourceUnavailable as fault:
                faults.append(fault)
            else:
                break
        else:
            raise faults[0]
        yield connection


def server_of(connection: psycopg.Connection) -> Server:
    """What a connection tells of its server and role."""
    row = connection.execute(
        "select current_setting('server_version'), current_setting('server_version_num')::int, rolname, rolsuper,"
        " rolsuper or rolbypassrls, rolsuper or rolreplication from pg_catalog.pg_roles where rolname = current_user"
    ).fetchone()
    assert row is not None
    return Server(*row)


@contextlib.contextmanager
def access_to(settings: PostgresqlSettings, server: Server) -> Iterator[Access]:
    """The server's tools, ready to connect; the file with the password is gone afterwards. Raises `ToolMissing`."""
    tools = tools_for(settings.bin_dir, server.major)
    environment = {name: os.environ[name] for name in _LIBPQ_VARIABLES if name in os.environ}
    with contextlib.ExitStack() as exits:
        if settings.password is not None:
            secret = settings.password().replace("\\", "\\\\").replace(":", "\\:")
            environment["PGPASSFILE"] = str(exits.enter_context(passfile(f"*:*:*:*:{secret}\n", "pgpass")))
        yield Access(settings, tools, environment)


def tools_for(folder: Path | None, major: int) -> Tools:
    """The tools of a server of this version: its own, or else the newest. Raises `ToolMissing`.

    Those of the folder only, where one is given. Tools that are older than the server cannot dump it.
    """
    candidates = _installed() if folder is None else [folder]
    found = [tools for place in candidates if (tools := _tools_in(place)) is not None]
    if not found:
        where = folder or "PATH and /usr/lib/postgresql"
        raise ToolMissing(f"pg_dump is not in {where}", hint=f"install the package postgresql-client-{major}")
    best = min(found, key=lambda tools: (tools.major < major, tools.major != major, -tools.major))
    if best.major < major:
        raise ToolMissing(
            f"the newest pg_dump is {best.version}, and cannot read a server of version {major}",
            hint=f"install the package postgresql-client-{major}",
        )
    return best


def _installed() -> Sequence[Path | None]:
    return [*(path.parent for path in _FOLDERS.glob("*/bin/pg_dump")), None]


def _tools_in(folder: Path | None) -> Tools | None:
    environment = {name: os.environ[name] for name in HARMLESS_VARIABLES if name in os.environ}
    program = "pg_dump" if folder is None else str(folder / "pg_dump")
    try:
        ended = run_whole([program, "--version"], timeout=_VERSION_SECONDS, environment=environment, output_bytes=200)
    except ChildFailed:
        return None
    told = re.search(rb"(\d+)(\.\S+)?", ended.output)
    if ended.status != 0 or told is None:
        return None
    return Tools(folder, int(told[1]), told[0].decode("ascii", errors="replace"))
