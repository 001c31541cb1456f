"""Regular files while their content is being put back, region by region and from several threads.

A file is written under its partial name and renamed when it is whole, so that no name ever shows half a file; or,
where that is safe, an existing large file is updated in place, so that it needs no second copy of its space.
"""

import os
import stat
import threading
from collections import OrderedDict
from dataclasses import dataclass

from drorch.sources.files.destination_faults import Faults
from drorch.sources.files.destination_handles import Handle
from drorch.sources.files.destination_making import Placer
from drorch.sources.files.destination_metadata import MetadataSetter
from drorch.sources.files.destination_regions import Buffer, is_zero, write_all
from drorch.sources.files.placement import (
    KEPT_PARTIAL_BYTES,
    NODE_FAULTS,
    DestinationPolicy,
    Identity,
    Metadata,
    Refused,
    RelativePath,
    partial_name,
)

_OPEN_LIMIT = 128
_FILE_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OpenFiles:
    """The files being written: at most `limit` keep their descriptor, the others open it again when they need it."""

    def __init__(self, limit: int = _OPEN_LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._open: OrderedDict[_WrittenFile, None] = OrderedDict()
        self._unfinished: dict[_WrittenFile, None] = {}

    def used(self, file: "_WrittenFile") -> None:
        """A file was just used; the one unused for longest gives up its descriptor."""
        with self._lock:
            self._unfinished[file] = None
            self._open[file] = None
            self._open.move_to_end(file)
            idle = self._open.popitem(last=False)[0] if len(self._open) > self._limit else None
        if idle is not None:
            idle.park()

    def drop(self, file: "_WrittenFile") -> None:
        """A file is finished or given up."""
        with self._lock:
            self._open.pop(file, None)
            self._unfinished.pop(file, None)

    def unfinished(self) -> list["_WrittenFile"]:
        """The files neither finished nor given up."""
        with self._lock:
            return list(self._unfinished)


@dataclass(frozen=True, slots=True)
class Site:
    """What all files of one destination share."""

    placer: Placer
    setter: MetadataSetter
    faults: Faults
    policy: DestinationPolicy
    files: OpenFiles


class _WrittenFile:
    """A file whose regions are written in any order. After its first fault it takes nothing more."""

    def __init__(self, site: Site, path: RelativePath, name: bytes, size: int, handle: Handle) -> None:
        status = os.fstat(handle)
        self.path = path
        self.size = size
        self.failed = False
        self._site = site
        self._name = name
        self._identity = Identity(status.st_dev, status.st_ino)
        self._handle: Handle | None = handle
        site.files.used(self)

    def write_at(self, offset: int, data: Buffer) -> bool:
        """Write a region. False where this file has failed; its problem is reported once.

        Raises `RestoreError` where the destination is full.
        """
        if self.failed:
            return False
        try:
            if offset < 0 or offset + len(data) > self.size:
                raise Refused("content goes beyond its size")
            self._write(self._opened(), offset, data)
        except NODE_FAULTS as fault:
            return self._fail("not written", fault)
        return True

    def read_at(self, offset: int, length: int) -> bytes:
        """What the region holds now; shorter at the end of the file, empty where it cannot be read."""
        try:
            return os.pread(self._opened(), length, offset)
        except NODE_FAULTS:
            return b""

    def park(self) -> None:
        """Give up the descriptor until it is needed again."""
        self._handle = None

    def abandon(self) -> None:
        """Stop; what may serve the next run stays."""
        self._site.files.drop(self)
        self._handle = None

    def _write(self, handle: Handle, offset: int, data: Buffer) -> None:
        write_all(handle, offset, data)

    def _opened(self) -> Handle:
        handle = self._handle
        if handle is None:
            folder = self._site.placer.folder(self.path)
            handle = Handle(os.open(self._name, os.O_RDWR | _FILE_FLAGS, dir_fd=folder))
            status = os.fstat(handle)
            if (status.st_dev, status.st_ino) != self._identity or status.st_nlink != 1:
                raise Refused("another file was put in its place while it was being written")
            self._handle = handle
        self._site.files.used(self)
        return handle

    def _fail(self, doing: str, fault: Exception) -> bool:
        first, self.failed = not self.failed, True
        self._site.faults.end_if_fatal(fault)
        if first:
            self._site.faults.node(self.path, doing, fault)
        return False


class PartialFile(_WrittenFile):
    """A file under its partial name: nobody sees it before `finish`."""

    def __init__(self, site: Site, path: RelativePath, size: int, handle: Handle, *, fresh: bool) -> None:
        """`fresh` says that the file is all hole, so that zeros need not be written. Raises `OSError`."""
        super().__init__(site, path, partial_name(path[-1]), size, handle)
        self._sparse = fresh and site.policy.sparse
        os.ftruncate(handle, size)

    def finish(self, metadata: Metadata) -> Identity | None:
        """Give it its metadata and its name; None where it failed, then nothing of it remains.

        Faults of the metadata alone are reported and do not keep the file from its place.
        """
        if self.failed:
            self.discard()
            return None
        try:
            handle = self._opened()
            self._site.setter.apply(handle, os.fstat(handle), metadata, self.path)
            self._site.placer.move(self._site.placer.folder(self.path), self.path, self._name)
        except NODE_FAULTS as fault:
            self._fail("not put in place", fault)
            self.discard()
            return None
        super().abandon()
        return self._identity

    def abandon(self) -> None:
        """Stop: at least 16 MiB of written content stay under the partial name for the next run, less is removed."""
        try:
            written = os.fstat(self._opened()).st_blocks * 512
        except NODE_FAULTS:
            written = 0
        if written < KEPT_PARTIAL_BYTES:
            self.discard()
        super().abandon()

    def discard(self) -> None:
        """Stop and remove what was written."""
        super().abandon()
        try:
            os.unlink(self._name, dir_fd=self._site.placer.folder(self.path))
        except FileNotFoundError:
            return
        except NODE_FAULTS as fault:
            self._fail("partial file not removed", fault)

    def _write(self, handle: Handle, offset: int, data: Buffer) -> None:
        if not (self._sparse and is_zero(data)):
            write_all(handle, offset, data)


class InPlaceFile(_WrittenFile):
    """An existing file of which only what differs is written. From the first write to `finish` its mode is 0600.

    Its modification time is set last, so a file that stayed half updated is seen to differ in the next run.
    """

    _guarded = False

    def finish(self, metadata: Metadata) -> Identity | None:
        """Cut it to its size and give it its metadata; None where it failed, it is then half updated."""
        if self.failed:
            self.abandon()
            return None
        try:
            handle = self._opened()
            if os.fstat(handle).st_size != self.size:
                os.ftruncate(handle, self.size)
            self._site.setter.apply(handle, os.fstat(handle), metadata, self.path)
        except NODE_FAULTS as fault:
            self._fail("not updated in place", fault)
        self.abandon()
        return None if self.failed else self._identity

    def discard(self) -> None:
        """Stop; unlike a partial file it keeps what was written."""
        self.abandon()

    def _write(self, handle: Handle, offset: int, data: Buffer) -> None:
        if not self._guarded:
            os.fchmod(handle, 0o600)
            self._guarded = True
        write_all(handle, offset, data)


def is_own_partial(status: os.stat_result) -> bool:
    """Whether a file under a partial name can only be what an earlier run of this user left."""
    owned = status.st_uid == os.geteuid() and not status.st_mode & 0o7077
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and owned


def is_updatable(status: os.stat_result, owner: int) -> bool:
    """Whether an existing file may be written in place: a regular file of one name, nobody else's, not a program.

    A program or library that runs would crash; a second name may be outside the destination.
    """
    alone = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
    return alone and not status.st_mode & 0o111 and status.st_uid in (owner, os.geteuid())
