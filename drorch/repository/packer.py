"""Filling packs: blobs are compressed, sealed and appended; a full pack is handed on."""

from collections.abc import Callable
from dataclasses import dataclass

from drorch.ids import BlobId
from drorch.repository.compression import Compression, Compressor
from drorch.repository.crypto import Box, Buffer
from drorch.repository.pack import BlobType, FinishedPack, PackBuilder


@dataclass(frozen=True, slots=True)
class SealedBlob:
    """A blob as it goes into a pack. `uncompressed_length` is 0 where it was not compressed."""

    id: BlobId
    sealed: bytes
    uncompressed_length: int


@dataclass(frozen=True, slots=True)
class Sealing:
    """How the blobs of one repository are sealed. Picklable only without its Box: workers make their own.

    Version 1 knows no compression. Data that does not shrink is kept as it is: it reads back faster.
    """

    box: Box
    version: int
    compression: Compression

    def packer(self, blob_type: BlobType, emit: Callable[[FinishedPack], None]) -> "BlobPacker":
        """A packer for blobs of one type (types never mix in a pack); full packs go to `emit`."""
        compresses = self.version >= 2 and (blob_type is BlobType.TREE or self.compression is not Compression.OFF)
        compressor = Compressor(self.compression) if compresses else None
        return BlobPacker(self.box, compressor, blob_type, emit)


class BlobPacker:
    """Puts blobs of one type into packs. `seal` may be called from many threads, the rest from one at a time."""

    def __init__(
        self, box: Box, compressor: Compressor | None, blob_type: BlobType, emit: Callable[[FinishedPack], None]
    ) -> None:
        self._box = box
        self._compressor = compressor
        self._type = blob_type
        self._emit = emit
        self._builder: PackBuilder | None = None

    def seal(self, blob_id: BlobId, plaintext: Buffer) -> SealedBlob:
        """Compress and seal one blob."""
        if self._compressor is not None and len(plaintext):
            compressed = self._compressor.compress(plaintext)
            # Trees are always stored compressed: clients repack trees that are not.
            if self._type is BlobType.TREE or len(compressed) < len(plaintext):
                return SealedBlob(blob_id, self._box.seal(compressed), len(plaintext))
        return SealedBlob(blob_id, self._box.seal(plaintext), 0)

    def add(self, blob: SealedBlob) -> None:
        """Append a sealed blob to the open pack, and hand the pack on when it is full."""
        if self._builder is None:
            self._builder = PackBuilder()
        self._builder.add(blob.id, self._type, blob.sealed, blob.uncompressed_length)
        if self._builder.full:
            self.flush()

    def flush(self) -> None:
        """Hand on the open pack, however small."""
        if self._builder is not None:
            builder, self._builder = self._builder, None
            self._emit(builder.finish(self._box))

    def discard(self) -> None:
        """Drop the open pack."""
        if self._builder is not None:
            self._builder.discard()
            self._builder = None
