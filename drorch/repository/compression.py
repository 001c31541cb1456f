"""zstd, one frame a blob. docs/FORMAT.md, "Packs" and "Limits".

Decompression is bounded: a repository is hostile input, and a small frame may claim to be enormous.
"""

import threading
from enum import StrEnum

import zstandard

from drorch.errors import IntegrityError
from drorch.repository.crypto import Buffer
from drorch.units import MIB

UNPACKED_LIMIT = 1 << 30
"""Most bytes an index, a snapshot or a lock may decompress to."""

_MAX_WINDOW = 1 << 27
_PIECE_BYTES = MIB


class Compression(StrEnum):
    """How much to compress: `auto` is quick, `max` small, `off` for data only (trees are always compressed)."""

    AUTO = "auto"
    MAX = "max"
    OFF = "off"


_LEVELS = {Compression.AUTO: 2, Compression.MAX: 19, Compression.OFF: 2}


class Compressor:
    """Compresses blobs at one setting. Safe to use from several threads: each has its own context."""

    def __init__(self, setting: Compression = Compression.AUTO) -> None:
        self._level = _LEVELS[setting]
        self._local = threading.local()

    def compress(self, plaintext: Buffer) -> bytes:
        """One zstd frame with its content size."""
        context: zstandard.ZstdCompressor | None = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = zstandard.ZstdCompressor(level=self._level)
        return context.compress(plaintext)


_decompressors = threading.local()


def decompress(frame: Buffer, limit: int) -> bytes:
    """The plaintext of one frame, at most `limit` bytes.

    Small frames of restic carry no content size, so the limit is also what makes them readable.
    Raises `IntegrityError` where the frame is damaged or longer than the limit.
    """
    context: zstandard.ZstdDecompressor | None = getattr(_decompressors, "context", None)
    if context is None:
        context = _decompressors.context = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    try:
        size = zstandard.frame_content_size(frame)
        if size > limit:
            raise IntegrityError(f"compressed data claims to be {size} bytes long")
        if size >= 0:
            return context.decompress(frame, max_output_size=size or 1)
        return _decompress_unsized(context, frame, limit)
    except (zstandard.ZstdError, MemoryError) as fault:
        raise IntegrityError("compressed data is damaged") from fault


def _decompress_unsized(context: zstandard.ZstdDecompressor, frame: Buffer, limit: int) -> bytes:
    # A frame without a size is read in pieces, so that memory follows what is really there and not the limit.
    pieces: list[bytes] = []
    left = limit
    with context.stream_reader(bytes(frame)) as reader:
        while piece := reader.read(min(left + 1, _PIECE_BYTES)):
            pieces.append(piece)
            left -= len(piece)
            if left < 0:
                raise IntegrityError(f"compressed data is longer than {limit} bytes")
    return b"".join(pieces)
