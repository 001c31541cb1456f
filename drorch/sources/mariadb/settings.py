"""What is configured of a server: where it is, who asks, and what of it is saved. It holds no secret."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

FOLDER = "mariadb/"
USERS_NAME = FOLDER + "users.sql"
PHYSICAL_NAME = FOLDER + "physical.xbstream"
_DUMP = ".sql"


@dataclass(frozen=True, slots=True)
class MariadbSettings:
    """A MariaDB or MySQL server and what is wanted of it.

    `databases`: these; none named means all but the server's own. `socket` is taken in place of host and port.
    `password` is called when it is needed. `users`: accounts and their rights too. `facts`: questions in SQL, by name.
    `physical`: the files of the whole server instead of dumps. `bin_dir`: where the tools are, else those on PATH.
    """

    databases: tuple[str, ...] = ()
    host: str | None = None
    port: int | None = None
    socket: str | None = None
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    users: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)
    physical: bool = False
    bin_dir: Path | None = None
    quiet_seconds: float = 300.0

    @property
    def place(self) -> str:
        """The server as it is named in messages."""
        if self.socket is not None:
            return self.socket
        return f"{self.host or 'localhost'}:{self.port or 3306}"


def part_of(database: str) -> str:
    """The name of a database's dump in a snapshot: what is unusual in a file's name stands as %XX, as in URLs."""
    # A database called "users" must not be taken for the accounts.
    name = "%75sers" if database == "users" else quote(database, safe="")
    return f"{FOLDER}{name}{_DUMP}"


def database_of(part: str) -> str | None:
    """The database that `part_of` was given; None where a part is no dump of one."""
    if not (part.startswith(FOLDER) and part.endswith(_DUMP)) or part == USERS_NAME:
        return None
    return unquote(part[len(FOLDER) : -len(_DUMP)])
