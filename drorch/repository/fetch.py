"""Reading many blobs fast: pack by pack, neighbours in one request, packs side by side.

A plan is a value that can be shown; fetching follows it. No byte is delivered before its authentication code and its
hash were verified, a damaged copy is replaced by another one, and memory is bounded by workers times the longest
range, whatever the size of the plan.
"""

import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from drorch.errors import IntegrityError, ObjectMissing, TargetError
from drorch.ids import BlobId, PackId, TreeId
from drorch.repository.crypto import Box, Buffer
from drorch.repository.index import Index, Location
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.parallel import Stopped, work_through
from drorch.repository.repository import BlobContent, Repository, open_blob, open_content
from drorch.units import MIB

GAP_BYTES = MIB
"""What is not wanted between two blobs is read along up to this size: a request costs more."""

RANGE_BYTES = 32 * MIB
"""Most bytes of one request, unless a single blob is larger."""

Deliver = Callable[[BlobId, bytes], None]
DeliverContent = Callable[[BlobId, BlobContent], None]
Failed = Callable[[BlobId, IntegrityError], None]
Opened = TypeVar("Opened")

# Offset first and big-endian, so that sorting the bytes sorts by place in the pack.
_RECORD = struct.Struct(">III?32s")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """One request: bytes of a pack from `offset`, and the wanted blobs that lie in them, in file order."""

    pack: PackId
    offset: int
    length: int
    blobs: tuple[PackedBlob, ...]


@dataclass(frozen=True, slots=True)
class PackFetch:
    """What is wanted of one pack, in 45 bytes a blob."""

    pack: PackId
    gap: int
    _records: bytes = field(repr=False)

    def __len__(self) -> int:
        """How many blobs are wanted."""
        return len(self._records) // _RECORD.size

    @property
    def blobs(self) -> Iterator[PackedBlob]:
        """The wanted blobs, in the order in which they lie in the pack."""
        for offset, length, uncompressed, is_tree, blob_id in _RECORD.iter_unpack(self._records):
            blob_type = BlobType.TREE if is_tree else BlobType.DATA
            yield PackedBlob(BlobId(blob_id), blob_type, offset, length, uncompressed)

    @property
    def ranges(self) -> Iterator[ByteRange]:
        """The requests that bring them."""
        gathered: list[PackedBlob] = []
        start = end = 0
        for blob in self.blobs:
            blob_end = blob.offset + blob.length
            if gathered and (blob.offset > end + self.gap or blob_end - start > RANGE_BYTES):
                yield ByteRange(self.pack, start, end - start, tuple(gathered))
                gathered = []
            if not gathered:
                start = end = blob.offset
            gathered.append(blob)
            end = max(end, blob_end)
        if gathered:
            yield ByteRange(self.pack, start, end - start, tuple(gathered))


@dataclass(frozen=True, slots=True)
class FetchPlan:
    """Which packs are read for a set of blobs, in the order in which they were first wanted.

    `missing` lists the blobs that no index file knows; `requests` and `bytes_to_fetch` are what it will cost if nothing
    is damaged. `index` is where other copies are looked up.
    """

    packs: tuple[PackFetch, ...]
    missing: tuple[tuple[BlobId, BlobType], ...]
    requests: int
    bytes_to_fetch: int
    index: Index = field(repr=False, compare=False)

    @property
    def blob_count(self) -> int:
        """How many blobs will be delivered if none is damaged."""
        return sum(map(len, self.packs))


def plan_fetch(index: Index, wanted: Iterable[tuple[BlobId | TreeId, BlobType]], *, gap: int = GAP_BYTES) -> FetchPlan:
    """Plan to read these blobs, each once however often it is wanted. Reads nothing."""
    records: dict[PackId, bytearray] = {}
    missing: dict[tuple[BlobId, BlobType], None] = {}
    for blob_id, blob_type in wanted:
        locations = index.locations(blob_id, blob_type)
        if not locations:
            missing[BlobId(blob_id), blob_type] = None
            continue
        blob, is_tree = locations[0].blob, blob_type is BlobType.TREE
        record = _RECORD.pack(blob.offset, blob.length, blob.uncompressed_length, is_tree, blob.id)
        records.setdefault(locations[0].pack, bytearray()).extend(record)
    packs = tuple(PackFetch(pack, gap, _sorted_once(gathered)) for pack, gathered in records.items())
    lengths = [part.length for pack in packs for part in pack.ranges]
    return FetchPlan(packs, tuple(missing), len(lengths), sum(lengths), index)


def _sorted_once(records: bytearray) -> bytes:
    size = _RECORD.size
    return b"".join(sorted({bytes(records[start : start + size]) for start in range(0, len(records), size)}))


