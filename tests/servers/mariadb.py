"""MariaDB, a real server of the tests: alone on the loopback and a socket, its root account with a password.

    with MariaDB.new() as server:
        with server.connected() as connection: ...      # root; server.port, server.socket, server.password
        server.create_user("backup", "SELECT ON *.*")

It writes a binary log. Its data lie in a private folder right below the system's temporary one: pytest's own folders
cannot be entered by the user mysql, and a socket's path is at most 107 bytes.
"""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import Cursor

from tests.servers.children import ServerNotReady, running, stop, wait_until
from tests.servers.ports import free_ports
from tests.storage.privileges import need

_ATTEMPTS = 3
_INSTALL_SECONDS = 120
_SETTINGS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-flush-method=nosync",
    "--sync-binlog=0",
    "--performance-schema=OFF",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=8M",
    "--max-connections=30",
    "--max-allowed-packet=64M",
    "--event-scheduler=OFF",
)


def program(name: str) -> str:
    """Path of one of the server's programs; without it the test is skipped, or fails where everything is required."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    need(f"{name}: apt-get install mariadb-server mariadb-backup", present=found is not None)
    assert found is not None
    return found


def _as_mysql() -> list[str]:
    """The server refuses to be root."""
    return ["--user=mysql"] if os.geteuid() == 0 else []


def own(folder: Path) -> None:
    """Give a folder to the user that the server runs as."""
    if os.geteuid() != 0:
        return
    subprocess.run(["chown", "-R", "mysql:", str(folder)], check=True, timeout=60)


class MariaDB:
    """A server on the data in `place`/data, which it leaves there when it ends."""

    def __init__(self, place: Path, password: str) -> None:
        self.place = place
        self.password = password
        self.port = 0
        self.socket = place / "s.sock"
        self._stack = contextlib.ExitStack()
        self._settings: tuple[str, ...] = ()
        self._child: subprocess.Popen[bytes] | None = None

    @staticmethod
    @contextlib.contextmanager
    def new(*settings: str) -> Iterator["MariaDB"]:
        """A running server with nothing in it, removed with all its data when the block is left."""
        with private_place() as place:
            server = MariaDB(place, secrets.token_hex(12))
            _install(place / "data")
            script = place / "init.sql"
            script.write_text(f"ALTER USER root@localhost IDENTIFIED BY '{server.password}';")
            own(place)
            with server.started(f"--init-file={script}", *settings):
                yield server

    @contextlib.contextmanager
    def started(self, *settings: str) -> Iterator[Self]:
        """The server on the data that are there already, with further settings."""
        self._settings = settings
        with self:
            yield self

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.place / "data"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._child is not None
        return self._child.pid

    @contextlib.contextmanager
    def connected(self, user: str = "root", password: str | None = None, database: str = "") -> "Iterator[Cursor]":
        """A cursor of a connection of its own that commits by itself; over the socket."""
        with self.connection(user, password, database) as connection, connection.cursor() as cursor:
            yield cursor

    @contextlib.contextmanager
    def connection(
        self, user: str = "root", password: str | None = None, database: str = ""
    ) -> "Iterator[Connection[Cursor]]":
        """A connection that commits by itself."""
        with pymysql.connect(
            unix_socket=str(self.socket),
            user=user,
            password=self.password if password is None else password,
            database=database or None,
            charset="utf8mb4",
            autocommit=True,
            connect_timeout=30,
        ) as connection:
            yield connection

    def create_user(self, name: str, *grants: str) -> str:
        """An account with these rights ("SELECT ON *.*") that may come from anywhere; its password."""
        password = secrets.token_hex(12)
        with self.connected() as cursor:
            cursor.execute(f"CREATE OR REPLACE USER `{name}`@`%` IDENTIFIED BY '{password}'")
            for grant in grants:
                cursor.execute(f"GRANT {grant} TO `{name}`@`%`")
        return password

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._child is not None
        stop(self._child, signal.SIGKILL)

    def __enter__(self) -> Self:
        server = program("mariadbd")
        for attempt in range(_ATTEMPTS):
            try:
                self._start(server)
            except ServerNotReady:
                # A port may have been taken since it was looked at.
                self._stack.close()
                if attempt == _ATTEMPTS - 1:
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, server: str) -> None:
        [self.port] = free_ports(1)
        temporary = self.place / "tmp"
        temporary.mkdir(exist_ok=True)
        own(self.place)
        log = self.place / "log"
        argv = [server, "--no-defaults", *_as_mysql(), f"--datadir={self.data}", f"--socket={self.socket}"]
        argv += [f"--port={self.port}", f"--pid-file={self.place / 'pid'}", f"--tmpdir={temporary}", *_SETTINGS]
        argv += [f"--log-bin={self.data / 'bin'}", "--binlog-format=ROW", "--server-id=1", *self._settings]
        self._child = self._stack.enter_context(running(argv, log))
        wait_until(self._answers(), self._child, log)

    def _answers(self) -> Callable[[], bool]:
        def ask() -> bool:
            # Greeted first: PyMySQL leaves its socket open where nobody listens yet.
            try:
                with socket.socket(socket.AF_UNIX) as caller:
                    caller.settimeout(5)
                    caller.connect(str(self.socket))
                    if not caller.recv(4):
                        return False
                with self.connected() as cursor:
                    return cursor.execute("SELECT 1") == 1
            except (pymysql.MySQLError, OSError):
                return False

        return ask


@contextlib.contextmanager
def private_place() -> Iterator[Path]:
    """A folder with a short path that the server's user can enter; removed afterwards."""
    place = Path(tempfile.mkdtemp(prefix="mdb-"))
    try:
        place.chmod(0o711)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _install(data: Path) -> None:
    installer = program("mariadb-install-db")
    argv = [installer, "--no-defaults", *_as_mysql(), f"--datadir={data}", "--skip-test-db"]
    argv += ["--auth-root-authentication-method=normal", "--innodb-log-file-size=32M", "--innodb-buffer-pool-size=64M"]
    own(data.parent)
    subprocess.run(argv, check=True, capture_output=True, timeout=_INSTALL_SECONDS)
