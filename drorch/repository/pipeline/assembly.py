"""Trees put together from the bottom up, while their files are still being read.

A folder's tree is stored once it has been walked and every node in it is known; then the folder itself is a node of
its parent. Where nothing in a folder changed, the tree of the parent snapshot is used again, unwritten.
"""

from collections.abc import Callable

from drorch.ids import TreeId
from drorch.repository.node import encode_node
from drorch.repository.pack import BlobType
from drorch.repository.pipeline.previous import Previous, StoredNode
from drorch.repository.tree import encode_tree
from drorch.repository.writer import Writer

Child = str | StoredNode | None
"""What is known of a child: its JSON, or the very node of the parent snapshot; None where it was left out."""


class Folder:
    """A folder whose tree is being put together.

    `as_child` makes what its parent shall hold of it once its tree is known. Until the folder is closed, more
    children may be reserved; each must be filled.
    """

    __slots__ = ("as_child", "children", "missing", "parent", "place", "previous")

    def __init__(
        self,
        parent: "Folder | None",
        previous: Previous,
        as_child: Callable[[TreeId], Child],
        rank: int | None = None,
    ) -> None:
        self.parent = parent
        self.place = parent.reserve(rank) if parent is not None else 0
        self.previous = previous
        self.as_child = as_child
        self.children: list[Child] = []
        self.missing = 1

    def reserve(self, rank: int | None = None) -> int:
        """A place for a child: that of its rank, or the next; places ascend with the children's names."""
        place = len(self.children) if rank is None else rank
        self.children.extend([None] * (place + 1 - len(self.children)))
        self.missing += 1
        return place


class Assembly:
    """Stores the trees of folders as they become complete, up to the root."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self.root: TreeId | None = None

    def fill(self, folder: Folder, place: int, child: Child) -> None:
        """Put a child into its place."""
        folder.children[place] = child
        self._one_less(folder)

    def close(self, folder: Folder) -> None:
        """Say that the folder has no further children."""
        self._one_less(folder)

    def _one_less(self, folder: Folder) -> None:
        folder.missing -= 1
        while folder.missing == 0:
            tree = self._store(folder)
            if folder.parent is None:
                self.root = tree
                return
            folder.parent.children[folder.place] = folder.as_child(tree)
            folder = folder.parent
            folder.missing -= 1

    def _store(self, folder: Folder) -> TreeId:
        children, folder.children = [child for child in folder.children if child is not None], []
        previous = folder.previous
        if (
            previous.tree is not None
            and len(children) == len(previous.nodes)
            and all(isinstance(child, StoredNode) for child in children)
            and self._writer.knows(previous.tree, BlobType.TREE)
        ):
            return previous.tree
        encoded = (encode_node(child.node) if isinstance(child, StoredNode) else child for child in children)
        return self._writer.save_tree(encode_tree(encoded))