def fetch(
    repository: Repository,
    plan: FetchPlan,
    deliver: Deliver,
    *,
    failed: Failed,
    workers: int | None = None,
    deliverers: int | None = None,
) -> None:
    """Read what is planned; `deliver(blob id, plaintext)` is called once for each blob, from several threads at once.

    A blob without a good copy is given to `failed` instead, with what was wrong, as are the ones the plan lists as
    missing; the others go on. A `TargetError`, or whatever `deliver` raises, stops all workers and is raised.
    `workers` is how many requests are made at once; None: what pays off for the target. `deliverers` is how many of
    them open and deliver blobs at once while the others load ahead; None: all. One is best for small blobs, where
    threads would only wait for each other.
    """
    _follow(repository, plan, _Recipient(open_blob, deliver, failed), workers, deliverers)


def fetch_contents(
    repository: Repository,
    plan: FetchPlan,
    deliver: DeliverContent,
    *,
    failed: Failed,
    workers: int | None = None,
    deliverers: int | None = None,
) -> None:
    """As `fetch`, for what is to be sealed again: beside the plaintext, what was in the box is delivered."""
    _follow(repository, plan, _Recipient(open_content, deliver, failed), workers, deliverers)


@dataclass(frozen=True, slots=True)
class _Recipient(Generic[Opened]):
    """How a box is opened for whoever asked, and where its content goes."""

    open: Callable[[Box, PackedBlob, Buffer], Opened]
    deliver: Callable[[BlobId, Opened], None]
    failed: Failed


def _follow(
    repository: Repository,
    plan: FetchPlan,
    recipient: _Recipient[Opened],
    workers: int | None,
    deliverers: int | None,
) -> None:
    for blob_id, blob_type in plan.missing:
        recipient.failed(blob_id, IntegrityError(f"{blob_type.word} blob {blob_id.hex()[:16]} is not in the index"))
    workers = workers or repository.target.properties.connections
    reading = _Reading(repository, plan.index, recipient, threading.Semaphore(deliverers or workers))
    ranges = (part for pack in plan.packs for part in pack.ranges)
    work_through(ranges, reading.read, max(1, min(workers, plan.requests)))


class _Reading(Generic[Opened]):
    """One execution of a plan: what its workers share."""

    def __init__(
        self, repository: Repository, index: Index, recipient: _Recipient[Opened], delivering: threading.Semaphore
    ) -> None:
        self._repository = repository
        self._index = index
        self._recipient = recipient
        self._delivering = delivering

    def read(self, part: ByteRange, stopped: Stopped) -> None:
        """Load one range, and deliver its blobs when it is this worker's turn."""
        content, fault = self._load(part)
        with self._delivering:
            self._deliver_all(part, content, fault, stopped)

    def _deliver_all(self, part: ByteRange, content: bytes, fault: IntegrityError, stopped: Stopped) -> None:
        box, view = self._repository.box, memoryview(content)
        open_box, deliver = self._recipient.open, self._recipient.deliver
        for blob in part.blobs:
            if stopped():
                return
            start = blob.offset - part.offset
            if start + blob.length > len(view):
                self._read_again(Location(part.pack, blob), fault, same_copy=False)
                continue
            try:
                opened = open_box(box, blob, view[start : start + blob.length])
            except IntegrityError as damage:
                self._read_again(Location(part.pack, blob), damage, same_copy=True)
            else:
                deliver(blob.id, opened)

    def _load(self, part: ByteRange) -> tuple[bytes, IntegrityError]:
        """The bytes of a range, or as many of them as the pack has; then the fault says why there are no more."""
        key, name = key_of(FileKind.PACK, part.pack), part.pack.hex()[:16]
        target = self._repository.holder_of(part.blobs)
        truncated = IntegrityError(f"pack {name} is truncated")
        try:
            return target.load(key, part.offset, part.length), truncated
        except ObjectMissing:
            return b"", IntegrityError(f"pack {name} is missing")
        except TargetError:
            there = self._size_of(key) - part.offset
            if there >= part.length:
                raise
            return target.load(key, part.offset, there) if there > 0 else b"", truncated

    def _size_of(self, key: str) -> int:
        try:
            return self._repository.target.stat(key).size
        except ObjectMissing:
            return 0

    def _read_again(self, first: Location, fault: IntegrityError, *, same_copy: bool) -> None:
        """Deliver a blob from another place. A copy that was there is read once more: the way may be what failed."""
        copies = [copy for copy in self._index.locations(first.blob.id, first.blob.type) if copy != first]
        for copy in [first, *copies] if same_copy else copies:
            try:
                sealed = self._repository.load_sealed(copy)
                opened = self._recipient.open(self._repository.box, copy.blob, sealed)
            except (IntegrityError, ObjectMissing):
                continue
            self._recipient.deliver(first.blob.id, opened)
            return
        what = f"{first.blob.type.word} blob {first.blob.id.hex()[:16]} cannot be read"
        hint = "Type: drorch check --read-data, to see what is damaged and which snapshots need it."
        self._recipient.failed(first.blob.id, IntegrityError(f"{what}: {fault.message}", hint=hint))
