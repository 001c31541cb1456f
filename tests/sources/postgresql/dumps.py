"""Dumps as tests hold them: read whole into memory, given back as a snapshot would."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from drorch.clock import SystemClock
from drorch.sources.databases.contract import DumpStream, StoredParts
from drorch.sources.databases.facts import Facts, from_json, to_json
from drorch.sources.postgresql.kind import Postgresql as Kind
from drorch.sources.postgresql.settings import PostgresqlSettings
from tests.servers.postgresql import BACKUP_USER, Postgresql

_BUFFER = 1 << 18


@dataclass(frozen=True, slots=True)
class Dump:
    """Parts by name, and the facts as they come back from JSON."""

    parts: Mapping[str, bytes]
    facts: Facts

    @property
    def stored(self) -> StoredParts:
        """As a snapshot gives them."""
        return Stored(self.parts)


@dataclass(frozen=True, slots=True)
class Stored:
    """Parts in memory. Fits `StoredParts`."""

    parts: Mapping[str, bytes]

    def names(self) -> list[str]:
        """Ascending."""
        return sorted(self.parts)

    def size(self, name: str) -> int:
        """In bytes."""
        return len(self.parts[name])

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """In pieces that meet no boundary of anything."""
        content = self.parts[name]
        return nullcontext(content[at : at + 100_003] for at in range(0, len(content), 100_003))


def settings_for(server: Postgresql, *databases: str, user: str = BACKUP_USER, **changes: object) -> PostgresqlSettings:
    """How a role reaches databases of a server."""
    settings = PostgresqlSettings(
        host=server.host,
        port=server.port,
        user=user,
        password=lambda: server.passwords[user],
        databases=databases,
        quiet_seconds=60.0,
    )
    return replace(settings, **changes)  # type: ignore[arg-type]


def kind_of(settings: PostgresqlSettings) -> Kind:
    """The kind under test."""
    return Kind(settings, SystemClock())


def read_whole(stream: DumpStream) -> bytes:
    """All of a stream, which is closed."""
    content, buffer = bytearray(), memoryview(bytearray(_BUFFER))
    try:
        while count := stream.readinto(buffer):
            content += buffer[:count]
    finally:
        stream.close()
    return bytes(content)


def dumped(settings: PostgresqlSettings) -> Dump:
    """A whole dump."""
    with kind_of(settings).dump() as session:
        parts = {part.name: read_whole(part.open()) for part in session.parts()}
        return Dump(parts, from_json(to_json(session.facts())))
