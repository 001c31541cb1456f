"""The index: which pack holds which blob, for millions of blobs in about fifty bytes each.

What index files say is kept in sorted tables of fixed records; what this run adds is kept in a dict until it is
frozen into a table too. docs/FORMAT.md, "Index".
"""

import heapq
import struct
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, groupby
from operator import index as as_integer
from typing import Any

from drorch.errors import IntegrityError
from drorch.ids import ID_BYTES, BlobId, PackId
from drorch.repository.node import decode_id
from drorch.repository.pack import BlobType, PackedBlob

_RECORD = struct.Struct(">32sIIII")
_TYPE_BIT = 1 << 31
_U32 = 1 << 32
_MOST_TABLES = 8
_LARGE_TABLE = 4096


@dataclass(frozen=True, slots=True)
class Location:
    """One copy of a blob: its pack, and where in it."""

    pack: PackId
    blob: PackedBlob


class _Table:
    """Immutable records (id, pack number and type, offset, length, plaintext length), sorted by id."""

    def __init__(self, records: Iterable[bytes]) -> None:
        self._data = b"".join(sorted(records))
        self._count = len(self._data) // _RECORD.size
        self._starts = self._count_prefixes() if self._count >= _LARGE_TABLE else None

    def _count_prefixes(self) -> Sequence[int]:
        """Where the ids begin that share their first two bytes: most of the halving that a search would do."""
        seen = Counter(zip(self._data[:: _RECORD.size], self._data[1 :: _RECORD.size], strict=True))
        return array("I", accumulate((seen[divmod(prefix, 256)] for prefix in range(1 << 16)), initial=0))

    def __len__(self) -> int:
        return self._count

    def _id_at(self, position: int) -> bytes:
        start = position * _RECORD.size
        return self._data[start : start + ID_BYTES]

    def find(self, blob_id: bytes) -> Iterator[bytes]:
        """All records of a blob."""
        low, high = 0, self._count
        if self._starts is not None:
            prefix = blob_id[0] << 8 | blob_id[1]
            low, high = self._starts[prefix], self._starts[prefix + 1]
        position = bisect_left(range(self._count), blob_id, low, high, key=self._id_at)
        while position < self._count and self._id_at(position) == blob_id:
            yield self.record(position)
            position += 1

    def record(self, position: int) -> bytes:
        start = position * _RECORD.size
        return self._data[start : start + _RECORD.size]

    def __iter__(self) -> Iterator[bytes]:
        return map(self.record, range(self._count))


