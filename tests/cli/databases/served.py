"""Servers with something in them, as sources of jobs: what to write into the configuration, and where the tool is."""

import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tests.servers.mariadb import MariaDB, program
from tests.servers.postgresql import BACKUP_USER, Postgresql, newest_bin_dir
from tests.servers.redis import BACKUP_USER as REDIS_USER
from tests.servers.redis import RedisServer
from tests.servers.redis import program as redis_program

ROWS = 3000
_RIGHTS = "SELECT, SHOW VIEW, TRIGGER, LOCK TABLES, EVENT, RELOAD, PROCESS, BINLOG MONITOR ON *.*"


@dataclass(frozen=True, slots=True)
class Served:
    """A database called orders on a server: `keys` of the source in TOML, but for `bin_dir`, `port` and the password.

    `tool` is the program that dumps it; its calls with an argument that holds `marks` are dumps. `pid` is the server's,
    which ends all connections when it is sent `ending`.
    """

    kind: str
    tool: Path
    keys: str
    port: int
    password: str
    pid: int
    ending: signal.Signals = signal.SIGTERM
    marks: str = ""

    def source(self, folder: Path, *, bin_dir: Path | None = None, port: int | None = None, more: str = "") -> str:
        """The source as a table in TOML; its password is put into a file in the folder."""
        secret = folder / "database-password"
        secret.write_text(self.password)
        secret.chmod(0o600)
        keys = [f'type = "{self.kind}"', f"port = {port or self.port}", 'host = "127.0.0.1"', self.keys]
        keys += [f'password = {{ file = "{secret}" }}', f'bin_dir = "{bin_dir or self.tool.parent}"', more]
        return f"{{ {', '.join(key for key in keys if key)} }}"


@contextlib.contextmanager
def postgresql() -> Iterator[Served]:
    """PostgreSQL."""
    with Postgresql() as server:
        server.create("orders")
        server.sql(
            "orders",
            "create table orders (id int primary key, item text not null)",
            "insert into orders select n, repeat(md5(n::text), 3) from generate_series(1, 3000) n",
            "create table empty (id int)",
        )
        keys = f'databases = ["orders"], user = "{BACKUP_USER}", globals = false'
        tool = newest_bin_dir() / "pg_dump"
        yield Served("postgresql", tool, keys, server.port, server.passwords[BACKUP_USER], server.pid, signal.SIGINT)


@contextlib.contextmanager
def mariadb() -> Iterator[Served]:
    """MariaDB."""
    tool = Path(program("mariadb-dump"))
    with MariaDB.new() as server:
        password = server.create_user("backup", _RIGHTS)
        with server.connected() as cursor:
            cursor.execute("create database orders")
            cursor.execute("create table orders.orders (id int primary key, item text not null)")
            cursor.execute("create table orders.empty (id int)")
            cursor.execute("use orders")
            cursor.execute("insert into orders select seq, repeat(md5(seq), 3) from seq_1_to_3000")
        keys = 'databases = ["orders"], user = "backup", users = false'
        yield Served("mariadb", tool, keys, server.port, password, server.pid)


@contextlib.contextmanager
def redis() -> Iterator[Served]:
    """Redis."""
    tool = Path(redis_program("redis-cli"))
    with tempfile.TemporaryDirectory(prefix="drorch-redis-") as folder, RedisServer(Path(folder)) as server:
        server.fill(3000)
        yield Served(
            "redis", tool, f'user = "{REDIS_USER}"', server.port, server.backup_password, server.pid, marks="--rdb"
        )


SERVERS: dict[str, Callable[[], AbstractContextManager[Served]]] = {
    "postgresql": postgresql,
    "mariadb": mariadb,
    "redis": redis,
}
