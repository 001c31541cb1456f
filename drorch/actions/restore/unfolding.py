"""How far a snapshot's trees unfold: few trees that hold one another many times over make more nodes than any disk."""

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.actions.listing import MAX_DEPTH
from drorch.errors import IntegrityError
from drorch.ids import TreeId
from drorch.repository.node import Node, NodeType
from drorch.repository.repository import Repository

_REPEATED_FREELY = 10_000
_MOST_NODES = 2_000_000
_MOST_NODES_PER_STORED = 1_000
"""Real folders share trees where a file system has snapshots of itself within it, a thousand perhaps."""


class Unfolding:
    """Is told of every tree that a walk enters, and ends the walk where there is no end in sight.

    Nothing is measured before many nodes have been met again, so an ordinary snapshot costs nothing but a set.
    """

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._root: TreeId | None = None
        self._seen: set[TreeId] = set()
        self._repeated = 0
        self._measured = False

    def enter(self, tree: TreeId, nodes: int) -> None:
        """A tree of so many nodes is gone through, the root first.

        Raises `IntegrityError` where the nodes of all trees are beyond measure.
        """
        self._root = self._root or tree
        if tree not in self._seen:
            self._seen.add(tree)
            return
        self._repeated += nodes
        if self._repeated > _REPEATED_FREELY and not self._measured:
            self._measure(self._root)
            self._measured = True

    def _measure(self, root: TreeId) -> None:
        """Count the nodes of all trees as often as they occur, loading each tree once."""
        stored = 0
        totals: dict[TreeId, int] = {}
        stack = [self._opened(root)]
        while stack:
            top = stack[-1]
            subtree = next(top.subtrees, None)
            if subtree is None:
                stack.pop()
                totals[top.tree] = top.total
                stored += top.own
                if stack:
                    stack[-1].total += top.total
            elif subtree in totals:
                top.total += totals[subtree]
            elif len(stack) > MAX_DEPTH:
                raise too_deep()
            else:
                stack.append(self._opened(subtree))
        if totals[root] > max(_MOST_NODES, _MOST_NODES_PER_STORED * stored):
            raise IntegrityError(
                f"the trees of this snapshot unfold to {totals[root]:.3g} nodes, of which {stored} are stored",
                hint="Restore a part of it: SNAPSHOT:/PATH.",
            )

    def _opened(self, tree: TreeId) -> "_Opened":
        try:
            nodes = self._repository.load_tree(tree).nodes
        except IntegrityError:
            nodes = ()
        return _Opened(tree, len(nodes), len(nodes), _subtrees(nodes))


@dataclass(slots=True)
class _Opened:
    """A tree being measured: its own nodes, and all below it found so far."""

    tree: TreeId
    own: int
    total: int
    subtrees: Iterator[TreeId]


def _subtrees(nodes: tuple[Node, ...]) -> Iterator[TreeId]:
    return iter([node.subtree for node in nodes if node.type == NodeType.DIR and node.subtree is not None])


def too_deep() -> IntegrityError:
    """The error for folders in folders without end."""
    return IntegrityError(f"the folders of this snapshot nest deeper than {MAX_DEPTH}")
