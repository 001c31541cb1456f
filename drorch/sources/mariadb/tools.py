"""The server's own programs: where they are, how they are told whom to ask, and what became of them.

Promise: a password stands in a file of mode 0600 in a private folder, which is gone when the program is; never in
arguments or in the environment. No program reads settings of whoever runs it.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import DumpFailed
from drorch.process.commands import HARMLESS_VARIABLES, ChildFailed, run_whole
from drorch.sources.databases.passfile import passfile
from drorch.sources.mariadb.server import version_of
from drorch.sources.mariadb.settings import MariadbSettings

DUMP = ("mariadb-dump", "mysqldump")
CLIENT = ("mariadb", "mysql")
COPY = ("mariabackup", "mariadb-backup")
UNPACK = ("mbstream",)

_VERSION_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program: its path, and what it says of its version."""

    path: str
    said: str

    @property
    def version(self) -> tuple[int, ...]:
        """Its numbers. MariaDB's tools have one of their own first, which tells nothing."""
        for word in ("Distrib ", "server ", "from ", "Ver "):
            _, found, rest = self.said.partition(word)
            if found and (numbers := version_of(rest)):
                return numbers
        return ()

    @property
    def is_mariadb(self) -> bool:
        """Whether it is MariaDB's."""
        return "mariadb" in self.said.lower()


def find(names: Sequence[str], bin_dir: Path | None) -> Tool:
    """The first of the programs that is there. Raises `DumpFailed`."""
    for name in names:
        path = shutil.which(name, path=None if bin_dir is None else str(bin_dir))
        if path is not None:
            try:
                ended = run_whole([path, "--version"], timeout=_VERSION_SECONDS, environment=harmless())
            except ChildFailed as fault:
                raise DumpFailed(fault.message, hint=f"Type: {path} --version") from fault
            return Tool(path, " ".join(ended.said.split()))
    where = "on PATH" if bin_dir is None else f"in {bin_dir}"
    raise DumpFailed(f"there is no {' and no '.join(names)} {where}", hint=f"Install the package that has {names[0]}.")


def harmless() -> dict[str, str]:
    """The environment of a program that is told all it needs otherwise."""
    return {name: os.environ[name] for name in HARMLESS_VARIABLES if name in os.environ}


@contextlib.contextmanager
def option_file(settings: MariadbSettings) -> Iterator[Path]:
    """A file for --defaults-file that says where the server is and who asks; removed with its folder."""
    lines = ["[client]", "default-character-set=utf8mb4"]
    given = (("host", settings.host), ("port", settings.port), ("socket", settings.socket), ("user", settings.user))
    lines += [f"{name}={_escaped(str(value))}" for name, value in given if value is not None]
    if settings.socket is None and settings.port is not None:
        # "localhost" means the socket to these programs, whatever port is given.
        lines.append("protocol=tcp")
    if settings.password is not None:
        lines.append(f"password={_escaped(settings.password())}")
    with passfile("\n".join(lines) + "\n", "client.cnf") as path:
        yield path


def _escaped(value: str) -> str:
    """A value as an option file has it: in quotes, so that # is no comment, and escaped."""
    meanings = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(meanings.get(character, character) for character in value) + '"'
