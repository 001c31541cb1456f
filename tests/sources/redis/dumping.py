"""A server as it is configured, tools of its that fail as they are told, and a dump read as the engine reads it."""

from pathlib import Path

from drorch.sources.databases.facts import Facts
from drorch.sources.redis import Redis, RedisSettings
from tests.servers.redis import RedisServer, program

KEYS = 2000
_QUIET_SECONDS = 60.0


def settings(server: RedisServer) -> RedisSettings:
    """The server, with its password."""
    return RedisSettings(
        host="127.0.0.1", port=server.port, password=lambda: server.password, quiet_seconds=_QUIET_SECONDS
    )


def tools(folder: Path, *, client: str = "", checker: str | None = "") -> Path:
    """A folder of tools that do what these shell scripts say; the real ones where they are empty, none for None."""
    bin_dir = folder / "bin"
    bin_dir.mkdir()
    for name, body in (("redis-cli", client), ("redis-check-rdb", checker)):
        if body is not None:
            script = bin_dir / name
            said = body or f'exec {program(name)} "$@"'
            script.write_text(f"#!/bin/sh\n{said}\n")
            script.chmod(0o755)
    return bin_dir


def dumped(database: Redis) -> tuple[bytes, Facts]:
    """Its dump, read as the engine does."""
    with database.dump() as session:
        [part] = session.parts()
        assert part.name == "redis/dump.rdb"
        stream = part.open()
        pieces = []
        try:
            buffer = bytearray(100_000)
            while count := stream.readinto(memoryview(buffer)):
                pieces.append(bytes(buffer[:count]))
        finally:
            stream.close()
        return b"".join(pieces), session.facts()
