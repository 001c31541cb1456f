"""Dumps taken as a backup takes them, and given back as a snapshot gives them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drorch.clock import SystemClock
from drorch.sources.databases.contract import DumpStream, RestoreWish
from drorch.sources.databases.facts import Facts, from_json, to_json
from drorch.sources.mariadb.kind import Mariadb
from drorch.sources.mariadb.settings import MariadbSettings
from tests.servers.mariadb import MariaDB

PIECE_BYTES = 100_003


@dataclass(frozen=True, slots=True)
class Taken:
    """The parts of a dump, and its facts: what a snapshot would hold."""

    parts: Mapping[str, bytes]
    facts: Facts | None = None
    piece: int = PIECE_BYTES
    opened: list[str] = field(default_factory=list)

    def names(self) -> Sequence[str]:
        """Ascending."""
        return sorted(self.parts)

    def size(self, name: str) -> int:
        """In bytes."""
        return len(self.parts[name])

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        """In pieces that end anywhere."""
        self.opened.append(name)
        content = self.parts[name]
        yield (content[start : start + self.piece] for start in range(0, len(content), self.piece))


def settings_for(server: MariaDB, *databases: str, **given: Any) -> MariadbSettings:
    """Settings of root over the socket, without accounts unless asked."""
    kept: dict[str, Any] = {"socket": str(server.socket), "user": "root", "password": lambda: server.password}
    return MariadbSettings(**(kept | {"databases": databases, "users": False} | given))


def kind_for(server: MariaDB, *databases: str, **given: Any) -> Mariadb:
    """A configured source as of `settings_for`."""
    return Mariadb(settings_for(server, *databases, **given), SystemClock())


def read_whole(stream: DumpStream) -> bytes:
    """All of a part, read as the engine does."""
    buffer = memoryview(bytearray(1 << 18))
    content = bytearray()
    while count := stream.readinto(buffer):
        content += buffer[:count]
    return bytes(content)


def take(kind: Mariadb) -> Taken:
    """A whole dump."""
    parts: dict[str, bytes] = {}
    with kind.dump() as session:
        for part in session.parts():
            with contextlib.ExitStack() as opened:
                stream = part.open()
                opened.callback(stream.close)
                parts[part.name] = read_whole(stream)
        facts = session.facts()
    return Taken(parts, from_json(to_json(facts)))


def restorer(server: MariaDB, database: str, **given: Any) -> Mariadb:
    """A source whose account may do everything in one database, and nothing elsewhere."""
    pattern = database.replace("\\", "\\\\").replace("_", "\\_").replace("%", "\\%").replace("`", "``")
    password = server.create_user("restorer", f"ALL PRIVILEGES ON `{pattern}`.*")
    return kind_for(server, user="restorer", password=lambda: password, **given)


def wish(into: str, **given: Any) -> RestoreWish:
    """Into a database of this name."""
    return RestoreWish(into=into, **given)


def folder_of_tools(place: Path, **scripts: str) -> Path:
    """A folder with programs that are these shell scripts."""
    place.mkdir()
    for name, script in scripts.items():
        path = place / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    return place
