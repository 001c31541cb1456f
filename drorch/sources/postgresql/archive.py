"""pg_dump's custom format, read as it passes: what an archive holds, how many rows, and whether it is whole.

The format is that of src/bin/pg_dump/pg_backup_archiver.c and pg_backup_custom.c of PostgreSQL (versions 1.14 to 1.16,
pg_dump 12 to 18, without compression). A header and a table of contents are followed by a group of blocks for each
entry that has data. There is no closing mark: an archive is whole when every entry's data has come to its end.
"""

import re
import struct
from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

_MAGIC = b"PGDMP"
_CUSTOM = 1
_KNOWN_MINORS = range(14, 17)
_NAMED_COMPRESSION, _WITH_RELKIND = 15, 16
_TABLE_BLOCKS, _LARGE_OBJECT_BLOCKS = 1, 3
_END_OF_COPY = b"\\.\n\n\n"
_LAST_ROW_BLOCKS = 18
"""The newest pg_dump known to write uncompressed rows one to a block."""
_SAMPLED = 16
_MOST_TEXT = 256 << 20
_MOST_DIGITS = 10
_BLOCK_HEADER = 5
_NUMBERS_OF_A_TIME = 7
_block_size = struct.Struct("<xI").unpack_from

_T = TypeVar("_T")
_Steps: TypeAlias = Generator[None, None, _T]
"""Goes on when the next piece has come."""


class ArchiveUnknown(ValueError):
    """An archive of a form that is not known here; nothing is wrong with it for that."""


class ArchiveBroken(ValueError):
    """An archive that cannot be what pg_dump wrote."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the table of contents. Texts are in the archive's own encoding."""

    dump_id: int
    has_data: bool
    oid: int
    tag: bytes
    kind: str
    definition: bytes
    namespace: bytes
    tablespace: bytes
    owner: bytes
    needs: tuple[int, ...]


class ArchiveScan:
    """An archive that is fed piece by piece; memory is that of its table of contents, whatever its size.

    `rows` of each table by its oid are known once its data has passed. `unknown` says why the archive cannot be
    followed, if so; then nothing is known of its end, either.
    """

    def __init__(self) -> None:
        self.entries: tuple[Entry, ...] = ()
        self.has_contents = False
        self.rows: dict[int, int] = {}
        self.server = ""
        self.tool = ""
        self.unknown = ""
        self._source = _Pieces()
        self._waiting: set[int] = set()
        self._between = False
        self._row_is_block = False
        self._steps = self._whole()
        next(self._steps)

    def feed(self, piece: bytes | memoryview) -> None:
        """Take in the next piece. Raises `ArchiveBroken`."""
        if self.unknown:
            return
        self._source.give(piece)
        try:
            next(self._steps)
        except ArchiveUnknown as fault:
            self.unknown = str(fault)
        self._source.keep_rest()

    def finish(self) -> None:
        """There is no more. Raises `ArchiveBroken` where there should be."""
        if self.unknown or (self._between and self._source.is_used_up and not self._waiting):
            return
        missing = f"the data of {len(self._waiting)} of its tables" if self.has_contents else "most of it"
        raise ArchiveBroken(f"the archive is cut short: {missing} is missing")

    def _whole(self) -> _Steps[None]:
        yield
        minor, offset_bytes = yield from self._header()
        reader = _Contents(self._source, minor, offset_bytes)
        self.entries = yield from reader.entries()
        self.has_contents = True
        tables = {entry.dump_id: entry.oid for entry in self.entries if entry.has_data}
        self._waiting = set(tables)
        while True:
            self._between = True
            (kind,) = yield from self._source.take(1)
            self._between = False
            dump_id = yield from self._source.number()
            if dump_id not in self._waiting:
                raise ArchiveBroken("the archive holds data that its table of contents does not name")
            if kind == _TABLE_BLOCKS:
                self.rows[tables[dump_id]] = yield from self._table()
            elif kind == _LARGE_OBJECT_BLOCKS:
                while (yield from self._source.number()):
                    while size := (yield from self._source.number()):
                        self._source.pass_over(size)
            else:
                raise ArchiveBroken(f"the archive holds blocks of kind {kind}, which is none")
            self._waiting.discard(dump_id)

    def _header(self) -> _Steps[tuple[int, int]]:
        source = self._source
        head = yield from source.take(len(_MAGIC) + 6)
        if head[:5] != _MAGIC:
            raise ArchiveBroken("it is no archive of pg_dump")
        major, minor, _, integer_bytes, offset_bytes, form = head[5:]
        if (major, form, integer_bytes) != (1, _CUSTOM, 4) or minor not in _KNOWN_MINORS:
            raise ArchiveUnknown(f"archives of version {major}.{minor} are not known")
        named = minor >= _NAMED_COMPRESSION
        compressed = (yield from source.take(1))[0] if named else (yield from source.number())
        if compressed:
            raise ArchiveUnknown("the archive is compressed")
        for _ in range(_NUMBERS_OF_A_TIME):
            yield from source.number()
        yield from source.text()
        self.server = (yield from source.text()).decode("ascii", errors="replace")
        self.tool = (yield from source.text()).decode("ascii", errors="replace")
        version = re.match(r"\d+", self.tool)
        self._row_is_block = version is not None and int(version[0]) <= _LAST_ROW_BLOCKS
        return minor, offset_bytes

    def _table(self) -> _Steps[int]:
        """Count the rows of a table: lines, but for the mark at their end, which is a block of its own."""
        lines = _Lines()
        for _ in range(_SAMPLED):
            if not self._row_is_block:
                break
            size = yield from self._source.number()
            if not size:
                return lines.rows
            single = yield from lines.take(self._source, size)
            self._row_is_block = single or lines.ended
        if self._row_is_block:
            return lines.rows + (yield from self._blocks()) - 1
        while size := (yield from self._source.number()):
            yield from lines.take(self._source, size)
        return lines.rows

    def _blocks(self) -> _Steps[int]:
        """Count blocks without a look at what is in them: this is where the time goes."""
        source, count = self._source, 0
        while True:
            chunk, at = source.chunk, source.at
            last = len(chunk) - _BLOCK_HEADER
            while at <= last:
                (size,) = _block_size(chunk, at)
                at += size + _BLOCK_HEADER
                if not size:
                    source.at = at
                    return count
                count += 1
            source.at = at
            yield


