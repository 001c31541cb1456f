"""Talking to the server itself: connections, names, rights. What PyMySQL raises is translated here.

Promise: a connection has timeouts, loads no file for the server, and its account's password is in no error.
"""

import contextlib
import re
import socket
from collections.abc import Iterator, Sequence

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from drorch.errors import DrorchError, DumpFailed, SourceUnavailable
from drorch.secrets import redacted
from drorch.sources.mariadb.settings import MariadbSettings

SYSTEM_DATABASES = frozenset({"information_schema", "performance_schema", "mysql", "sys"})
"""The server's own: never dumped, never restored into."""

_CONNECT_SECONDS = 30
_DEBIAN_SOCKET = "/run/mysqld/mysqld.sock"
# Whatever the server's own settings are: definitions read alike, and a connection that waits for a dump is not dropped.
_MANNERS = "SET SESSION time_zone = '+00:00', sql_mode = '', sql_quote_show_create = 1, wait_timeout = 604800"
_MARIADB_MANNERS = (
    "SET SESSION idle_transaction_timeout = 0, idle_readonly_transaction_timeout = 0, max_statement_time = 0"
)
_DENIED = frozenset({1044, 1045, 1142, 1143, 1227, 1370, 1698})
_LONGEST_SAID = 400
_VERSION = re.compile(r"\d+(?:\.\d+)+")


@contextlib.contextmanager
def connected(settings: MariadbSettings, database: str | None = None) -> Iterator["Session"]:
    """A connection that commits by itself, with UTC as its time zone.

    Raises `SourceUnavailable` where there is none to be had, `DumpFailed` where the server refuses the account.
    """
    connection = pymysql.connect(
        host=settings.host or ("127.0.0.1" if settings.port else "localhost"),
        port=settings.port or 3306,
        user=settings.user,
        # As text it would be taken for latin1, and the server's own tools take it as it is.
        password=settings.password().encode() if settings.password else b"",
        database=database,
        charset="utf8mb4",
        autocommit=True,
        local_infile=False,
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=settings.quiet_seconds,
        write_timeout=settings.quiet_seconds,
        defer_connect=True,
    )
    try:
        connection.connect(_reached(settings))
    except (pymysql.MySQLError, OSError) as fault:
        raise _refused(settings, fault) from fault
    with connection:
        session = Session(connection, settings.place)
        session.run(_MANNERS)
        with contextlib.suppress(ServerRefused):
            session.run(_MARIADB_MANNERS)
        yield session


def _reached(settings: MariadbSettings) -> socket.socket | None:
    """The server's socket, connected; None where it is reached by host and port. Raises `OSError`.

    As the server's own tools do: where no host is named, they go to the socket.
    """
    if settings.socket is None and (settings.host is not None or settings.port is not None):
        return None
    # PyMySQL would leave one open that does not come about.
    with contextlib.ExitStack() as undo:
        reached = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        reached.settimeout(_CONNECT_SECONDS)
        reached.connect(settings.socket or _DEBIAN_SOCKET)
        undo.pop_all()
    return reached


def _refused(settings: MariadbSettings, fault: Exception) -> DrorchError:
    if number_of(fault) in _DENIED:
        return DumpFailed(
            f"server {settings.place} refuses the account {settings.user or 'root'}: {words_of(fault)}",
            hint="Check the job's user and password.",
        )
    return SourceUnavailable(
        f"server {settings.place} does not answer: {words_of(fault)}", hint="Check that it runs, and the job's host."
    )


class ServerRefused(DrorchError):
    """The server answered a question with an error; its number is in `number`."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class Session:
    """A connection to the server. Every question raises `ServerRefused`, or `SourceUnavailable` where it went away."""

    def __init__(self, connection: "Connection[Cursor]", place: str) -> None:
        self._connection = connection
        self._place = place

    def rows(self, question: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of an answer."""
        try:
            with self._connection.cursor() as cursor:
                # With no values PyMySQL leaves per cent signs as they are.
                cursor.execute(question, tuple(values) or None)
                return [tuple(row) for row in cursor.fetchall()]
        except (pymysql.MySQLError, OSError) as fault:
            number = number_of(fault)
            if isinstance(fault, OSError) or number in (0, 2006, 2013):
                raise SourceUnavailable(f"server {self._place} went away: {words_of(fault)}") from fault
            raise ServerRefused(words_of(fault), number) from fault

    def run(self, statement: str) -> None:
        """Carry a statement out."""
        self.rows(statement)

    def texts(self, question: str, values: Sequence[object] = ()) -> list[str]:
        """The first column of an answer, as text."""
        return [text_of(row[0]) for row in self.rows(question, values)]

    def text(self, question: str, values: Sequence[object] = ()) -> str:
        """The only value of an answer, "" where there is none."""
        return next(iter(self.texts(question, values)), "")

    def version(self) -> str:
        """As the server gives it: "10.11.19-MariaDB-..."."""
        return self.text("SELECT VERSION()")

    def databases(self) -> tuple[str, ...]:
        """All databases but the server's own, by name."""
        return tuple(sorted(name for name in self.texts("SHOW DATABASES") if name.lower() not in SYSTEM_DATABASES))

    def grants(self) -> tuple[str, ...]:
        """What the account may do, as GRANT statements."""
        return tuple(self.texts("SHOW GRANTS"))


def number_of(fault: Exception) -> int:
    """The server's number of an error, 0 where it has none."""
    number = fault.args[0] if fault.args else 0
    return number if isinstance(number, int) else 0


def words_of(fault: Exception) -> str:
    """What an error says, on one line, without secrets that drorch knows."""
    said = fault.args[-1] if fault.args else type(fault).__name__
    return " ".join(redacted(str(said)).split())[:_LONGEST_SAID]


def text_of(value: object) -> str:
    """A value as text; bytes that are none are shown as such, and NULL is the word."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="backslashreplace")
    return str(value)


def quoted(name: str) -> str:
    """A name as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version: (10, 11, 19)."""
    found = _VERSION.search(text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def privileges(grants: Sequence[str], database: str | None) -> frozenset[str]:
    """What GRANT statements allow everywhere, and in one database where it is named: {"SELECT", "SHOW VIEW"}.

    "ALL PRIVILEGES" stands for itself; "GRANT OPTION" for the right to hand on. Rights by roles are not looked into.
    """
    found: set[str] = set()
    for grant in grants:
        match = re.match(
            r"GRANT (?P<what>.+?) ON (?P<where>\*|`(?:[^`]|``)*`)\.(?P<table>\*|`(?:[^`]|``)*`) TO ", grant
        )
        if match is None or match["table"] != "*":
            continue
        if match["where"] != "*" and (database is None or not _covers(match["where"], database)):
            continue
        found.update(part.strip() for part in re.sub(r"\([^)]*\)", "", match["what"]).split(","))
        if grant.endswith(" WITH GRANT OPTION"):
            found.add("GRANT OPTION")
    return frozenset(found)


def _covers(pattern: str, database: str) -> bool:
    r"""Whether the name in a GRANT, which is a pattern (% and _, and \ before one that is none), means a database."""
    name = pattern[1:-1].replace("``", "`")
    pieces = re.findall(r"\\.|.", name, flags=re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(piece) or re.escape(piece[-1]) for piece in pieces)
    return re.fullmatch(expression, database, flags=re.DOTALL) is not None
