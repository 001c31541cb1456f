"""Packs read from the first byte to the last: hash against name, header against index, every blob opened."""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drorch.errors import IntegrityError, ObjectFrozen, ObjectMissing, TargetError
from drorch.ids import BlobId, PackId
from drorch.repository.crypto import OVERHEAD
from drorch.repository.layout import CONFIG_KEY, FileKind, key_of
from drorch.repository.pack import MAX_HEADER_BYTES, PackedBlob, decode_header
from drorch.repository.repository import Repository, open_blob
from drorch.units import MIB

PIECE_BYTES = 32 * MIB
_TRAILER = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class PackReading:
    """What reading a pack showed. `unreadable` is why the target would not give it, or "".

    A `frozen` pack could not be read either, and nothing is wrong with it: how it is thawed.
    """

    faults: tuple[str, ...] = ()
    damaged: tuple[BlobId, ...] = ()
    unreadable: str = ""
    frozen: str = ""

    @property
    def complete(self) -> bool:
        """Whether it was read from end to end, whatever was found."""
        return not (self.unreadable or self.frozen)

    @property
    def good(self) -> bool:
        """Whether all is as it should be, as far as it could be read."""
        return not (self.faults or self.damaged or self.unreadable)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a pack that are read at once, and the blobs that lie in them."""

    start: int
    end: int
    blobs: tuple[PackedBlob, ...]


def read_pack(repository: Repository, pack: PackId, size: int, listed: Sequence[PackedBlob]) -> PackReading:
    """Read a pack of `size` bytes, of which the index lists these blobs, in at most 32 MiB at a time.

    What looks damaged is read once more: the way from the target may be what failed. A pack that the target does not
    give is a result, as long as the target gives others; raises `TargetError` where it does not answer at all.
    """
    try:
        first = _read(repository, pack, size, listed)
        return first if first.good else _read(repository, pack, size, listed)
    except ObjectMissing:
        return PackReading(unreadable="it has vanished")
    except ObjectFrozen as fault:
        return PackReading(frozen=fault.hint or "thaw it")
    except TargetError as fault:
        repository.target.stat(CONFIG_KEY)
        return PackReading(unreadable=fault.message)


def _read(repository: Repository, pack: PackId, size: int, listed: Sequence[PackedBlob]) -> PackReading:
    target, box, key = repository.target, repository.box, key_of(FileKind.PACK, pack)
    digest = hashlib.sha256()
    good: set[BlobId] = set()
    tail = b""
    for piece in pieces_of(size, listed):
        tail = target.load(key, piece.start, piece.end - piece.start)
        digest.update(tail)
        view = memoryview(tail)
        for blob in piece.blobs:
            start = blob.offset - piece.start
            try:
                open_blob(box, blob, view[start : start + blob.length])
            except IntegrityError:
                continue
            good.add(blob.id)
    faults = [] if digest.digest() == pack else ["its content does not match its name"]
    try:
        if _header(repository, key, size, tail) != tuple(sorted(listed, key=lambda blob: blob.offset)):
            faults.append("its header does not list what the index lists")
    except IntegrityError as fault:
        faults.append(fault.message)
    damaged = tuple(blob.id for blob in listed if blob.id not in good)
    return PackReading(tuple(faults), damaged)


def pieces_of(size: int, listed: Sequence[PackedBlob]) -> Iterator[Piece]:
    """Cut a pack of `size` bytes at the ends of blobs, end to end, each byte once.

    A blob that cannot be one (too short, beyond the pack, reaching back into a piece before) is in none of them.
    """
    start = end = 0
    inside: list[PackedBlob] = []
    for blob in sorted(listed, key=lambda blob: blob.offset):
        blob_end = blob.offset + blob.length
        if blob.offset < start or blob_end > size or blob.length < OVERHEAD:
            continue
        if end > start and blob_end - start > PIECE_BYTES:
            yield Piece(start, end, tuple(inside))
            start, inside = end, []
            if blob.offset < start:
                continue
        while blob.offset - start > PIECE_BYTES:
            yield Piece(start, start + PIECE_BYTES, ())
            start += PIECE_BYTES
        inside.append(blob)
        end = max(end, blob_end)
    if size - start > PIECE_BYTES + MAX_HEADER_BYTES and inside:
        yield Piece(start, end, tuple(inside))
        start, inside = end, []
    while size - start > PIECE_BYTES + MAX_HEADER_BYTES:
        yield Piece(start, start + PIECE_BYTES, ())
        start += PIECE_BYTES
    yield Piece(start, size, tuple(inside))


def _header(repository: Repository, key: str, size: int, tail: bytes) -> tuple[PackedBlob, ...]:
    if size < OVERHEAD + _TRAILER.size:
        raise IntegrityError("it is too short to be a pack")

    def end_of_pack(length: int) -> bytes:
        return tail[-length:] if len(tail) >= length else repository.target.load(key, size - length, length)

    (length,) = _TRAILER.unpack(end_of_pack(_TRAILER.size))
    if not OVERHEAD <= length <= min(MAX_HEADER_BYTES, size - _TRAILER.size):
        raise IntegrityError("the length of its header is impossible")
    try:
        return decode_header(repository.box.open(end_of_pack(length + _TRAILER.size)[: -_TRAILER.size]))
    except IntegrityError as fault:
        raise IntegrityError(f"its header cannot be read: {fault.message}") from fault
