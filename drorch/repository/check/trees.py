"""All trees that snapshots need, each read once, level by level.

Of a tree only its number, its edges and its faults are kept, so that millions of folders fit in memory; nodes are
gone as soon as they were looked at. Nothing recurses, and depth is bounded.
"""

import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from drorch.errors import IntegrityError
from drorch.ids import BlobId, TreeId
from drorch.repository.check.damage import BlobStandings, State
from drorch.repository.check.findings import MOST_PATHS, FindingKind, FindingList
from drorch.repository.check.inspection import Fault, Inspector
from drorch.repository.fetch import fetch, plan_fetch
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.repository.tree import decode_tree
from drorch.units import KIB

MOST_LEVELS = 10_000
"""Folders within folders that are followed; no file system holds a path that deep."""

_GAP = 64 * KIB

_UNSOUND, _UNREAD = 1, 2


class Suffering:
    """How many nodes of one tree, itself included, suffer from each finding, and the names of the first few."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.names: dict[int, list[bytes]] = {}

    def add(self, fault: Fault) -> None:
        """Take in one node and what it suffers from."""
        self.counts.update(fault.findings)
        for finding in fault.findings:
            names = self.names.setdefault(finding, [])
            if len(names) < MOST_PATHS:
                names.append(fault.name)


class TreeGraph:
    """Which tree holds which, in numbers, and what is wrong with each."""

    def __init__(self) -> None:
        self._numbers: dict[TreeId, int] = {}
        self._parents = array("I")
        self._children = array("I")
        self._flags = bytearray()
        self.suffering: dict[int, Suffering] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, tree_id: TreeId) -> int:
        """The number of a tree that is known."""
        return self._numbers[tree_id]

    def ids(self) -> list[TreeId]:
        """The id of each tree, by number."""
        return list(self._numbers)

    def add(self, tree_id: TreeId) -> bool:
        """Take in a tree; whether it was unknown."""
        if tree_id in self._numbers:
            return False
        self._numbers[tree_id] = len(self._numbers)
        self._flags.append(0)
        return True

    def connect(self, parent: TreeId, child: TreeId) -> None:
        """A node of the one tree is the other."""
        self._parents.append(self._numbers[parent])
        self._children.append(self._numbers[child])

    def blame(self, tree_id: TreeId, faults: Iterable[Fault]) -> None:
        """Something is wrong with a tree, or with nodes of it."""
        number = self._numbers[tree_id]
        suffering = self.suffering.setdefault(number, Suffering())
        for fault in faults:
            suffering.add(fault)
        self._flags[number] |= _UNSOUND

    def mark_unread(self, tree_id: TreeId) -> None:
        """Not all data of its files was read."""
        self._flags[self._numbers[tree_id]] |= _UNREAD

    def settle(self) -> None:
        """Let every tree know what is wrong below it. Edges mostly lead down, so that few passes are needed."""
        flags, changed = self._flags, any(self._flags)
        while changed:
            changed = False
            for parent, child in zip(reversed(self._parents), reversed(self._children), strict=True):
                if flags[child] & ~flags[parent]:
                    flags[parent] |= flags[child]
                    changed = True

    def is_sound(self, tree_id: TreeId) -> bool:
        """Whether nothing is wrong with a tree and all below it."""
        return not self._flags[self._numbers[tree_id]] & _UNSOUND

    def is_read(self, tree_id: TreeId) -> bool:
        """Whether nothing is wrong, and all data was read in this check."""
        return not self._flags[self._numbers[tree_id]]

    def unsound_edges(self) -> Iterator[tuple[int, int]]:
        """(parent, child) for every node that leads to something that is wrong."""
        pairs = zip(self._parents, self._children, strict=True)
        return ((parent, child) for parent, child in pairs if self._flags[child] & _UNSOUND)


class TreeWalk:
    """Walks the trees of all snapshots."""

    def __init__(self, repository: Repository, standings: BlobStandings, findings: FindingList) -> None:
        self.graph = TreeGraph()
        self._inspector = Inspector(standings, findings)
        self._repository = repository
        self._standings = standings
        self._findings = findings
        self._found: list[TreeId] = []
        self._guard = threading.Lock()

    def walk(self, roots: Iterable[TreeId], seen: Callable[[int], None]) -> None:
        """Walk from these trees down; `seen` is called at each, with how many are known.

        Raises `TargetError`.
        """
        self._found = [root for root in roots if self.graph.add(root)]
        for _ in range(MOST_LEVELS):
            level, self._found = self._found, []
            if not level:
                break
            plan = plan_fetch(self._standings.index, ((tree_id, BlobType.TREE) for tree_id in level), gap=_GAP)

            def take(tree_id: BlobId, blob: bytes) -> None:
                with self._guard:
                    self._take_in(TreeId(tree_id), blob)
                    seen(len(self.graph))

            fetch(self._repository, plan, take, failed=self._lose)
        for tree_id in self._found:
            message = f"tree {tree_id.hex()[:16]} lies deeper than {MOST_LEVELS} folders"
            self._blame(tree_id, {self._findings.add(FindingKind.TREE_TOO_DEEP, tree_id.hex(), message)})
        self.graph.settle()

    def _take_in(self, tree_id: TreeId, blob: bytes) -> None:
        try:
            tree = decode_tree(blob)
        except IntegrityError as fault:
            self._blame(tree_id, {self._unreadable(tree_id, fault)})
            return
        standing = self._standings.of(tree_id, BlobType.TREE)
        if standing.state >= State.BAD:
            self._blame(tree_id, self._inspector.blob_findings(tree_id, BlobType.TREE, standing.state))
        inspection = self._inspector.inspect(tree_id, tree)
        if inspection.faults:
            self.graph.blame(tree_id, inspection.faults)
        if inspection.unread:
            self.graph.mark_unread(tree_id)
        for _, subtree in inspection.subtrees:
            if self.graph.add(subtree):
                self._found.append(subtree)
            self.graph.connect(tree_id, subtree)

    def _lose(self, blob_id: BlobId, fault: IntegrityError) -> None:
        with self._guard:
            tree_id = TreeId(blob_id)
            standing = self._standings.of(tree_id, BlobType.TREE)
            if standing.state >= State.BAD:
                self._blame(tree_id, self._inspector.blob_findings(tree_id, BlobType.TREE, standing.state))
            else:
                self._blame(tree_id, {self._unreadable(tree_id, fault)})

    def _blame(self, tree_id: TreeId, findings: Iterable[int]) -> None:
        self.graph.blame(tree_id, [Fault(b"", frozenset(findings))])

    def _unreadable(self, tree_id: TreeId, fault: IntegrityError) -> int:
        message = f"tree {tree_id.hex()[:16]} cannot be used: {fault.message}"
        return self._findings.add(FindingKind.TREE_UNREADABLE, tree_id.hex(), message)
