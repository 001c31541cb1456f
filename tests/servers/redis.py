"""Redis, or Valkey where that is installed instead: a real server with a password, alone on the loopback.

    with RedisServer(place) as server:
        server.cli("set", "key", "value")            # server.port, server.password, server.socket, server.pid

It asks for a password, and keeps nothing on a disk unless it is told to. It answers by a socket, too. Its user
`backup`, with `backup_password`, may do no more than a backup needs.
"""

import contextlib
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.children import ServerNotReady, running, wait_until
from tests.servers.ports import free_ports
from tests.storage.privileges import need

_ATTEMPTS = 3
_TIMEOUT_SECONDS = 60.0
BACKUP_USER = "backup"


def program(*names: str) -> str:
    """Path of the first of these programs that is installed; the test is skipped where there is none."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    need(f"{names[0]}: apt-get install redis-server", present=found is not None)
    assert found is not None
    return found


class RedisServer:
    """A server that keeps its files in `place`. `options` are further words of its command line."""

    def __init__(self, place: Path, *options: str) -> None:
        self.password = f"secret {secrets.token_hex(8)}"
        self.backup_password = secrets.token_hex(16)
        self.port = 0
        self.socket = ""
        self.pid = 0
        self._place = place
        self._options = options
        self._stack = contextlib.ExitStack()

    def cli(self, *words: str, given: bytes = b"") -> str:
        """What the server answers to a command, asked with all rights."""
        done = subprocess.run(
            [program("redis-cli", "valkey-cli"), "-p", str(self.port), *words],
            input=given,
            capture_output=True,
            env={"REDISCLI_AUTH": self.password, "PATH": "/usr/bin:/bin"},
            timeout=_TIMEOUT_SECONDS,
            check=True,
        )
        return done.stdout.decode("utf-8", errors="replace").strip()

    def fill(self, keys: int, value_bytes: int = 100) -> None:
        """So many keys with values that cannot be compressed, one of ten in database 3, one of four with an end."""
        lines = []
        for number in range(keys):
            database = 3 if number % 10 == 0 else 0
            ends = " EX 100000" if number % 4 == 0 else ""
            value = secrets.token_hex(value_bytes // 2)
            lines.append(f"SELECT {database}\nSET key:{number} {value}{ends}\n")
        self.cli(given="".join(lines).encode())

    def __enter__(self) -> Self:
        binary = program("redis-server", "valkey-server")
        self._place.mkdir(parents=True, exist_ok=True)
        for attempt in range(_ATTEMPTS):
            try:
                self._start(binary)
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

    def _start(self, binary: str) -> None:
        [self.port] = free_ports(1)
        # A socket's path is at most 107 bytes (unix(7)), and the place may be deep.
        sockets = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="redis-", dir="/tmp"))
        self.socket = f"{sockets}/s"
        log = self._place / "log"
        words = [
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--unixsocket",
            self.socket,
            "--dir",
            str(self._place),
        ]
        words += ["--requirepass", self.password, "--save", "", "--appendonly", "no", *self._options]
        child = self._stack.enter_context(running([binary, *words, "--repl-diskless-sync-delay", "0"], log))
        wait_until(self._answers, child, log)
        self.pid = child.pid
        rights = ["+ping", "+sync", "+psync", "+replconf", "+info"]
        self.cli("acl", "setuser", BACKUP_USER, "on", f">{self.backup_password}", *rights)

    def _answers(self) -> bool:
        try:
            return self.cli("ping") == "PONG"
        except subprocess.CalledProcessError:
            return False
