"""Snapshots made of whole cloth, so that tests can say exactly what a tree holds, however hostile."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from drorch.ids import BlobId, SnapshotId, TreeId
from drorch.repository.keys import ScryptCost
from drorch.repository.node import Node, NodeType, encode_node
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository, initialize
from drorch.repository.snapshot import Snapshot
from drorch.repository.tree import encode_tree
from drorch.repository.writer import Writer
from drorch.storage.memory import MemoryTarget
from tests.doubles import FakeClock

Tree = Mapping[bytes, "bytes | Node | Tree"]
"""A folder: names with file contents, nodes, or folders."""

_BILLION = 1_000_000_000
_FOLDER_MODE = (1 << 31) | 0o755


def new_repository() -> Repository:
    """An empty repository in memory, with a clock that stands still and the cheapest legal scrypt."""
    return initialize(MemoryTarget(), "x", cost=ScryptCost(2, 1, 1), clock=FakeClock())


def bare_node(name: bytes, node_type: str = NodeType.FILE, mode: int = 0o644) -> Node:
    """A node of root's, last changed one second after 1970."""
    return Node(name=name, type=node_type, mode=mode, mtime=_BILLION, atime=_BILLION, ctime=_BILLION, uid=0, gid=0)


@contextmanager
def writing(repository: Repository) -> Iterator["TreeWriter"]:
    """Write trees and snapshots until the block ends."""
    with Writer(repository) as writer:
        yield TreeWriter(writer)


class TreeWriter:
    """Stores what tests describe."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._packer = writer.sealing.packer(BlobType.DATA, writer.accept)

    def blob(self, content: bytes) -> BlobId:
        """Store a data blob."""
        blob_id = BlobId(hashlib.sha256(content).digest())
        if self._writer.claim([blob_id], BlobType.DATA)[0]:
            self._packer.add(self._packer.seal(blob_id, content))
        return blob_id

    def file(self, name: bytes, *pieces: bytes) -> Node:
        """A file whose content is these blobs."""
        content = tuple(map(self.blob, pieces))
        return replace(bare_node(name), content=content, size=sum(map(len, pieces)))

    def folder(self, name: bytes, subtree: TreeId) -> Node:
        """A folder that holds a tree."""
        return replace(bare_node(name, NodeType.DIR, _FOLDER_MODE), subtree=subtree)

    def nodes(self, *nodes: Node) -> TreeId:
        """Store a tree of these nodes."""
        return self._writer.save_tree(encode_tree(map(encode_node, sorted(nodes, key=lambda node: node.name))))

    def tree(self, tree: Tree) -> TreeId:
        """Store a tree and all below it."""
        return self.nodes(*(self._node(name, item) for name, item in tree.items()))

    def _node(self, name: bytes, item: "bytes | Node | Tree") -> Node:
        if isinstance(item, bytes):
            return self.file(name, *([item] if item else []))
        return item if isinstance(item, Node) else self.folder(name, self.tree(item))

    def snapshot(
        self, root: TreeId, *, second: int = 0, host: str = "h", path: str = "/p", tag: str = ""
    ) -> SnapshotId:
        """Commit a snapshot; `second` orders it."""
        self._packer.flush()
        tags = tuple(filter(None, tag.split(",")))
        return self._writer.save_snapshot(Snapshot(second * _BILLION, root, (path,), hostname=host, tags=tags))
