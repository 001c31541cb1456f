"""What the destination holds already, compared with what is to be restored. Looks only; changes nothing."""

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from drorch.actions.restore.request import Overwrite
from drorch.ids import BlobId
from drorch.repository.node import Node
from drorch.sources.files.destination import Destination
from drorch.sources.files.placement import KEPT_PARTIAL_BYTES, Extra, Metadata, RelativePath

REGIONS_FROM_BYTES = KEPT_PARTIAL_BYTES
"""Files at least this large are updated region by region; smaller ones are written anew, whole, and renamed."""


class Regions(Protocol):
    """A file that can be read at any place."""

    def read_at(self, offset: int, length: int) -> bytes:
        """A region; shorter at the end of the file. Raises `OSError`."""
        ...


@dataclass(frozen=True, slots=True)
class Content:
    """The blobs of a file, where each begins, and at last where the file ends."""

    blobs: tuple[BlobId, ...]
    offsets: tuple[int, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole."""
        return self.offsets[-1]


class Way(StrEnum):
    """How a file gets its content.

    `new`: written whole under another name, then renamed. `in-place`: the regions that differ are written into the
    file itself. `resumed`: what an interrupted restore left is completed. `there`: only metadata is set.
    """

    NEW = "new"
    IN_PLACE = "in-place"
    RESUMED = "resumed"
    THERE = "there"


@dataclass(frozen=True, slots=True)
class There:
    """What of a file is right already, by the numbers of its blobs, and what that means for the rest."""

    way: Way
    right: frozenset[int] = frozenset()


_NOTHING = There(Way.NEW)


class Survey:
    """Answers what is there. Without a destination, nothing is."""

    def __init__(self, destination: Destination | None, overwrite: Overwrite) -> None:
        self._destination = destination
        self._overwrite = overwrite

    def leaves_alone(self, path: RelativePath, node: Node) -> bool:
        """Whether the operator wants what is there to stay as it is."""
        if self._destination is None or self._overwrite not in (Overwrite.NEVER, Overwrite.IF_NEWER):
            return False
        present = self._destination.existing(path)
        if present is None:
            return False
        return self._overwrite is Overwrite.NEVER or present.st_mtime_ns >= node.mtime

    def of(self, path: RelativePath, metadata: Metadata, content: Content) -> There:
        """What of this file needs not be fetched, and how it is completed."""
        destination = self._destination
        if destination is None:
            return _NOTHING
        present = destination.existing(path)
        if present is None or not stat.S_ISREG(present.st_mode):
            return self._resumable(destination, path, content)
        alone, same_size = present.st_nlink == 1, present.st_size == content.size
        if self._overwrite is Overwrite.IF_CHANGED and same_size and present.st_mtime_ns == metadata.mtime_ns:
            # A file of several names may have one outside: it is placed anew, never changed.
            return There(Way.THERE, frozenset(range(len(content.blobs)))) if alone else _NOTHING
        if alone and same_size:
            right = self._right_in(destination.read_back(path), content)
            if len(right) == len(content.blobs):
                return There(Way.THERE, right)
        partly = self._updatable(destination, path, metadata, content)
        left = self._resumable(destination, path, content)
        return max(partly, left, key=lambda there: len(there.right))

    def _updatable(self, destination: Destination, path: RelativePath, metadata: Metadata, content: Content) -> There:
        file = destination.open_in_place(path, metadata) if content.size >= REGIONS_FROM_BYTES else None
        if file is None:
            return _NOTHING
        right = self._right_in(file, content)
        file.park()
        return There(Way.IN_PLACE, right)

    def _resumable(self, destination: Destination, path: RelativePath, content: Content) -> There:
        file = destination.open_partial(path, content.size) if content.size >= REGIONS_FROM_BYTES else None
        if file is None:
            return _NOTHING
        right = self._right_in(file, content)
        file.park()
        return There(Way.RESUMED, right)

    @staticmethod
    def _right_in(file: Regions | None, content: Content) -> frozenset[int]:
        """The numbers of the blobs that a file holds at their places."""
        right: set[int] = set()
        for number, blob in enumerate(content.blobs if file is not None else ()):
            start, end = content.offsets[number], content.offsets[number + 1]
            try:
                if file is not None and hashlib.sha256(file.read_at(start, end - start)).digest() == blob:
                    right.add(number)
            except OSError:
                continue
        return frozenset(right)

    def extras(self, path: RelativePath, keep: frozenset[bytes]) -> Sequence[Extra]:
        """What a folder holds beside these names."""
        return () if self._destination is None else self._destination.extras(path, keep)
