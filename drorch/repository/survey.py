"""What snapshots need of one repository that another one lacks: found by their trees, level by level.

Nothing recurses. Of a tree that was read, only its id is kept.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from drorch.errors import IntegrityError
from drorch.ids import BlobId, TreeId
from drorch.repository.fetch import fetch, plan_fetch
from drorch.repository.node import decode_id
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.repository.tree import decode_fields
from drorch.units import KIB

_GAP = 64 * KIB

Nodes = Sequence[Mapping[str, Any]]
Beside = tuple[TreeId, TreeId | None]
"""A tree that is to be copied, and the one in its place in a snapshot that the destination has."""


class Survey:
    """Walks trees of `source` and gathers what `destination` lacks of them.

    `trees` and `data` are blobs to be sent, `lost` those of them that cannot be read, each with the reason.
    """

    def __init__(self, source: Repository, destination: Repository) -> None:
        self._source = source
        self._destination = destination
        self._walked: set[TreeId] = set()
        self._complete: set[TreeId] = set()
        self.trees: list[TreeId] = []
        self.data: set[BlobId] = set()
        self.lost: dict[bytes, str] = {}

    def walk(self, roots: Iterable[Beside]) -> None:
        """Walk from these trees down. All that hangs on a tree of the destination's snapshots is there, and is passed.

        Raises `TargetError`.
        """
        level = self._to_walk(roots)
        while level:
            there: dict[TreeId, Mapping[str, TreeId]] = {}
            self._read({known for known in level.values() if known is not None}, partial(self._note, there), {})
            level = self._to_walk(level.items())
            self._walked.update(level)
            below: list[Beside] = []
            self._read(level, partial(self._take_in, level, there, below), self.lost)
            level = self._to_walk(below)

    def _to_walk(self, level: Iterable[Beside]) -> dict[TreeId, TreeId | None]:
        return {tree: known for tree, known in level if tree not in self._walked and not self._is_whole(tree, known)}

    def _is_whole(self, tree: TreeId, known: TreeId | None) -> bool:
        """Whether all of a tree is in the destination, so that nothing of it needs to be read."""
        return (tree == known or tree in self._complete) and self._destination.index.has(tree, BlobType.TREE)

    def _note(self, there: dict[TreeId, Mapping[str, TreeId]], tree: TreeId, nodes: Nodes) -> None:
        there[tree] = {node["name"]: TreeId(decode_id(node["subtree"])) for node in nodes if node.get("subtree")}
        self._complete.update(there[tree].values())

    def _take_in(
        self,
        level: Mapping[TreeId, TreeId | None],
        there: Mapping[TreeId, Mapping[str, TreeId]],
        below: list[Beside],
        tree: TreeId,
        nodes: Nodes,
    ) -> None:
        known = level[tree]
        folders = there.get(known, {}) if known is not None else {}
        for node in nodes:
            if node.get("subtree"):
                below.append((TreeId(decode_id(node["subtree"])), folders.get(node["name"])))
            for text in node.get("content") or ():
                blob = BlobId(decode_id(text))
                if blob not in self.data and not self._destination.index.has(blob, BlobType.DATA):
                    self.data.add(blob)
        if not self._destination.index.has(tree, BlobType.TREE):
            self.trees.append(tree)

    def _read(self, trees: Iterable[TreeId], take: Callable[[TreeId, Nodes], None], lost: dict[bytes, str]) -> None:
        """Give each of these trees to `take`, one at a time, or to `lost` where it cannot be read or is none."""

        def deliver(blob_id: BlobId, blob: bytes) -> None:
            try:
                take(TreeId(blob_id), decode_fields(blob))
            except IntegrityError as fault:
                lost[blob_id] = f"tree {blob_id.hex()[:16]}: {fault.message}"
            except (KeyError, ValueError, TypeError, AttributeError) as fault:
                lost[blob_id] = f"tree {blob_id.hex()[:16]} cannot be understood ({fault})"

        def fail(blob_id: BlobId, fault: IntegrityError) -> None:
            lost[blob_id] = fault.message

        plan = plan_fetch(self._source.index, ((tree, BlobType.TREE) for tree in trees), gap=_GAP)
        fetch(self._source, plan, deliver, failed=fail, deliverers=1)


def damaged_below(source: Repository, root: TreeId, lost: Mapping[bytes, str], sound: set[TreeId]) -> str | None:
    """Why a tree cannot be had whole, where something at or below it is lost; None where nothing is.

    `sound` are trees that are known to need nothing of it; what turns out to be like that is added. Reads the trees
    one by one: for when something is lost, and not before. Raises `TargetError`.
    """
    walked: set[TreeId] = set()
    waiting = [root]
    while waiting:
        tree = waiting.pop()
        if tree in lost:
            return lost[tree]
        if tree in sound or tree in walked:
            continue
        walked.add(tree)
        try:
            nodes = source.load_tree(tree)
        except IntegrityError as fault:
            return fault.message
        for node in nodes:
            reason = next((lost[blob] for blob in node.content or () if blob in lost), None)
            if reason is not None:
                return reason
            if node.subtree is not None:
                waiting.append(node.subtree)
    sound |= walked
    return None
