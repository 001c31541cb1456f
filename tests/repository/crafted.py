"""Repositories made by hand, of the engine's own parts: sound ones, and ones with faults that no client would write."""

import os
from dataclasses import dataclass, replace

from drorch.ids import BlobId, PackId, SnapshotId, TreeId
from drorch.repository.index import encode_index
from drorch.repository.keys import ScryptCost
from drorch.repository.layout import FileKind, key_of
from drorch.repository.node import Node, NodeType, encode_node
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.repository import Repository, initialize
from drorch.repository.snapshot import Snapshot, encode_snapshot
from drorch.repository.tree import encode_tree
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Target
from tests.doubles import FakeClock
from tests.repository.blobs import Plain, build
from tests.restic import PASSWORD

CHEAP = ScryptCost(2, 1, 1)
SOME_TIME = 1_700_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class SavedPack:
    """A pack that was saved, and what a true index says of it."""

    id: PackId
    blobs: tuple[PackedBlob, ...]

    @property
    def key(self) -> str:
        return key_of(FileKind.PACK, self.id)


class Crafted:
    """A repository in the making: a new one, or one that exists and is to get more."""

    def __init__(self, target: Target | None = None, existing: Repository | None = None) -> None:
        fresh = existing or initialize(target or MemoryTarget(), PASSWORD, cost=CHEAP, clock=FakeClock())
        self.repository = fresh
        self.target = fresh.target

    def pack(self, *blobs: Plain) -> SavedPack:
        """Save a pack; nothing indexes it yet."""
        finished, content = build(blobs, self.repository.box)
        saved = SavedPack(finished.id, finished.blobs)
        self.target.save(saved.key, content)
        return saved

    def index(self, *packs: SavedPack) -> bytes:
        """Save an index file of these packs; its id."""
        return self.repository.files.save(FileKind.INDEX, encode_index((pack.id, pack.blobs) for pack in packs))

    def indexed(self, *blobs: Plain) -> SavedPack:
        """Save a pack and an index file for it."""
        saved = self.pack(*blobs)
        self.index(saved)
        return saved

    def snapshot(self, tree: Plain, number: int = 0) -> SnapshotId:
        """Save a snapshot; the higher its number, the younger it is."""
        snapshot = Snapshot(time=SOME_TIME + number * 10**9, tree=TreeId(tree.id), paths=("/",), hostname="h")
        return SnapshotId(self.repository.files.save(FileKind.SNAPSHOT, encode_snapshot(snapshot)))

    def reopened(self) -> Repository:
        """The repository as one who comes new to it sees it."""
        return Repository.open(self.target, PASSWORD, FakeClock())


def data(text: str, *, compressed: bool = True) -> Plain:
    """A data blob."""
    return Plain(BlobType.DATA, text.encode(), compressed)


def noise(size: int) -> Plain:
    """A data blob that does not compress."""
    return Plain(BlobType.DATA, os.urandom(size), compressed=False)


def tree(*nodes: Node | str) -> Plain:
    """A tree of nodes in the order given; one that is a string is put in as it is."""
    return Plain(BlobType.TREE, encode_tree(map(_encoded, nodes)), compressed=True)


def _encoded(node: Node | str) -> str:
    return node if isinstance(node, str) else encode_node(node)


def file(name: str | bytes, *content: Plain) -> Node:
    """A file that consists of these blobs."""
    size = sum(len(blob.content) for blob in content)
    node = _node(name, NodeType.FILE)
    return replace(node, mode=0o644, size=size, links=1, content=tuple(BlobId(blob.id) for blob in content))


def folder(name: str | bytes, subtree: Plain) -> Node:
    """A folder with this tree."""
    return replace(_node(name, NodeType.DIR), mode=1 << 31 | 0o755, subtree=TreeId(subtree.id))


def _node(name: str | bytes, kind: NodeType) -> Node:
    raw = name if isinstance(name, bytes) else name.encode()
    return Node(name=raw, type=kind, mode=0, mtime=SOME_TIME, atime=SOME_TIME, ctime=SOME_TIME, uid=0, gid=0)


def overwritten(content: bytes, place: int) -> bytes:
    """The same bytes but for one bit at a place."""
    return content[:place] + bytes((content[place] ^ 1,)) + content[place + 1 :]
