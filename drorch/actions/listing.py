"""What a snapshot holds, path by path. Trees are hostile: their depth is bounded and nothing here recurses."""

from collections.abc import Iterator
from dataclasses import dataclass

from drorch.errors import IntegrityError, UsageError
from drorch.ids import TreeId
from drorch.repository.node import Node, NodeType
from drorch.repository.repository import Repository

MAX_DEPTH = 4096
"""Folders within folders; Linux itself allows about 2,000 in one path, and somewhat more in relative steps."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A node and where it is in the snapshot: an absolute path of raw bytes."""

    path: bytes
    node: Node


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: to a node, or to the root of the snapshot, which has a tree and no node."""

    path: bytes
    node: Node | None
    tree: TreeId | None


def joined(folder: bytes, name: bytes) -> bytes:
    """The path of a child."""
    return (b"" if folder == b"/" else folder) + b"/" + name


def walk(repository: Repository, tree: TreeId, base: bytes = b"/", *, recursive: bool = True) -> Iterator[Visit]:
    """Every node below a tree, folders before what they hold, in the order of the trees.

    Raises `IntegrityError` where a tree is damaged or folders nest deeper than `MAX_DEPTH`.
    """
    stack = [(base, iter(repository.load_tree(tree)))]
    while stack:
        folder, nodes = stack[-1]
        node = next(nodes, None)
        if node is None:
            stack.pop()
            continue
        path = joined(folder, node.name)
        yield Visit(path, node)
        if recursive and node.subtree is not None and node.type == NodeType.DIR:
            if len(stack) >= MAX_DEPTH:
                raise IntegrityError(f"the folders of this snapshot nest deeper than {MAX_DEPTH}")
            stack.append((path, iter(repository.load_tree(node.subtree))))


def find_place(repository: Repository, root: TreeId, path: bytes) -> Place:
    """Follow an absolute path from the root tree; links are not followed.

    Raises `UsageError` where the path is not in the snapshot.
    """
    place = Place(b"/", None, root)
    for name in filter(None, path.split(b"/")):
        node = None if place.tree is None else repository.load_tree(place.tree).find(name)
        if node is None:
            shown = path.decode("utf-8", "surrogateescape")
            raise UsageError(f"{shown} is not in this snapshot", hint="To see what it holds, type: drorch ls SNAPSHOT")
        place = Place(joined(place.path, name), node, node.subtree if node.type == NodeType.DIR else None)
    return place


def list_files(repository: Repository, root: TreeId, path: bytes = b"/", *, recursive: bool) -> Iterator[Visit]:
    """What a path of the snapshot holds: the node itself, then its children, or all below it where `recursive`.

    Raises `UsageError` where the path is not in the snapshot.
    """
    place = find_place(repository, root, path)
    if place.node is not None:
        yield Visit(place.path, place.node)
    if place.tree is not None:
        yield from walk(repository, place.tree, place.path, recursive=recursive)
