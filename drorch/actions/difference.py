"""What differs between two snapshots: paths that came, went or changed, and what that means in blobs and bytes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum

from drorch.actions.listing import MAX_DEPTH, joined
from drorch.errors import IntegrityError
from drorch.ids import BlobId, TreeId
from drorch.repository.node import Node, NodeType
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository


class Modifier(StrEnum):
    """How a path changed, in restic's letters."""

    ADDED = "+"
    REMOVED = "-"
    CONTENT = "M"
    METADATA = "U"
    TYPE = "T"


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs; a folder's path ends with "/". `modifier` holds one or more letters."""

    path: bytes
    modifier: str


@dataclass(slots=True)
class Side:
    """What one of two snapshots has that the other has not. `size` counts bytes of blobs before compression."""

    files: int = 0
    dirs: int = 0
    others: int = 0
    data_blobs: int = 0
    tree_blobs: int = 0
    size: int = 0

    def count(self, node: Node) -> None:
        """Take a node in."""
        if node.type == NodeType.FILE:
            self.files += 1
        elif node.type == NodeType.DIR:
            self.dirs += 1
        else:
            self.others += 1


@dataclass(slots=True)
class Totals:
    """The sums of a comparison, complete once its last change has been read."""

    changed_files: int = 0
    added: Side = field(default_factory=Side)
    removed: Side = field(default_factory=Side)


_Blob = tuple[BlobType, bytes]
_CONTENT = ("content", "linktarget", "device")
_OF_NO_INTEREST = frozenset({"atime", "ctime", "inode", "device_id", "subtree", "size"})
_METADATA = tuple(item.name for item in fields(Node) if item.name not in _OF_NO_INTEREST)


class Comparison:
    """One snapshot's tree (old) against another's (new). Read `changes` to its end, then `totals` is complete.

    Raises `IntegrityError` where a tree is damaged or folders nest too deep.
    """

    def __init__(self, repository: Repository, *, metadata: bool = False) -> None:
        self._repository = repository
        self._metadata = metadata
        self._blobs: tuple[set[_Blob], set[_Blob]] = (set(), set())
        self.totals = Totals()

    def changes(self, old: TreeId, new: TreeId, base: bytes = b"/") -> Iterator[Change]:
        """Every path that differs, in the order of the trees."""
        stack = [self._pairs(base, old, new)]
        while stack:
            step = next(stack[-1], None)
            if step is None:
                stack.pop()
                continue
            path, before, after = step
            yield from self._compare(path, before, after)
            old_tree, new_tree = _subtree(before), _subtree(after)
            if old_tree is None and new_tree is None:
                continue
            if old_tree == new_tree and self._seen(old_tree):
                continue
            if len(stack) >= MAX_DEPTH:
                raise IntegrityError(f"the folders of a snapshot nest deeper than {MAX_DEPTH}")
            stack.append(self._pairs(path, old_tree, new_tree))
        self._sum_up()

    def _seen(self, tree: TreeId | None) -> bool:
        return tree is not None and all((BlobType.TREE, tree) in blobs for blobs in self._blobs)

    def _pairs(
        self, folder: bytes, old: TreeId | None, new: TreeId | None
    ) -> Iterator[tuple[bytes, Node | None, Node | None]]:
        if old == new:
            before = after = self._children(old, *self._blobs)
        else:
            before, after = self._children(old, self._blobs[0]), self._children(new, self._blobs[1])
        for name in sorted(before.keys() | after.keys()):
            yield joined(folder, name), before.get(name), after.get(name)

    def _children(self, tree: TreeId | None, *sides: set[_Blob]) -> dict[bytes, Node]:
        if tree is None:
            return {}
        nodes = {node.name: node for node in self._repository.load_tree(tree)}
        for blobs in sides:
            blobs.add((BlobType.TREE, tree))
            for node in nodes.values():
                blobs.update((BlobType.DATA, blob) for blob in node.content or ())
        return nodes

    def _compare(self, path: bytes, before: Node | None, after: Node | None) -> Sequence[Change]:
        if before is None or after is None:
            node, side, modifier = (
                (after, self.totals.added, Modifier.ADDED)
                if after is not None
                else (before, self.totals.removed, Modifier.REMOVED)
            )
            assert node is not None
            side.count(node)
            return (Change(_shown(path, node), modifier),)
        modifier_text = ""
        if before.type != after.type:
            modifier_text = Modifier.TYPE.value
        elif any(getattr(before, name) != getattr(after, name) for name in _CONTENT):
            modifier_text = Modifier.CONTENT.value
            self.totals.changed_files += 1
        elif self._metadata and any(getattr(before, name) != getattr(after, name) for name in _METADATA):
            modifier_text = Modifier.METADATA.value
        return (Change(_shown(path, after), modifier_text),) if modifier_text else ()

    def _sum_up(self) -> None:
        old, new = self._blobs
        for side, blobs in ((self.totals.removed, old - new), (self.totals.added, new - old)):
            for blob_type, blob_id in blobs:
                side.tree_blobs += blob_type is BlobType.TREE
                side.data_blobs += blob_type is BlobType.DATA
                locations = self._repository.index.locations(BlobId(blob_id), blob_type)
                side.size += locations[0].blob.plaintext_length if locations else 0


def _subtree(node: Node | None) -> TreeId | None:
    return node.subtree if node is not None and node.type == NodeType.DIR else None


def _shown(path: bytes, node: Node) -> bytes:
    return path + b"/" if node.type == NodeType.DIR else path
