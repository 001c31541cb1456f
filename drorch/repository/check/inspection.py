"""One tree looked at: what is wrong with its nodes, and which blobs of theirs are not there."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from drorch.ids import TreeId
from drorch.repository.check.damage import BlobStandings, State
from drorch.repository.check.findings import FindingKind, FindingList
from drorch.repository.node import Node, NodeType, is_safe_name
from drorch.repository.pack import BlobType
from drorch.repository.tree import Tree

_TYPES = frozenset(NodeType)


@dataclass(frozen=True, slots=True)
class Fault:
    """Findings, by number, that a node of a tree suffers from; the name is b"" where it is the tree itself."""

    name: bytes
    findings: frozenset[int]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a look at a tree showed. `unread` says that some data it needs was not read in this check."""

    subtrees: tuple[tuple[bytes, TreeId], ...]
    faults: tuple[Fault, ...]
    unread: bool


class Inspector:
    """Looks at trees. Looking at the same tree again says the same, in the same numbers."""

    def __init__(self, standings: BlobStandings, findings: FindingList) -> None:
        self._standings = standings
        self._findings = findings

    def inspect(self, tree_id: TreeId, tree: Tree) -> Inspection:
        """Look at every node; its data blobs are looked up, its subtrees are listed only."""
        subtrees: list[tuple[bytes, TreeId]] = []
        faults = list(self._order_faults(tree_id, tree))
        unread = False
        for node in tree:
            found = self._node_faults(tree_id, node) if _is_odd(node) else set()
            if node.type == NodeType.FILE and node.content:
                read = self._look_at_content(tree_id, node, found)
                unread = unread or not read
            elif node.type == NodeType.DIR and node.subtree is not None:
                subtrees.append((node.name, node.subtree))
            if found:
                faults.append(Fault(node.name, frozenset(found)))
        return Inspection(tuple(subtrees), tuple(faults), unread)

    def _order_faults(self, tree_id: TreeId, tree: Tree) -> Iterator[Fault]:
        names = [node.name for node in tree]
        if all(before < after for before, after in pairwise(names)):
            return
        descents = [(before, after) for before, after in pairwise(names) if after < before]
        if descents:
            before, after = descents[0]
            message = f"its names are not sorted: {_shown(after)} comes after {_shown(before)}"
            yield self._tree_fault(FindingKind.TREE_UNSORTED, tree_id, b"", message)
        once = set(names)
        for name in sorted(once) if len(once) < len(names) else ():
            if names.count(name) > 1:
                message = f"it has {names.count(name)} nodes named {_shown(name)}"
                yield self._tree_fault(FindingKind.TREE_DUPLICATE_NAME, tree_id, name, message)

    def _tree_fault(self, kind: FindingKind, tree_id: TreeId, name: bytes, message: str) -> Fault:
        return Fault(name, frozenset({self._add(kind, tree_id, name, message)}))

    def _add(self, kind: FindingKind, tree_id: TreeId, name: bytes, message: str) -> int:
        return self._findings.add(kind, tree_id.hex(), f"tree {tree_id.hex()[:16]}: {message}", name)

    def _node_faults(self, tree_id: TreeId, node: Node) -> set[int]:
        kinds = {
            FindingKind.NODE_UNSAFE_NAME: (not is_safe_name(node.name), "is no name that can be restored"),
            FindingKind.NODE_UNKNOWN_TYPE: (node.type not in _TYPES, f"has the unknown type {node.type[:40]!r}"),
            FindingKind.DIR_WITHOUT_SUBTREE: (
                node.type == NodeType.DIR and node.subtree is None,
                "is a folder without a tree of its own",
            ),
            FindingKind.FILE_WITHOUT_CONTENT: (
                node.type == NodeType.FILE and node.content is None,
                "is a file without a list of its content",
            ),
            FindingKind.FILE_SIZE: (
                node.type == NodeType.FILE and node.content == () and node.size > 0,
                f"is said to be {node.size} bytes long, its content has 0",
            ),
        }
        return {
            self._add(kind, tree_id, node.name, f"{_shown(node.name)} {what}")
            for kind, (wrong, what) in kinds.items()
            if wrong
        }

    def _look_at_content(self, tree_id: TreeId, node: Node, found: set[int]) -> bool:
        """Look up what a file consists of, add what is wrong to `found`; whether all of it was read in this check."""
        look_up = self._standings.of
        worst, length = State.READ, 0
        for blob_id in node.content or ():
            standing = look_up(blob_id, BlobType.DATA)
            length += standing.length
            if standing.state > worst:
                worst = standing.state
            if standing.state >= State.BAD:
                found |= self.blob_findings(blob_id, BlobType.DATA, standing.state)
        if length != node.size and worst < State.WRONG_TYPE:
            what = f"{_shown(node.name)} is said to be {node.size} bytes long, its content has {length}"
            found.add(self._add(FindingKind.FILE_SIZE, tree_id, node.name, what))
        return worst is State.READ

    def blob_findings(self, blob_id: bytes, blob_type: BlobType, state: State) -> frozenset[int]:
        """The numbers of the findings about a blob that is needed and stands badly."""
        if state is State.BAD:
            return self._standings.findings(blob_id, blob_type)
        blob = f"blob {blob_id.hex()[:16]}"
        if state is State.WRONG_TYPE:
            other = BlobType.DATA if blob_type is BlobType.TREE else BlobType.TREE
            message = f"{blob} is needed as {blob_type.word}, and is stored as {other.word}"
            kind = FindingKind.BLOB_WRONG_TYPE
        else:
            message, kind = f"{blob_type.word} {blob} is in no index", FindingKind.BLOB_NOT_INDEXED
        return frozenset({self._findings.add(kind, blob_id.hex(), message, bytes((blob_type,)))})


def _is_odd(node: Node) -> bool:
    """Whether a node needs a closer look: all that can be told without looking anything up."""
    if not is_safe_name(node.name):
        return True
    if node.type == NodeType.FILE:
        return not node.content and (node.content is None or node.size > 0)
    return node.subtree is None if node.type == NodeType.DIR else node.type not in _TYPES


def _shown(name: bytes) -> str:
    return f'"{name.decode("utf-8", "surrogateescape")[:200]}"'
