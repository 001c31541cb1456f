"""Cutting content into chunks by FastCDC, seeded per repository. docs/FORMAT.md, "Chunking".

Where a chunk ends is the writer's choice; readers only concatenate. The same content under the same polynomial must
always be cut alike, or nothing deduplicates: golden vectors in the tests hold the library to that.
"""

import hashlib
from collections.abc import Iterator
from typing import Protocol

import pyfastcdc

from drorch.errors import DrorchError
from drorch.units import KIB, MIB

MIN_BYTES = 512 * KIB
AVERAGE_BYTES = 1 * MIB
MAX_BYTES = 8 * MIB
_SEED_BITS = 63
"""The library takes seeds below 2^64 - 1 only; 63 bits keep clear of the edge."""


class Readable(Protocol):
    """What content is read from."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, at least in part; 0 at the end."""
        ...


class Chunker:
    """Cuts streams into chunks of 512 KiB to 8 MiB, about 1.4 MiB on average (only the last may be shorter)."""

    def __init__(self, polynomial: int) -> None:
        if not pyfastcdc.FastCDC.__module__.startswith("pyfastcdc.cy"):
            raise DrorchError(
                "the chunking library runs without its native part and would be a hundred times too slow",
                hint="Reinstall it with: PYFASTCDC_REQUIRE_CYTHON=1 pip install --force-reinstall pyfastcdc",
            )
        self._cutter = pyfastcdc.FastCDC(
            AVERAGE_BYTES, min_size=MIN_BYTES, max_size=MAX_BYTES, normalized_chunking=1, seed=seed_of(polynomial)
        )

    def chunks(self, content: Readable) -> Iterator[memoryview]:
        """The chunks of a stream, in order. Each is valid only until the next is asked for."""
        for chunk in self._cutter.cut_stream(content):
            yield chunk.data


def seed_of(polynomial: int) -> int:
    """The FastCDC seed of a repository: 63 bits of a hash over its polynomial."""
    digest = hashlib.sha256(b"drorch FastCDC seed\0" + polynomial.to_bytes(8, "big")).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _SEED_BITS)
