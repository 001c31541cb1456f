"""Packs: many sealed blobs in one stored file, with a sealed header at its end. docs/FORMAT.md, "Packs".

A pack is built in an anonymous file in memory (memfd), so a worker process can hand it on as a descriptor, nothing
is copied, and nothing is left behind by a crash.
"""

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from drorch.errors import IntegrityError
from drorch.ids import BlobId, PackId
from drorch.repository.crypto import OVERHEAD, Box, Buffer
from drorch.units import MIB

PACK_TARGET_BYTES = 16 * MIB
"""A pack is finished once it is this large; restic's default too."""

MAX_BLOBS = 390_000
"""Header entries that fit in the 16 MiB that readers allow, with room to spare."""

MAX_HEADER_BYTES = 16 * MIB
_TRAILER = struct.Struct("<I")
_PLAIN_ENTRY = struct.Struct("<BI32s")
_COMPRESSED_ENTRY = struct.Struct("<BII32s")


class BlobType(IntEnum):
    """What a blob is, as header entries count it; compressed blobs add 2 in the header."""

    DATA = 0
    TREE = 1

    @property
    def word(self) -> str:
        """Its name in index files."""
        return "tree" if self else "data"


@dataclass(frozen=True, slots=True)
class PackedBlob:
    """Where a blob lies in a pack. `length` counts the sealed box; `uncompressed_length` is 0 if not compressed."""

    id: BlobId
    type: BlobType
    offset: int
    length: int
    uncompressed_length: int

    @property
    def plaintext_length(self) -> int:
        """Bytes of the blob itself."""
        return self.uncompressed_length or self.length - OVERHEAD

    @property
    def header_entry_size(self) -> int:
        """Bytes this blob takes in the header."""
        return _COMPRESSED_ENTRY.size if self.uncompressed_length else _PLAIN_ENTRY.size


def pack_size(blobs: Sequence[PackedBlob]) -> int:
    """Size in bytes of a pack that holds exactly these blobs."""
    return sum(blob.length + blob.header_entry_size for blob in blobs) + OVERHEAD + _TRAILER.size


@dataclass(frozen=True, slots=True)
class FinishedPack:
    """A complete pack in an anonymous file, to be closed by whoever holds it last."""

    id: PackId
    descriptor: int
    size: int
    blobs: tuple[PackedBlob, ...]


class PackBuilder:
    """A pack being filled. Not safe for several threads."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("drorch-pack", os.MFD_CLOEXEC)
        self._hash = hashlib.sha256()
        self._blobs: list[PackedBlob] = []
        self.size = 0

    @property
    def full(self) -> bool:
        """Whether the pack should be finished now."""
        return self.size >= PACK_TARGET_BYTES or len(self._blobs) >= MAX_BLOBS

    def add(self, blob_id: BlobId, blob_type: BlobType, sealed: Buffer, uncompressed_length: int) -> None:
        """Append a sealed blob."""
        self._blobs.append(PackedBlob(blob_id, blob_type, self.size, len(sealed), uncompressed_length))
        self._append(sealed)

    def _append(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._hash.update(data)
        self.size += len(data)

    def finish(self, box: Box) -> FinishedPack:
        """Write the header; the builder is spent afterwards."""
        header = box.seal(encode_header(self._blobs))
        self._append(header)
        self._append(_TRAILER.pack(len(header)))
        return FinishedPack(PackId(self._hash.digest()), self._descriptor, self.size, tuple(self._blobs))

    def discard(self) -> None:
        """Give the memory back without finishing."""
        os.close(self._descriptor)


def encode_header(blobs: Sequence[PackedBlob]) -> bytes:
    """The plaintext of a pack's header."""
    return b"".join(
        _COMPRESSED_ENTRY.pack(blob.type + 2, blob.length, blob.uncompressed_length, blob.id)
        if blob.uncompressed_length
        else _PLAIN_ENTRY.pack(blob.type, blob.length, blob.id)
        for blob in blobs
    )


def decode_header(plaintext: bytes) -> tuple[PackedBlob, ...]:
    """The blobs a header lists, with their offsets. Raises `IntegrityError`."""
    blobs: list[PackedBlob] = []
    position = offset = 0
    while position < len(plaintext):
        kind = plaintext[position]
        entry = _COMPRESSED_ENTRY if kind >= 2 else _PLAIN_ENTRY
        if kind > 3 or position + entry.size > len(plaintext):
            raise IntegrityError("the header of the pack cannot be understood")
        fields = entry.unpack_from(plaintext, position)
        uncompressed = fields[2] if kind >= 2 else 0
        blobs.append(PackedBlob(BlobId(fields[-1]), BlobType(kind % 2), offset, fields[1], uncompressed))
        position += entry.size
        offset += fields[1]
    return tuple(blobs)


def split_pack(content: Buffer, box: Box) -> tuple[PackedBlob, ...]:
    """The blobs of a whole pack by its own header. Raises `IntegrityError` where it does not add up."""
    view = memoryview(content)
    if len(view) < _TRAILER.size + OVERHEAD:
        raise IntegrityError("it is too short to be a pack")
    (header_length,) = _TRAILER.unpack(view[-_TRAILER.size :])
    if not OVERHEAD <= header_length <= min(MAX_HEADER_BYTES, len(view) - _TRAILER.size):
        raise IntegrityError("the length of its header is impossible")
    blobs = decode_header(box.open(view[-_TRAILER.size - header_length : -_TRAILER.size]))
    if pack_size(blobs) != len(view):
        raise IntegrityError("its size does not agree with its header")
    return blobs