class Index:
    """All index files of a repository as one, with what was added since."""

    def __init__(self) -> None:
        self._packs: list[PackId] = []
        self._numbers: dict[PackId, int] = {}
        self._tables: list[_Table] = []
        self._recent: dict[bytes, list[bytes]] = {}

    def __len__(self) -> int:
        """How many blobs are listed, copies counted."""
        return sum(map(len, self._tables)) + sum(map(len, self._recent.values()))

    @property
    def packs(self) -> Sequence[PackId]:
        """Every pack an index file mentions."""
        return self._packs

    def add_pack(self, pack: PackId, blobs: Iterable[PackedBlob]) -> None:
        """Take in the blobs of one pack."""
        for record in self._records(pack, blobs):
            self._recent.setdefault(record[:ID_BYTES], []).append(record)

    def _records(self, pack: PackId, blobs: Iterable[PackedBlob]) -> Iterator[bytes]:
        number = self._numbers.get(pack)
        if number is None:
            number = self._numbers[pack] = len(self._packs)
            self._packs.append(pack)
        for blob in blobs:
            flags = number | (_TYPE_BIT if blob.type is BlobType.TREE else 0)
            yield _RECORD.pack(blob.id, flags, blob.offset, blob.length, blob.uncompressed_length)

    def freeze(self) -> None:
        """Move what was added one by one into a compact table."""
        if self._recent:
            self._tables.append(_Table(record for records in self._recent.values() for record in records))
            self._recent = {}
            if len(self._tables) > _MOST_TABLES:
                # The first table is what was loaded, and large; what came since is merged into one.
                self._tables[1:] = [_Table(chain.from_iterable(self._tables[1:]))]

    def take_in(self, documents: Iterable[Mapping[str, Any]]) -> None:
        """Take in decoded index files, all of them into one table.

        A pack that two files describe alike counts once. Raises `IntegrityError` for a document that is no index.
        """
        self.take_in_packs(entry for document in documents for entry in decode_index(document))

    def take_in_packs(self, packs: Iterable[tuple[PackId, Iterable[PackedBlob]]]) -> None:
        """Take in packs with their blobs, all of them into one table. What is given twice counts once."""
        seen: set[bytes] = set()
        for pack, blobs in packs:
            seen.update(self._records(pack, blobs))
        if seen:
            self._tables.append(_Table(seen))

    def superfluous_copies(self) -> int:
        """How many copies could go without a blob being lost."""
        identities = heapq.merge(*(map(_identity, table) for table in self._tables_with_recent()))
        return len(self) - sum(1 for _ in groupby(identities))

    def locations(self, blob_id: bytes, blob_type: BlobType) -> list[Location]:
        """Every copy of a blob; empty where it is unknown."""
        return [found for record in self._find(blob_id) if (found := self._location(record)).blob.type is blob_type]

    def has(self, blob_id: bytes, blob_type: BlobType) -> bool:
        """Whether the blob is listed at all."""
        # A plain loop: every blob of every unchanged file comes by here.
        wanted = _TYPE_BIT if blob_type is BlobType.TREE else 0
        for record in self._find(blob_id):  # noqa: SIM110
            if _RECORD.unpack(record)[1] & _TYPE_BIT == wanted:
                return True
        return False

    def _find(self, blob_id: bytes) -> Iterator[bytes]:
        yield from self._recent.get(blob_id, ())
        for table in self._tables:
            yield from table.find(blob_id)

    def _location(self, record: bytes) -> Location:
        blob_id, flags, offset, length, uncompressed = _RECORD.unpack(record)
        blob_type = BlobType.TREE if flags & _TYPE_BIT else BlobType.DATA
        blob = PackedBlob(BlobId(blob_id), blob_type, offset, length, uncompressed)
        return Location(self._packs[flags & ~_TYPE_BIT], blob)

    def __iter__(self) -> Iterator[Location]:
        """Every copy of every blob, in no useful order."""
        for table in self._tables:
            yield from map(self._location, table)
        for records in self._recent.values():
            yield from map(self._location, records)

    def by_pack(self, keep: Callable[[PackId], bool] = lambda _: True) -> Iterator[tuple[PackId, list[PackedBlob]]]:
        """The blobs of each pack in the order they lie in it, pack by pack.

        Sorts positions, not objects: memory stays at a few dozen bytes a blob.
        """
        keys = sorted(
            (flags & ~_TYPE_BIT, offset, table_number, position)
            for table_number, table in enumerate(self._tables_with_recent())
            for position, record in enumerate(table)
            for _, flags, offset, _, _ in (_RECORD.unpack(record),)
            if keep(self._packs[flags & ~_TYPE_BIT])
        )
        tables = self._tables
        for number, group in groupby(keys, key=lambda item: item[0]):
            yield self._packs[number], [self._location(tables[t].record(p)).blob for _, _, t, p in group]

    def _tables_with_recent(self) -> list[_Table]:
        self.freeze()
        return self._tables


def _identity(record: bytes) -> tuple[bytes, int]:
    return record[:ID_BYTES], record[ID_BYTES] & 0x80


def decode_index(document: Mapping[str, Any]) -> Iterator[tuple[PackId, list[PackedBlob]]]:
    """The packs of an index document with their blobs. A `supersedes` list is ignored, as it must be.

    Raises `IntegrityError` where the document is not an index.
    """
    try:
        for pack in document.get("packs") or ():
            yield PackId(decode_id(pack["id"])), [_decode_blob(fields) for fields in pack["blobs"]]
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise IntegrityError(f"an index cannot be understood ({fault})") from fault


_TYPES = {"data": BlobType.DATA, "tree": BlobType.TREE}


def _decode_blob(fields: Mapping[str, Any]) -> PackedBlob:
    offset, length = as_integer(fields["offset"]), as_integer(fields["length"])
    uncompressed = as_integer(fields.get("uncompressed_length") or 0)
    if not (0 <= offset < _U32 and 0 <= length < _U32 and 0 <= uncompressed < _U32):
        raise ValueError("a blob lies outside of any possible pack")
    return PackedBlob(BlobId(decode_id(fields["id"])), _TYPES[fields["type"]], offset, length, uncompressed)


def encode_index(packs: Iterable[tuple[PackId, Sequence[PackedBlob]]]) -> str:
    """The JSON of an index file. All blobs of a pack must be given together: readers refuse a pack that is split."""
    encoded = (f'{{"id":"{pack.hex()}","blobs":[{",".join(map(_encode_blob, blobs))}]}}' for pack, blobs in packs)
    return '{"packs":[' + ",".join(encoded) + "]}\n"


def _encode_blob(blob: PackedBlob) -> str:
    tail = f',"uncompressed_length":{blob.uncompressed_length}' if blob.uncompressed_length else ""
    return f'{{"id":"{blob.id.hex()}","type":"{blob.type.word}","offset":{blob.offset},"length":{blob.length}{tail}}}'
