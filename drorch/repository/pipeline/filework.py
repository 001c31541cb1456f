"""Reading files into blobs: what a worker does, and what drorch does itself where little is to be done.

Files become *parcels*: blobs with their ids, at most a few MiB, together with the results of the files that are
complete with them. A parcel's blobs are claimed, then those granted are sealed and packed.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from drorch.ids import BlobId
from drorch.repository.chunker import MIN_BYTES, Chunker
from drorch.repository.node import Node, encode_node, go_mode, type_of_mode
from drorch.repository.packer import BlobPacker, SealedBlob
from drorch.repository.pipeline.entries import Details, OpenedFile, Reader, Stat
from drorch.repository.pipeline.messages import FileResult, FileTask
from drorch.units import MIB

PARCEL_BYTES = 4 * MIB
PARCEL_BLOBS = 512
_LARGE_BLOB = 256 * 1024
_SEALING_THREADS = 2


@dataclass(slots=True)
class Parcel:
    """Blobs to be claimed together; the files, and the count of batches, that are complete once they are stored."""

    blobs: list[tuple[BlobId, bytes]] = field(default_factory=list)
    size: int = 0
    results: list[FileResult] = field(default_factory=list)
    batches: int = 0

    @property
    def full(self) -> bool:
        """Whether it should go now."""
        return self.size >= PARCEL_BYTES or len(self.blobs) >= PARCEL_BLOBS

    @property
    def ids(self) -> tuple[BlobId, ...]:
        """The ids of its blobs, in order."""
        return tuple(blob_id for blob_id, _ in self.blobs)


class FileWork:
    """Turns files into parcels and stores what of them is granted."""

    def __init__(self, reader: Reader, chunker: Chunker, packer: BlobPacker) -> None:
        self._reader = reader
        self._chunker = chunker
        self._packer = packer
        self._small = memoryview(bytearray(MIN_BYTES + 1))
        self._pool = ThreadPoolExecutor(_SEALING_THREADS, thread_name_prefix="sealer")

    def parcels(self, tasks: Iterable[FileTask]) -> Iterator[Parcel]:
        """The tasks' files as parcels, in order. A file that cannot be read is a result without a node."""
        parcel = Parcel()
        for task in tasks:
            try:
                content: list[BlobId] = []
                with _Reading(self._reader, task) as reading:
                    for blob_id, data in self._blobs(reading.file):
                        content.append(blob_id)
                        parcel.blobs.append((blob_id, data))
                        parcel.size += len(data)
                        reading.size += len(data)
                        if parcel.full:
                            yield parcel
                            parcel = Parcel()
                result = reading.result(content)
            except OSError as fault:
                result = FileResult(task.ticket, None, 0, (describe(fault),))
            parcel.results.append(result)
        if parcel.results or parcel.blobs:
            yield parcel

    def _blobs(self, file: OpenedFile) -> Iterator[tuple[BlobId, bytes]]:
        if file.blob_bytes is not None:
            yield from _pieces(file, file.blob_bytes)
            return
        # Most files are smaller than the smallest chunk: they need no chunker and a single read. A read that comes
        # up short at the size the file had is not asked for more: a file that grew meanwhile is told by `changed`.
        filled, expected = 0, file.stat.st_size
        while filled < len(self._small):
            count = file.readinto(self._small[filled:])
            filled += count
            if count == 0 or filled == expected:
                break
        head = bytes(self._small[:filled])
        if filled <= MIN_BYTES:
            if filled:
                yield BlobId(hashlib.sha256(head).digest()), head
            return
        for chunk in self._chunker.chunks(_Prefixed(head, file)):
            data = bytes(chunk)
            yield BlobId(hashlib.sha256(data).digest()), data

    def store(self, parcel: Parcel, granted: Sequence[bool]) -> None:
        """Seal and pack the blobs that were granted; large ones on several cores."""
        self.pack(self.sealing(parcel, granted))

    def sealing(self, parcel: Parcel, granted: Sequence[bool]) -> Iterator[SealedBlob]:
        """Begin to seal the blobs that were granted, large ones beside whatever is done meanwhile."""
        blobs = [blob for blob, wanted in zip(parcel.blobs, granted, strict=True) if wanted]
        if blobs and parcel.size > len(parcel.blobs) * _LARGE_BLOB:
            return self._pool.map(lambda blob: self._packer.seal(*blob), blobs)
        return (self._packer.seal(*blob) for blob in blobs)

    def pack(self, sealed: Iterator[SealedBlob]) -> None:
        """Pack blobs as they are sealed."""
        for blob in sealed:
            self._packer.add(blob)

    def finish(self) -> None:
        """Hand on the open pack and end the threads."""
        self._packer.flush()
        self._pool.shutdown()

    def discard(self) -> None:
        """Drop the open pack and end the threads."""
        self._pool.shutdown(cancel_futures=True)
        self._packer.discard()


