"""Blobs and packs made up by hypothesis, and packs built of real sealed blobs."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from drorch.ids import BlobId, PackId
from drorch.repository.compression import Compressor
from drorch.repository.crypto import Box, BoxKey
from drorch.repository.pack import BlobType, FinishedPack, PackBuilder, PackedBlob

KEY = BoxKey.from_bytes(bytes(range(64)))
BOX = Box(KEY)

_U32 = st.integers(0, (1 << 32) - 1)


def blob_ids() -> st.SearchStrategy[BlobId]:
    """Few ids, so that duplicates come up, some of them neighbours in every byte order."""
    return st.sampled_from([BlobId(bytes(31) + bytes([n])) for n in range(6)] + [BlobId(b"\xff" * 32)])


def packed_blobs() -> st.SearchStrategy[PackedBlob]:
    return st.builds(PackedBlob, blob_ids(), st.sampled_from(BlobType), _U32, _U32, _U32)


@dataclass(frozen=True, slots=True)
class Plain:
    """A blob as it is before it is sealed."""

    type: BlobType
    content: bytes
    compressed: bool

    @property
    def id(self) -> BlobId:
        return BlobId(hashlib.sha256(self.content).digest())


def plain_blobs() -> st.SearchStrategy[Plain]:
    return st.builds(Plain, st.sampled_from(BlobType), st.binary(min_size=1, max_size=300), st.booleans())


def build(blobs: Sequence[Plain], box: Box = BOX) -> tuple[FinishedPack, bytes]:
    """A finished pack of these blobs and its bytes; the descriptor is closed."""
    builder = PackBuilder()
    for blob in blobs:
        stored = Compressor().compress(blob.content) if blob.compressed else blob.content
        builder.add(blob.id, blob.type, box.seal(stored), len(blob.content) if blob.compressed else 0)
    pack = builder.finish(box)
    try:
        return pack, os.pread(pack.descriptor, pack.size + 1, 0)
    finally:
        os.close(pack.descriptor)


def pack_id(number: int) -> PackId:
    return PackId(hashlib.sha256(b"pack %d" % number).digest())
