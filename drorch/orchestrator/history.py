"""What path history is told of a new snapshot: the paths that differ from the one before.

Trees are compared pair by pair, and what both have is not even read. Nothing recurses: trees may be deep.
"""

import hashlib
from collections.abc import Iterator

from drorch.catalog.paths.values import PathEntry, PathState, PathType
from drorch.ids import TreeId
from drorch.repository.node import Node, NodeType
from drorch.repository.repository import Repository

_TYPES = {
    NodeType.FILE.value: PathType.FILE,
    NodeType.DIR.value: PathType.DIR,
    NodeType.SYMLINK.value: PathType.SYMLINK,
}


def path_changes(repository: Repository, old: TreeId | None, new: TreeId | None) -> Iterator[PathEntry]:
    """Every path that is not the same below two root trees, with what it is below `new`; None where it is gone.

    With no `old`, that is everything. Raises `IntegrityError` where a tree cannot be read.
    """
    pending: list[tuple[bytes, TreeId | None, TreeId | None]] = [(b"", old, new)]
    while pending:
        folder, before, after = pending.pop()
        if before == after:
            continue
        was, now = _nodes(repository, before), _nodes(repository, after)
        for name in sorted(was.keys() | now.keys()):
            path = folder + b"/" + name
            state = _state(now.get(name))
            if _state(was.get(name)) != state:
                yield PathEntry(path, state)
            below = _subtree(was.get(name)), _subtree(now.get(name))
            if below[0] != below[1]:
                pending.append((path, *below))


def _nodes(repository: Repository, tree: TreeId | None) -> dict[bytes, Node]:
    return {} if tree is None else {node.name: node for node in repository.load_tree(tree)}


def _subtree(node: Node | None) -> TreeId | None:
    return node.subtree if node is not None and node.type == NodeType.DIR else None


def _state(node: Node | None) -> PathState | None:
    if node is None:
        return None
    return PathState(_TYPES.get(node.type, PathType.OTHER), node.size, node.mtime, _digest(node))


def _digest(node: Node) -> bytes | None:
    if node.linktarget is not None:
        return hashlib.sha256(node.linktarget).digest()
    return hashlib.sha256(b"".join(node.content)).digest() if node.content else None