def _pieces(file: OpenedFile, size: int) -> Iterator[tuple[BlobId, bytes]]:
    """The content in blobs of one size; only the last may be shorter."""
    buffer = memoryview(bytearray(size))
    while True:
        filled = 0
        while filled < size and (count := file.readinto(buffer[filled:])):
            filled += count
        if filled:
            data = bytes(buffer[:filled])
            yield BlobId(hashlib.sha256(data).digest()), data
        if filled < size:
            return


class _Prefixed:
    """A file whose first bytes have been read already."""

    def __init__(self, head: bytes, rest: OpenedFile) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readinto(self, buffer: memoryview) -> int:
        """First the head, then the rest."""
        if not self._head:
            return self._rest.readinto(buffer)
        count = min(len(self._head), len(buffer))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        return count


class _Reading:
    """One file being read: opened on entry, closed on exit."""

    def __init__(self, reader: Reader, task: FileTask) -> None:
        self._task = task
        self.file = reader.open(task.locator)
        self.size = 0

    def __enter__(self) -> "_Reading":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._changed = self.file.changed()
            self._details = self.file.details()
        self.file.close()

    def result(self, content: list[BlobId]) -> FileResult:
        """The node of the file as it was read, and what could not be."""
        task, stat = self._task, self.file.stat
        same = (stat.st_dev, stat.st_ino) == (task.device_id, task.inode)
        node = replace(
            build_node(task.name, stat, self._details, with_atime=task.with_atime),
            links=task.links if same else 1,
            inode=task.inode if same and not task.omit_inode else 0,
            content=tuple(content),
            size=self.size,
        )
        problems = self._details.problems + ((self._changed,) if self._changed else ())
        return FileResult(task.ticket, encode_node(node), self.size, problems)


def build_node(name: bytes, stat: Stat, details: Details, *, with_atime: bool) -> Node:
    """The node of an entry, without content or subtree. Raises `ValueError` for a kind of file that has no node."""
    kind = type_of_mode(stat.st_mode)
    return Node(
        name=name,
        type=kind,
        mode=go_mode(stat.st_mode),
        mtime=stat.st_mtime_ns,
        atime=stat.st_atime_ns if with_atime else stat.st_mtime_ns,
        ctime=stat.st_ctime_ns,
        uid=stat.st_uid,
        gid=stat.st_gid,
        user=details.user,
        group=details.group,
        inode=stat.st_ino,
        device_id=stat.st_dev,
        links=0 if kind in ("dir", "fifo", "socket") else stat.st_nlink,
        linktarget=details.linktarget,
        xattrs=tuple((os.fsdecode(key), value) for key, value in details.xattrs),
        device=stat.st_rdev if kind in ("dev", "chardev") else 0,
    )


def describe(fault: OSError) -> str:
    """What the system says of a file that could not be read."""
    return (fault.strerror or str(fault)).lower()
