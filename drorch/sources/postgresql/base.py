"""The files of a whole server, as pg_basebackup copies them while it runs.

They cannot be started without the write-ahead log of the time that the copy took, which is not in them.
"""

from collections.abc import Sequence

from drorch.clock import Clock
from drorch.sources.databases.contract import Part
from drorch.sources.databases.facts import Facts
from drorch.sources.postgresql.dumping import Told, ToolStream
from drorch.sources.postgresql.server import Access
from drorch.sources.postgresql.settings import BASE_NAME

_NOTE = "these are the files of a server: they do not stand alone, but need its write-ahead log of that time"
_MARK_BYTES = 1024
_MANIFEST = b"backup_manifest\0"
_TAIL_BYTES = 1 << 16


class BaseDump:
    """One tar with all files and their manifest."""

    def __init__(self, access: Access, told: Told, clock: Clock) -> None:
        self._access = access
        self._told = told
        self._taken = clock.now().isoformat(timespec="milliseconds")

    def parts(self) -> Sequence[Part]:
        """The tar."""
        return [Part(BASE_NAME, lambda: BaseStream(self._access))]

    def facts(self) -> Facts:
        """Of the server; nothing is known of what is in its databases."""
        return Facts(
            kind="postgresql",
            server=self._told.server.version,
            tool=f"pg_basebackup {self._access.tools.version}",
            taken=self._taken,
            roles=self._told.roles,
            notes=(_NOTE,),
        )


class BaseStream(ToolStream):
    """The tar, whole where its manifest and the mark at its end were seen."""

    def __init__(self, access: Access) -> None:
        arguments = ["--pgdata=-", "--format=tar", "--wal-method=none", "--checkpoint=fast", "--no-password"]
        arguments += ["--manifest-checksums=SHA256", access.address("postgres")]
        super().__init__(access.tools.command("pg_basebackup", *arguments), access, "the server's files")
        self._tail = b""
        self._has_manifest = False

    def look(self, piece: memoryview) -> None:
        """Keep the end, and notice the manifest: it is the last file."""
        around = self._tail[-len(_MANIFEST) :] + bytes(piece)
        self._has_manifest = self._has_manifest or _MANIFEST in around
        self._tail = around[-_TAIL_BYTES:]

    def require_whole(self) -> None:
        """A tar ends in two empty blocks. Raises `DumpFailed`."""
        if not self._has_manifest or self._tail[-_MARK_BYTES:].strip(b"\0") or len(self._tail) < _MARK_BYTES:
            raise self.failed("pg_basebackup ended before its copy was complete")