class _Pieces:
    """The bytes at hand, and how far they have been read; `at` may lie beyond them: then so many are passed over."""

    def __init__(self) -> None:
        self.chunk: bytes | memoryview = b""
        self.at = 0

    @property
    def is_used_up(self) -> bool:
        """Whether all that came was read, and nothing more is to be passed over."""
        return self.at == len(self.chunk)

    def give(self, piece: bytes | memoryview) -> None:
        """There is more."""
        self.chunk = b"".join((self.chunk, piece)) if len(self.chunk) else piece

    def keep_rest(self) -> None:
        """Keep what was not read: the memory of a piece belongs to whoever gave it."""
        rest = bytes(self.chunk[self.at :])
        self.at -= len(self.chunk) - len(rest)
        self.chunk = rest

    def pass_over(self, count: int) -> None:
        """Skip so many bytes."""
        self.at += count

    def take(self, count: int) -> _Steps[bytes]:
        """So many bytes."""
        while len(self.chunk) - self.at < count:
            yield
        piece = bytes(self.chunk[self.at : self.at + count])
        self.at += count
        return piece

    def some(self, most: int) -> _Steps[bytes]:
        """At least one byte, at most so many."""
        while len(self.chunk) <= self.at:
            yield
        piece = bytes(self.chunk[self.at : self.at + most])
        self.at += len(piece)
        return piece

    def number(self) -> _Steps[int]:
        """A number of at most 32 bits and its sign."""
        piece = yield from self.take(_BLOCK_HEADER)
        size = int.from_bytes(piece[1:], "little")
        return -size if piece[0] else size

    def text(self) -> _Steps[bytes]:
        """A text; b"" also where there is none."""
        size = yield from self.number()
        if size > _MOST_TEXT:
            raise ArchiveBroken("the archive's table of contents is impossible")
        return (yield from self.take(size)) if size > 0 else b""


class _Contents:
    """The table of contents."""

    def __init__(self, source: _Pieces, minor: int, offset_bytes: int) -> None:
        self._source = source
        self._minor = minor
        self._offset_bytes = offset_bytes

    def entries(self) -> _Steps[tuple[Entry, ...]]:
        """All its lines."""
        found: list[Entry] = []
        count = yield from self._source.number()
        while len(found) < count:
            found.append((yield from self._entry()))
        return tuple(found)

    def _entry(self) -> _Steps[Entry]:
        number, text = self._source.number, self._source.text
        dump_id = yield from number()
        has_data = bool((yield from number()))
        yield from text()
        oid = _whole_number((yield from text()))
        tag = yield from text()
        kind = (yield from text()).decode("ascii", errors="replace")
        yield from number()
        definition = yield from text()
        for _ in ("how it is dropped", "how it is copied"):
            yield from text()
        namespace = yield from text()
        tablespace = yield from text()
        yield from text()
        if self._minor >= _WITH_RELKIND:
            yield from number()
        owner = yield from text()
        yield from text()
        needs = []
        while need := (yield from text()):
            needs.append(_whole_number(need))
        yield from self._source.take(1 + self._offset_bytes)
        return Entry(dump_id, has_data, oid, tag, kind, definition, namespace, tablespace, owner, tuple(needs))


class _Lines:
    """Lines of a table's data, and the mark that ends them."""

    def __init__(self) -> None:
        self._count = 0
        self._tail = b""

    @property
    def ended(self) -> bool:
        """Whether the mark of the end was the last that came."""
        return self._tail == _END_OF_COPY

    @property
    def rows(self) -> int:
        """Lines so far, without the mark."""
        return self._count - (_END_OF_COPY.count(b"\n") if self.ended else 0)

    def take(self, source: _Pieces, size: int) -> _Steps[bool]:
        """Count what is in a block; whether it is one whole line."""
        before = self._count
        while size > 0:
            piece = yield from source.some(size)
            self._count += piece.count(b"\n")
            self._tail = (self._tail + piece[-len(_END_OF_COPY) :])[-len(_END_OF_COPY) :]
            size -= len(piece)
        return self._count == before + 1 and self._tail.endswith(b"\n")


def _whole_number(text: bytes) -> int:
    if not text.isdigit() or len(text) > _MOST_DIGITS:
        raise ArchiveBroken("the archive's table of contents is impossible")
    return int(text)
