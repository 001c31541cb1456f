"""The parent snapshot as a backup compares with it: nodes as they were read, decoded only where one is needed.

Most files are unchanged, and to see that takes four fields of a node: decoding them all would cost more than the
rest of the walk.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from drorch.errors import IntegrityError
from drorch.ids import BlobId, TreeId
from drorch.repository.gojson import unquote_name
from drorch.repository.node import Node, decode_id, decode_node
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.repository.tree import decode_fields


class StoredNode:
    """A node of the parent snapshot: the JSON object it was read from."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = fields

    @property
    def type(self) -> str:
        """What it is."""
        return str(self.fields.get("type"))

    @property
    def size(self) -> int:
        """Bytes of a file."""
        return int(self.fields.get("size") or 0)

    @property
    def content(self) -> list[BlobId]:
        """The blobs of a file. Raises `ValueError` or `TypeError` where they are no ids."""
        return [BlobId(decode_id(text)) for text in self.fields.get("content") or ()]

    @property
    def subtree(self) -> TreeId | None:
        """The tree of a folder, None where it has none that can be read."""
        try:
            return TreeId(decode_id(self.fields["subtree"]))
        except (KeyError, ValueError, TypeError):
            return None

    @property
    def node(self) -> Node:
        """All of it. Raises `IntegrityError`."""
        return decode_node(self.fields)


@dataclass(frozen=True, slots=True)
class Previous:
    """A folder as the parent snapshot has it."""

    tree: TreeId | None
    nodes: Mapping[bytes, StoredNode]


NOTHING = Previous(None, {})


def previous_folder(repository: Repository, tree: TreeId | None) -> Previous:
    """A folder of the parent snapshot. One that cannot be read is as good as none: its files are read anew."""
    if tree is None:
        return NOTHING
    try:
        fields = decode_fields(repository.load_blob(tree, BlobType.TREE))
        return Previous(tree, {unquote_name(node["name"]): StoredNode(node) for node in fields})
    except (IntegrityError, KeyError, ValueError, TypeError, AttributeError):
        return NOTHING
