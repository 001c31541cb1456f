"""Databases to be dumped in a benchmark: real servers with one table of so many MB, half of it hard to compress.

`change_contiguous` changes 1 % of the rows, one after the other; `change_scattered` 1 % of them, anywhere.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Protocol

from drorch.model.job import DatabaseSpec, MariadbSpec, PostgresqlSpec, SqliteSpec
from drorch.secrets import FileSecret
from tests.servers.mariadb import MariaDB, program
from tests.servers.postgresql import SUPERUSER, Postgresql, newest_bin_dir

_ROW_BYTES = 210
_RIGHTS = "SELECT, SHOW VIEW, TRIGGER, LOCK TABLES, EVENT, RELOAD, PROCESS, BINLOG MONITOR ON *.*"


class Dumped(Protocol):
    """A database called orders, with what dumps it."""

    @property
    def tool(self) -> str:
        """The command's name and what it is told."""
        ...

    @property
    def spec(self) -> DatabaseSpec:
        """It as the source of a job."""
        ...

    @property
    def toml(self) -> str:
        """The same in a configuration."""
        ...

    @property
    def bare(self) -> Sequence[str]:
        """The command that dumps it as drorch does, in the same format."""
        ...

    @property
    def variables(self) -> Mapping[str, str]:
        """What that command has in its environment."""
        ...

    def fill(self, folder: Path, megabytes: int) -> None:
        """Make the table; `folder` is for files of passwords."""
        ...

    def grow(self, megabytes: int) -> None:
        """Make it so large."""
        ...

    def change_contiguous(self) -> None:
        """Change 1 % of the rows, in the middle."""
        ...

    def change_scattered(self) -> None:
        """Change 1 % of the rows, anywhere."""
        ...


def _rows(megabytes: int) -> int:
    return megabytes * 1_000_000 // _ROW_BYTES


class PostgresqlDumped:
    """On PostgreSQL."""

    tool = "pg_dump --format=custom --compress=0"

    def __init__(self, server: Postgresql) -> None:
        self._server = server
        self._rows = 0
        self._secret = Path()

    @property
    def spec(self) -> PostgresqlSpec:
        """See `Dumped`."""
        server = self._server
        return PostgresqlSpec(
            databases=("orders",),
            host=server.host,
            port=server.port,
            user=SUPERUSER,
            password=FileSecret(self._secret),
            globals=False,
        )

    @property
    def toml(self) -> str:
        """See `Dumped`."""
        where = f'host = "{self._server.host}", port = {self._server.port}, user = "{SUPERUSER}"'
        secret = f'password = {{ file = "{self._secret}" }}'
        return f'{{ type = "postgresql", database = "orders", globals = false, {where}, {secret} }}'

    @property
    def bare(self) -> Sequence[str]:
        """See `Dumped`."""
        where = ["-h", self._server.host, "-p", str(self._server.port), "-U", SUPERUSER, "orders"]
        return [str(newest_bin_dir() / "pg_dump"), "--format=custom", "--compress=0", *where]

    @property
    def variables(self) -> Mapping[str, str]:
        """See `Dumped`."""
        return {"PGPASSWORD": self._server.passwords[SUPERUSER]}

    def fill(self, folder: Path, megabytes: int) -> None:
        """See `Dumped`."""
        self._secret = folder / "database-password"
        self._secret.write_text(self._server.passwords[SUPERUSER])
        self._secret.chmod(0o600)
        self._server.create("orders")
        self._sql("create table orders (id bigint primary key, customer int, made timestamptz, item text, note text)")
        self.grow(megabytes)

    def grow(self, megabytes: int) -> None:
        """See `Dumped`."""
        first, self._rows = self._rows + 1, _rows(megabytes)
        self._sql(
            "insert into orders select n, n % 1000, timestamptz '2026-01-01' + n * interval '1 second', "
            "md5(n::text) || md5((n + 7)::text), repeat('order of customer ' || n % 1000 || ' ', 4) "
            f"from generate_series({first}, {self._rows}) n",
            "vacuum analyze orders",
        )

    def change_contiguous(self) -> None:
        """See `Dumped`."""
        middle = self._rows // 2
        self._change(f"id between {middle} and {middle + self._rows // 100}")

    def change_scattered(self) -> None:
        """See `Dumped`."""
        self._change("id % 100 = 37")

    def _change(self, which: str) -> None:
        self._sql(f"update orders set item = md5(item) || md5(note) where {which}", "vacuum orders")

    def _sql(self, *statements: str) -> None:
        self._server.sql("orders", *statements)


