"""What the destination holds already, compared with what is to be restored. Looks only; changes nothing."""

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
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


class FolderPlace(StrEnum):
    """What a folder finds in its place: nothing that stays or a folder; what is left alone; what cannot be seen."""

    FREE = "free"
    LEFT_ALONE = "left alone"
    HIDDEN = "hidden"


class Survey:
    """Answers what is there. Without a destination, nothing is; nor is there anything in folders still to be made.

    Asked about a folder (`enter`) before it is asked about what is in it.
    """

    def __init__(self, destination: Destination | None, overwrite: Overwrite) -> None:
        self._destination = destination
        self._overwrite = overwrite
        self._keeps = overwrite in (Overwrite.NEVER, Overwrite.IF_NEWER)
        self._to_be_made: set[RelativePath] = set()
        self._hidden: set[RelativePath] = set()

    def enter(self, path: RelativePath, node: Node) -> FolderPlace:
        """Look at the place of a folder."""
        destination = self._at(path)
        if destination is None:
            self._to_be_made.add(path)
            return FolderPlace.FREE
        present = destination.existing(path)
        if present is None or not stat.S_ISDIR(present.st_mode):
            self._to_be_made.add(path)
            return FolderPlace.LEFT_ALONE if self._stays(present, node) else FolderPlace.FREE
        if _is_closed(present):
            self._hidden.add(path)
            return FolderPlace.HIDDEN if self._keeps else FolderPlace.FREE
        return FolderPlace.FREE

    def leaves_alone(self, path: RelativePath, node: Node) -> bool:
        """Whether the operator wants what is there to stay as it is."""
        destination = self._at(path) if self._keeps else None
        return destination is not None and self._stays(destination.existing(path), node)

    def _at(self, path: RelativePath) -> Destination | None:
        """The destination where it may hold something by this path that can be looked at."""
        folder = path[:-1]
        return None if folder in self._to_be_made or folder in self._hidden else self._destination

    def _stays(self, present: os.stat_result | None, node: Node) -> bool:
        if present is None or not self._keeps:
            return False
        return self._overwrite is Overwrite.NEVER or present.st_mtime_ns >= node.mtime

    def of(self, path: RelativePath, metadata: Metadata, content: Content) -> There:
        """What of this file needs not be fetched, and how it is completed."""
        destination = self._at(path)
        if destination is None:
            return _NOTHING
        present = destination.existing(path)
        if present is None or not stat.S_ISREG(present.st_mode):
            return self._resumable(destination, path, content)
        alone, same_size = present.st_nlink == 1, present.st_size == content.size
        if self._overwrite is Overwrite.IF_CHANGED and same_size and present.st_mtime_ns == metadata.mtime_ns:
            # A file of several names may have one outside: it is placed anew, never changed.
            return There(Way.THERE, frozenset(range(len(content.blobs)))) if alone else _NOTHING
        large = content.size >= REGIONS_FROM_BYTES
        right = self._right_in(destination.peek(path), content) if alone and (same_size or large) else frozenset()
        if alone and same_size and len(right) == len(content.blobs):
            return There(Way.THERE, right)
        updatable = large and self._is_updatable(destination, path, metadata)
        partly = There(Way.IN_PLACE, right) if updatable else _NOTHING
        left = self._resumable(destination, path, content)
        return max(partly, left, key=lambda there: len(there.right))

    @staticmethod
    def _is_updatable(destination: Destination, path: RelativePath, metadata: Metadata) -> bool:
        file = destination.open_in_place(path, metadata)
        if file is None:
            return False
        file.abandon()
        return True

    def _resumable(self, destination: Destination, path: RelativePath, content: Content) -> There:
        # Only read: an unfinished restore's file must outlast a dry run.
        file = destination.peek(path, partial=True) if content.size >= REGIONS_FROM_BYTES else None
        return _NOTHING if file is None else There(Way.RESUMED, self._right_in(file, content))

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

    def extras(self, path: RelativePath, keep: frozenset[bytes], meant: Callable[[Extra], bool]) -> Sequence[Extra]:
        """What is meant of what a folder holds beside these names."""
        if self._destination is None or path in self._to_be_made:
            return ()
        return self._destination.extras(path, keep, meant)


def _is_closed(folder: os.stat_result) -> bool:
    """Whether this user's own folder does not let him in; a restore opens it while it works in it."""
    return os.geteuid() != 0 and folder.st_uid == os.geteuid() and not folder.st_mode & stat.S_IXUSR
