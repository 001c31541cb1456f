"""Tree blobs: the nodes of one folder. docs/FORMAT.md, "Trees"."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from drorch.errors import IntegrityError
from drorch.repository.node import Node, decode_node


@dataclass(frozen=True, slots=True)
class Tree:
    """The nodes of one folder, in the order they are stored: ascending by the bytes of their names."""

    nodes: tuple[Node, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def find(self, name: bytes) -> Node | None:
        """The node with this name, or None."""
        return next((node for node in self.nodes if node.name == name), None)


def decode_tree(blob: bytes) -> Tree:
    """The tree in a blob. `null` for no nodes is accepted, as older clients wrote it.

    Raises `IntegrityError` where the blob is no tree.
    """
    return Tree(tuple(map(decode_node, decode_fields(blob))))


def decode_fields(blob: bytes) -> Sequence[Mapping[str, Any]]:
    """The nodes in the blob of a tree as bare JSON objects. Raises `IntegrityError` where the blob is no tree."""
    try:
        nodes = orjson.loads(blob)["nodes"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as fault:
        raise IntegrityError("a tree is not JSON with nodes") from fault
    if nodes is None:
        return []
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise IntegrityError("the nodes of a tree are not a list of objects")
    return nodes


def encode_tree(encoded_nodes: Iterable[str]) -> bytes:
    """The blob of a tree from the JSON of its nodes, which must ascend by name bytes without duplicates."""
    return ('{"nodes":[' + ",".join(encoded_nodes) + "]}\n").encode("utf-8", "surrogateescape")
