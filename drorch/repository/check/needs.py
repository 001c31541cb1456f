"""Which snapshots, and which paths in them, need what is damaged. Runs only where something is.

How many paths suffer is counted in the graph; only the few that are named are looked for in trees.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from drorch.errors import IntegrityError
from drorch.repository.check.findings import MOST_PATHS, MOST_SNAPSHOTS, Need
from drorch.repository.check.trees import TreeGraph
from drorch.repository.index import Index
from drorch.repository.node import NodeType
from drorch.repository.pack import BlobType
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.repository.tree import decode_tree

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class _Folder:
    """What matters of a tree: names that suffer by finding, at most `MOST_PATHS`, and subtrees that do."""

    names: dict[int, list[bytes]]
    subtrees: tuple[tuple[bytes, int], ...]


class NeedFinder:
    """Finds out who needs what is damaged."""

    def __init__(self, repository: Repository, index: Index, graph: TreeGraph) -> None:
        self._repository = repository
        self._index = index
        self._graph = graph
        self._ids = graph.ids()
        self._counts: dict[int, Counter[int]] = {}
        self._folder = lru_cache(_REMEMBERED)(self._look_at)

    def find(self, snapshots: Sequence[NamedSnapshot]) -> dict[int, tuple[list[Need], int]]:
        """For each finding that snapshots suffer from: who needs it, and how many more snapshots do."""
        self._counts = _counted(self._graph)
        needs: dict[int, tuple[list[Need], int]] = {}
        for item in snapshots:
            root = self._graph.number(item.snapshot.tree)
            for finding, count in self._counts.get(root, {}).items():
                named, more = needs.get(finding, ([], 0))
                if len(named) < MOST_SNAPSHOTS:
                    paths = tuple(self._paths(root, finding))
                    named.append(Need(item.id, paths, count - len(paths)))
                else:
                    more += 1
                needs[finding] = (named, more)
        return needs

    def _paths(self, root: int, finding: int) -> list[str]:
        found: list[bytes] = []
        pending: list[tuple[bytes, int]] = [(b"", root)]
        while pending and len(found) < MOST_PATHS:
            path, number = pending.pop()
            folder = self._folder(number)
            # The root of a snapshot has no name of its own.
            found += ((path if not name else path + b"/" + name) or b"/" for name in folder.names.get(finding, ()))
            pending += (
                (path + b"/" + name, child)
                for name, child in reversed(folder.subtrees)
                if finding in self._counts.get(child, ())
            )
        return [path.decode("utf-8", "surrogateescape") for path in found[:MOST_PATHS]]

    def _look_at(self, number: int) -> _Folder:
        suffering = self._graph.suffering.get(number)
        return _Folder({} if suffering is None else suffering.names, tuple(self._subtrees(number)))

    def _subtrees(self, number: int) -> Iterator[tuple[bytes, int]]:
        tree_id = self._ids[number]
        for location in self._index.locations(tree_id, BlobType.TREE):
            try:
                tree = decode_tree(self._repository.load_copy(location))
            except IntegrityError:
                continue
            for node in tree:
                if node.type == NodeType.DIR and node.subtree is not None:
                    child = self._graph.number(node.subtree)
                    if child in self._counts:
                        yield node.name, child
            return


def _counted(graph: TreeGraph) -> dict[int, Counter[int]]:
    """For each tree that suffers: by finding, how many paths in and below it do."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for parent, child in graph.unsound_edges():
        children[parent].append(child)
    counts: dict[int, Counter[int]] = {}
    for start in {*graph.suffering, *children}:
        pending = [start]
        while pending:
            number = pending[-1]
            if number in counts:
                pending.pop()
                continue
            waiting = [child for child in children.get(number, ()) if child not in counts]
            if waiting:
                pending += waiting
                continue
            pending.pop()
            suffering = graph.suffering.get(number)
            total = Counter() if suffering is None else Counter(suffering.counts)
            for child in children.get(number, ()):
                total.update(counts[child])
            counts[number] = total
    return counts
