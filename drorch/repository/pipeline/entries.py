"""What the engine asks of a source: entries with metadata, and a way to read their bytes.

The engine owns these Protocols; a source fits them and imports nothing of the engine. `Stat` uses the names of
`os.stat_result`, so a source of files hands out just that; a database makes up its own.
An `OSError` raised by an entry or a stream is a fault of the source: it becomes a `Problem`, never a crash.
"""

from collections.abc import Iterable
from typing import Protocol


class Stat(Protocol):
    """The numbers of a file's inode, named as in `os.stat_result`; times in nanoseconds since 1970 UTC."""

    @property
    def st_mode(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_dev(self) -> int: ...
    @property
    def st_nlink(self) -> int: ...
    @property
    def st_uid(self) -> int: ...
    @property
    def st_gid(self) -> int: ...
    @property
    def st_size(self) -> int: ...
    @property
    def st_rdev(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...
    @property
    def st_atime_ns(self) -> int: ...
    @property
    def st_ctime_ns(self) -> int: ...


class Details(Protocol):
    """Metadata that costs more than a stat: read only for entries that are new or changed."""

    @property
    def user(self) -> str:
        """Name of the owner, "" where the id has none."""
        ...

    @property
    def group(self) -> str:
        """Name of the group, "" where the id has none."""
        ...

    @property
    def linktarget(self) -> bytes | None:
        """What a symlink points to; None for all else."""
        ...

    @property
    def xattrs(self) -> tuple[tuple[bytes, bytes], ...]:
        """Extended attributes as (name, value), in the order the system lists them."""
        ...

    @property
    def problems(self) -> tuple[str, ...]:
        """What of the metadata could not be read, in words."""
        ...


class OpenedFile(Protocol):
    """The content of one regular file (or one stream) being read, once, from its start."""

    @property
    def stat(self) -> Stat:
        """Status of what was really opened."""
        ...

    def details(self) -> Details: ...

    @property
    def blob_bytes(self) -> int | None:
        """The size of blobs it is cut into, at most `chunker.MAX_BYTES`; None: it is cut by its content.

        For what is changed in place and never shifted (pages of a database): then what did not change is found again,
        however small the blobs are.
        """
        ...

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer from where the last call stopped; 0 at the end.

        Raises `OSError`, which is a fault of this file alone, or a `SourceError`, which ends the backup.
        """
        ...

    def changed(self) -> str | None:
        """How the file changed while it was read, in words; None where it did not."""
        ...

    def close(self) -> None:
        """Raises `OSError` or a `SourceError` where the content proves unfit (a dump command that failed)."""
        ...


class Reader(Protocol):
    """Opens content by locator. It is pickled once and sent to worker processes: small, without open handles."""

    def open(self, locator: object) -> OpenedFile:
        """Open the content of the entry with this locator. Raises as `OpenedFile.readinto` does."""
        ...


class Entry(Protocol):
    """One node of the source: a file, a folder, a link, a device.

    Its kind is the file type in `stat.st_mode` (regular, folder, symlink, fifo, block or character device).
    """

    @property
    def name(self) -> bytes:
        """Last part of the path, as it is named in the snapshot."""
        ...

    @property
    def path(self) -> bytes:
        """Where it is in the snapshot, absolute, for messages."""
        ...

    @property
    def stat(self) -> Stat: ...

    @property
    def locator(self) -> object:
        """What `Reader.open` takes; picklable."""
        ...

    @property
    def streamed(self) -> bool:
        """True where the content can be read only once and only in this process (a pipe): no worker gets it."""
        ...

    @property
    def rank(self) -> int | None:
        """Its place among its siblings by name, counted from 0; None: it comes in its place.

        For what must be read in another order than it is stored in. Either all of a folder's children have a rank or
        none has.
        """
        ...

    def details(self) -> Details:
        """Owner, link target, xattrs of anything but a regular file. Raises `OSError`."""
        ...

    def children(self) -> Iterable["Entry"]:
        """What a folder holds, excluded entries left out, strictly ascending by name bytes where they have no rank.

        Raises `OSError`.
        """
        ...


class Source(Protocol):
    """Something that can be read out as a tree of entries."""

    @property
    def reader(self) -> Reader: ...

    def roots(self) -> Iterable[Entry]:
        """The entries at the root of the snapshot, in the order of `Entry.children`."""
        ...