class MariadbDumped:
    """On MariaDB."""

    tool = "mariadb-dump --single-transaction"

    def __init__(self, server: MariaDB) -> None:
        self._server = server
        self._rows = 0
        self._options = Path()
        self._secret = Path()

    @property
    def spec(self) -> MariadbSpec:
        """See `Dumped`."""
        socket, secret = str(self._server.socket), FileSecret(self._secret)
        return MariadbSpec(databases=("orders",), users=False, socket=socket, user="backup", password=secret)

    @property
    def toml(self) -> str:
        """See `Dumped`."""
        reached = f'socket = "{self._server.socket}", user = "backup", password = {{ file = "{self._secret}" }}'
        return f'{{ type = "mariadb", database = "orders", users = false, {reached} }}'

    @property
    def bare(self) -> Sequence[str]:
        """See `Dumped`."""
        how = ["--single-transaction", "--quick", "--routines", "--events", "--triggers", "--hex-blob"]
        how += ["--default-character-set=utf8mb4", "--net-buffer-length=16M", "--max-allowed-packet=1G"]
        return [program("mariadb-dump"), f"--defaults-file={self._options}", *how, "--master-data=2", "orders"]

    @property
    def variables(self) -> Mapping[str, str]:
        """See `Dumped`."""
        return {}

    def fill(self, folder: Path, megabytes: int) -> None:
        """See `Dumped`."""
        password = self._server.create_user("backup", _RIGHTS)
        self._secret, self._options = folder / "database-password", folder / "options"
        self._secret.write_text(password)
        self._options.write_text(f"[client]\nsocket={self._server.socket}\nuser=backup\npassword={password}\n")
        for file in (self._secret, self._options):
            file.chmod(0o600)
        self._sql("create database orders")
        self._sql(
            "create table orders.orders (id bigint primary key, customer int, made datetime, item text, note text)"
        )
        self.grow(megabytes)

    def grow(self, megabytes: int) -> None:
        """See `Dumped`."""
        first, self._rows = self._rows + 1, _rows(megabytes)
        self._sql(
            "insert into orders.orders select seq, seq % 1000, '2026-01-01' + interval seq second, "
            "concat(md5(seq), md5(seq + 7)), repeat(concat('order of customer ', seq % 1000, ' '), 4) "
            f"from seq_{first}_to_{self._rows}"
        )

    def change_contiguous(self) -> None:
        """See `Dumped`."""
        middle = self._rows // 2
        self._change(f"id between {middle} and {middle + self._rows // 100}")

    def change_scattered(self) -> None:
        """See `Dumped`."""
        self._change("id % 100 = 37")

    def _change(self, which: str) -> None:
        self._sql(f"update orders.orders set item = concat(md5(item), md5(note)) where {which}")

    def _sql(self, statement: str) -> None:
        with self._server.connected() as cursor:
            if "orders.orders" in statement:
                cursor.execute("use orders")
            cursor.execute(statement)


class SqliteDumped:
    """In a file of SQLite."""

    tool = "sqlite3 .backup"

    def __init__(self) -> None:
        self._rows = 0
        self._file = Path()

    @property
    def spec(self) -> SqliteSpec:
        """See `Dumped`."""
        return SqliteSpec(path=str(self._file))

    @property
    def toml(self) -> str:
        """See `Dumped`."""
        return f'{{ type = "sqlite", path = "{self._file}" }}'

    @property
    def bare(self) -> Sequence[str]:
        """It has no dump of this format that prints: a copy is made, and printed."""
        copy = self._file.with_suffix(".copy")
        return ["sh", "-c", f"sqlite3 '{self._file}' '.backup {copy}' && cat '{copy}' && rm '{copy}'"]

    @property
    def variables(self) -> Mapping[str, str]:
        """See `Dumped`."""
        return {}

    def fill(self, folder: Path, megabytes: int) -> None:
        """See `Dumped`."""
        self._file = folder / "orders.db"
        self._sql("pragma journal_mode = wal")
        self._sql("create table orders (id integer primary key, customer int, made text, item text, note text)")
        self.grow(megabytes)

    def grow(self, megabytes: int) -> None:
        """See `Dumped`."""
        first, self._rows = self._rows + 1, _rows(megabytes)
        self._sql(
            f"with recursive n(n) as (select {first} union all select n + 1 from n where n < {self._rows}) "
            "insert into orders select n, n % 1000, datetime('2026-01-01', n || ' seconds'), "
            "hex(randomblob(32)), printf('order of customer %d order of customer %d', n % 1000, n % 1000) from n"
        )

    def change_contiguous(self) -> None:
        """See `Dumped`."""
        middle = self._rows // 2
        self._change(f"id between {middle} and {middle + self._rows // 100}")

    def change_scattered(self) -> None:
        """See `Dumped`."""
        self._change("id % 100 = 37")

    def _change(self, which: str) -> None:
        self._sql(f"update orders set item = hex(randomblob(32)) where {which}")

    def _sql(self, statement: str) -> None:
        with closing(sqlite3.connect(self._file)) as database:
            database.execute(statement)
            database.commit()
            database.execute("pragma wal_checkpoint(truncate)")


@contextlib.contextmanager
def _postgresql() -> Iterator[Dumped]:
    with Postgresql({"max_wal_size": "4GB"}) as server:
        yield PostgresqlDumped(server)


@contextlib.contextmanager
def _mariadb() -> Iterator[Dumped]:
    with MariaDB.new() as server:
        yield MariadbDumped(server)


@contextlib.contextmanager
def _sqlite() -> Iterator[Dumped]:
    yield SqliteDumped()


KINDS: Mapping[str, Callable[[], AbstractContextManager[Dumped]]] = {
    "postgresql": _postgresql,
    "mariadb": _mariadb,
    "sqlite": _sqlite,
}
