"""PostgreSQL for tests: a cluster of its own with passwords (SCRAM), alone on the loopback.

    with Postgresql() as server:
        server.create("orders")                                  # a database, encoding and locale as asked
        server.sql("orders", "create table t (a int)")           # as the superuser

It runs as the user `postgres` where root starts it: it refuses to run as root.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.servers.children import ServerNotReady, running, stop, wait_until
from tests.servers.ports import free_ports
from tests.storage.privileges import need

SUPERUSER = "drorch_super"
BACKUP_USER = "backup"
_ATTEMPTS = 3
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "40",
    "max_wal_senders": "4",
    "max_locks_per_transaction": "256",
    "dynamic_shared_memory_type": "mmap",
    "autovacuum": "off",
}


def newest_bin_dir() -> Path:
    """Where the programs of the newest PostgreSQL are; without one the test is skipped."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    need("PostgreSQL's server: apt-get install postgresql", present=bool(found))
    return found[-1].parent


class Postgresql:
    """A cluster in a new folder of the system's temporary directory. Two roles: the superuser and `backup`.

    `backup` may read all data (pg_read_all_data) and create databases; it is no superuser.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.passwords = {SUPERUSER: secrets.token_hex(12), BACKUP_USER: secrets.token_hex(12)}
        self._settings = _SETTINGS | dict(settings or {})
        self._stack = contextlib.ExitStack()
        self._run = contextlib.ExitStack()
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._child is not None
        return self._child.pid

    def connect(self, database: str = "postgres", user: str = SUPERUSER) -> psycopg.Connection:
        """A connection in autocommit; to be closed by its user."""
        address: dict[str, str | int] = {"host": self.host, "port": self.port, "dbname": database, "user": user}
        password = self.passwords[user]
        return psycopg.connect(make_conninfo("", **address), password=password, autocommit=True, client_encoding="UTF8")

    def sql(self, database: str, *statements: str) -> list[tuple[object, ...]]:
        """Run statements as the superuser; the rows of the last one, if it gives any."""
        with self.connect(database) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def create(self, name: str, options: LiteralString = "") -> str:
        """A new database that belongs to `backup`, from template0; its name."""
        with self.connect() as connection:
            command = sql.SQL(f"create database {{}} owner {{}} template template0 {options}")
            connection.execute(command.format(sql.Identifier(name), sql.Identifier(BACKUP_USER)))
        return name

    def drop(self, *names: str) -> None:
        """Remove databases, whoever is connected to them."""
        with self.connect() as connection:
            for name in names:
                connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def role(self, name: str, options: LiteralString = "login") -> str:
        """A new role, with a password if it may log in; its name."""
        self.passwords[name] = secrets.token_hex(12)
        with self.connect() as connection:
            command = sql.SQL(f"create role {{}} password {{}} {options}")
            connection.execute(command.format(sql.Identifier(name), sql.Literal(self.passwords[name])))
        return name

    def start(self) -> None:
        """Start it, on the port it had before."""
        for attempt in range(_ATTEMPTS):
            if not self.port or attempt:
                (self.port,) = free_ports(1)
            try:
                self._start()
                return
            except ServerNotReady:
                self.stop()
                if attempt == _ATTEMPTS - 1:
                    raise

    def stop(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: nobody's connection is waited for."""
        if self._child is not None:
            stop(self._child, signal.SIGQUIT)
            self._child = None
        self._run.close()

    def __enter__(self) -> Self:
        self._bin = newest_bin_dir()
        with contextlib.ExitStack() as exits:
            self._place = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="pg-", dir="/tmp")))
            self._place.chmod(0o711)
            if os.geteuid() == 0:
                shutil.chown(self._place, "postgres", "postgres")
            self._initialise()
            exits.callback(self.stop)
            self.start()
            with self.connect() as connection:
                options = sql.Literal(self.passwords[BACKUP_USER])
                connection.execute(sql.SQL("create role backup login createdb password {}").format(options))
                connection.execute("grant pg_read_all_data to backup")
            self._stack = exits.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _as_owner(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]

    def _initialise(self) -> None:
        password = self._place / "password"
        password.write_text(self.passwords[SUPERUSER])
        password.chmod(0o644)
        command = [*self._as_owner(), str(self._bin / "initdb"), "-D", str(self._place / "data"), "-U", SUPERUSER]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(command, check=True, capture_output=True, timeout=120, cwd="/")
        password.unlink()

    def _start(self) -> None:
        log = self._place / "log"
        settings = self._settings | {"unix_socket_directories": str(self._place), "port": str(self.port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        # The death signal is lost when the user changes, so it is set anew behind that.
        owner = [*self._as_owner(), "--pdeathsig", "QUIT"] if self._as_owner() else []
        argv = [*owner, str(self._bin / "postgres"), "-D", str(self._place / "data"), *options]
        self._child = self._run.enter_context(running(argv, log))
        wait_until(self._answers, self._child, log)

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True
