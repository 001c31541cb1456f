"""How a server is reached and what of it is dumped, and how databases are named in a snapshot."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

FOLDER = "postgresql/"
GLOBALS_NAME = FOLDER + "globals.sql"
BASE_NAME = FOLDER + "base.tar"
_DUMP = ".dump"
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")


@dataclass(frozen=True, slots=True)
class PostgresqlSettings:
    """A server, and what of it is dumped.

    What of host, port, user and password is None is as libpq takes it; `host` may be the folder of a socket. No
    `databases`: all that take connections and are no templates. `globals`: roles and tablespaces, too. `base`: the
    files of the whole server in place of its databases. `facts` are queries by name. `bin_dir` is where the server's
    tools are; None: the newest. A tool that is silent for `quiet_seconds` hangs.
    """

    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: Callable[[], str] | None = field(default=None, repr=False)
    databases: tuple[str, ...] = ()
    globals: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)
    base: bool = False
    bin_dir: Path | None = None
    quiet_seconds: float = 300.0

    def place(self, database: str) -> dict[str, str | int]:
        """libpq's parameters for a connection to a database, but for the password."""
        given = {"dbname": database, "host": self.host, "port": self.port, "user": self.user}
        return {name: value for name, value in given.items() if value is not None}


def part_of(database: str) -> str:
    """The name of a database's dump in a snapshot: what is unusual in a file's name stands as %XX, as in URLs."""
    return f"{FOLDER}{quote(database, safe='')}{_DUMP}"


def database_of(part: str) -> str | None:
    """The database that `part_of` was given; None where a part is no dump of one."""
    if not (part.startswith(FOLDER) and part.endswith(_DUMP)):
        return None
    return unquote(part[len(FOLDER) : -len(_DUMP)])


def shown_name(*parts: str) -> str:
    """A name of parts ("public.orders") as it stands in SQL: quoted where it is unusual, so that it is unambiguous."""
    return ".".join(part if _PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts)
