"""Writes one file of a snapshot, or a folder as a tar stream, to any binary stream.

Every blob is verified before its bytes are written; a damaged one ends the stream with an error, never with
other bytes.
"""

import tarfile
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO

from drorch.actions.listing import Place, Visit, find_place, walk
from drorch.errors import IntegrityError, UsageError
from drorch.ids import BlobId, TreeId
from drorch.repository.node import Node, NodeType, is_safe_name, permissions
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository

_AHEAD = 8
"""Blobs read ahead; at 8 MiB each at most, 64 MiB of memory."""

_BILLION = 1_000_000_000
_TAR_TYPES = {
    NodeType.FILE.value: tarfile.REGTYPE,
    NodeType.DIR.value: tarfile.DIRTYPE,
    NodeType.SYMLINK.value: tarfile.SYMTYPE,
    NodeType.DEV.value: tarfile.BLKTYPE,
    NodeType.CHARDEV.value: tarfile.CHRTYPE,
    NodeType.FIFO.value: tarfile.FIFOTYPE,
}


def dump(repository: Repository, root: TreeId, path: bytes, out: BinaryIO) -> None:
    """Write the file at an absolute path, or the folder there as tar.

    Raises `UsageError` where the path is not in the snapshot or holds nothing to write, and `IntegrityError`.
    """
    place = find_place(repository, root, path)
    with ThreadPoolExecutor(max(2, repository.target.properties.connections)) as pool:
        content = Content(repository, pool)
        if place.tree is not None:
            TarWriter(content, out).write(repository, place)
        elif place.node is not None and place.node.type == NodeType.FILE:
            for piece in content.pieces(place.node):
                out.write(piece)
        else:
            kind = place.node.type if place.node else "thing"
            raise UsageError(f"{_text(path)} is a {kind}, not a file or a folder", hint="Dump the folder it is in.")


class Content:
    """Reads the content of files, a few blobs ahead."""

    def __init__(self, repository: Repository, pool: ThreadPoolExecutor) -> None:
        self._repository = repository
        self._pool = pool

    def pieces(self, node: Node) -> Iterator[bytes]:
        """The bytes of a file, blob by blob. Raises `IntegrityError`."""
        waiting: deque[Future[bytes]] = deque()
        blobs = iter(node.content or ())
        for blob in blobs:
            waiting.append(self._submit(blob))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _submit(self, blob: BlobId) -> Future[bytes]:
        return self._pool.submit(self._repository.load_blob, blob, BlobType.DATA)


class _Stream:
    """What tarfile reads a file from."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        parts, missing = [], size
        while missing:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        return b"".join(parts)


class TarWriter:
    """Writes the nodes of a folder as a tar stream in POSIX (pax) form, hard links and xattrs included."""

    def __init__(self, content: Content, out: BinaryIO) -> None:
        self._content = content
        self._out = out
        self._links: dict[tuple[int, int], str] = {}

    def write(self, repository: Repository, place: Place) -> None:
        """Write the folder's content, named relative to it."""
        assert place.tree is not None
        prefix = len(place.path.rstrip(b"/")) + 1
        with tarfile.open(fileobj=self._out, mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for visit in walk(repository, place.tree, place.path):
                if not is_safe_name(visit.node.name):
                    raise IntegrityError(f"{_text(visit.path)} is a path that would lead out of the folder")
                if visit.node.type in _TAR_TYPES:
                    self._add(archive, visit, _text(visit.path[prefix:]))

    def _add(self, archive: tarfile.TarFile, visit: Visit, name: str) -> None:
        node = visit.node
        info = tar_info(node, name)
        key = (node.device_id, node.inode)
        if node.type != NodeType.FILE:
            archive.addfile(info)
        elif node.links > 1 and node.inode and key in self._links:
            info.type, info.size, info.linkname = tarfile.LNKTYPE, 0, self._links[key]
            archive.addfile(info)
        else:
            if node.links > 1 and node.inode:
                self._links[key] = name
            self._add_content(archive, info, visit)

    def _add_content(self, archive: tarfile.TarFile, info: tarfile.TarInfo, visit: Visit) -> None:
        stream = _Stream(self._content.pieces(visit.node))
        try:
            archive.addfile(info, stream)  # type: ignore[arg-type] # addfile only calls read
        except BrokenPipeError:
            raise
        except OSError as fault:
            if fault.errno is not None:
                raise
            raise IntegrityError(f"{_text(visit.path)} has fewer bytes than its size says") from fault
        if stream.read(1):
            raise IntegrityError(f"{_text(visit.path)} has more bytes than its size says")


def tar_info(node: Node, name: str) -> tarfile.TarInfo:
    """The tar header of a node."""
    info = tarfile.TarInfo(name)
    info.type = _TAR_TYPES[node.type]
    info.mode = permissions(node.mode)
    info.uid, info.gid, info.uname, info.gname = node.uid, node.gid, node.user, node.group
    info.mtime = node.mtime // _BILLION
    info.size = node.size if node.type == NodeType.FILE else 0
    if node.linktarget is not None:
        info.linkname = _text(node.linktarget)
    info.devmajor, info.devminor = _device_numbers(node.device)
    info.pax_headers = {
        "mtime": f"{'-' if node.mtime < 0 else ''}{abs(node.mtime) // _BILLION}.{abs(node.mtime) % _BILLION:09}",
        **{f"SCHILY.xattr.{key}": _text(value) for key, value in node.xattrs if "=" not in key},
    }
    return info


def _device_numbers(device: int) -> tuple[int, int]:
    """Major and minor of Linux's 64-bit encoding, whatever machine reads it."""
    return (device >> 8) & 0xFFF | (device >> 32) & ~0xFFF, device & 0xFF | (device >> 12) & ~0xFF


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
