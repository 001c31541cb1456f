"""How a server is reached, and where its tools are."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

KIND = "redis"
FOLDER = "redis"
PART = f"{FOLDER}/dump.rdb"
"""The only part of a snapshot, called as servers call the file by default."""

_CLIENTS = ("redis-cli", "valkey-cli")
_CHECKERS = ("redis-check-rdb", "valkey-check-rdb")


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """A server. `socket` is the path of one, in place of host and port; what is None is as redis-cli takes it.

    `bin_dir` is where the tools are; None: where they are found. A tool that is silent for `quiet_seconds` hangs.
    """

    host: str | None = None
    port: int | None = None
    socket: str | None = None
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    bin_dir: Path | None = None
    quiet_seconds: float = 300.0

    @property
    def place(self) -> str:
        """The server as it is called in messages."""
        return self.socket or f"{self.host or '127.0.0.1'}:{self.port or 6379}"

    @property
    def client(self) -> str | None:
        """Path of redis-cli or valkey-cli; None where there is none."""
        return self._found(_CLIENTS)

    @property
    def checker(self) -> str | None:
        """Path of redis-check-rdb or valkey-check-rdb, which come with the server; None where there is none."""
        return self._found(_CHECKERS)

    def _found(self, names: tuple[str, ...]) -> str | None:
        path = os.fspath(self.bin_dir) if self.bin_dir is not None else None
        return next((found for name in names if (found := shutil.which(name, path=path))), None)
