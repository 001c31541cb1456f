"""How much snapshots hold, counted in four ways, as restic counts."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from drorch.actions.listing import Visit, walk
from drorch.ids import BlobId, TreeId
from drorch.repository.node import Node, NodeType
from drorch.repository.pack import BlobType
from drorch.repository.repository import NamedSnapshot, Repository


class StatsMode(StrEnum):
    """What is counted."""

    RESTORE_SIZE = "restore-size"
    FILES_BY_CONTENTS = "files-by-contents"
    BLOBS_PER_FILE = "blobs-per-file"
    RAW_DATA = "raw-data"


@dataclass(slots=True)
class Stats:
    """The sums. Sizes are in bytes; `size` is stored bytes for raw data, else bytes of files. 0 where not counted."""

    snapshots: int = 0
    size: int = 0
    uncompressed_size: int = 0
    files: int = 0
    blobs: int = 0

    @property
    def compression_ratio(self) -> float:
        """How many bytes of data one stored byte stands for; 0 where not counted."""
        return self.uncompressed_size / self.size if self.size and self.uncompressed_size else 0.0


def stats(repository: Repository, snapshots: Iterable[NamedSnapshot], mode: StatsMode) -> Stats:
    """Count what these snapshots hold. Raises `IntegrityError` where a tree is damaged."""
    chosen = list(snapshots)
    if mode is StatsMode.RAW_DATA:
        return _raw_data(repository, chosen)
    sums = Stats(snapshots=len(chosen))
    seen: set[object] = set()
    for item in chosen:
        if mode is StatsMode.RESTORE_SIZE:
            seen.clear()
        for visit in walk(repository, item.snapshot.tree):
            if mode is StatsMode.RESTORE_SIZE:
                _count_restored(sums, visit.node, seen)
            elif visit.node.type == NodeType.FILE and mode is StatsMode.FILES_BY_CONTENTS:
                _count_content(sums, visit.node, seen)
            elif visit.node.type == NodeType.FILE:
                _count_blobs(repository, sums, visit, seen)
    return sums


def _count_restored(sums: Stats, node: Node, seen: set[object]) -> None:
    sums.files += 1
    if node.links > 1 and node.inode:
        key = (node.device_id, node.inode)
        if key in seen:
            return
        seen.add(key)
    sums.size += node.size


def _count_content(sums: Stats, node: Node, seen: set[object]) -> None:
    key = hashlib.sha256(b"".join(node.content or ())).digest()
    if key not in seen:
        seen.add(key)
        sums.files += 1
        sums.size += node.size


def _count_blobs(repository: Repository, sums: Stats, visit: Visit, seen: set[object]) -> None:
    if visit.path not in seen:
        seen.add(visit.path)
        sums.files += 1
    for blob in visit.node.content or ():
        key = (visit.path, blob)
        if key not in seen:
            seen.add(key)
            sums.blobs += 1
            sums.size += _plaintext_length(repository, blob)


def _plaintext_length(repository: Repository, blob: BlobId) -> int:
    locations = repository.index.locations(blob, BlobType.DATA)
    return locations[0].blob.plaintext_length if locations else 0


def _raw_data(repository: Repository, snapshots: Iterable[NamedSnapshot]) -> Stats:
    sums = Stats()
    trees: set[TreeId] = set()
    data: set[BlobId] = set()
    for item in snapshots:
        sums.snapshots += 1
        waiting = [item.snapshot.tree]
        while waiting:
            tree = waiting.pop()
            if tree in trees:
                continue
            trees.add(tree)
            for node in repository.load_tree(tree):
                data.update(node.content or ())
                if node.subtree is not None:
                    waiting.append(node.subtree)
    for blob_id, blob_type in [*((tree, BlobType.TREE) for tree in trees), *((blob, BlobType.DATA) for blob in data)]:
        locations = repository.index.locations(blob_id, blob_type)
        if locations:
            sums.blobs += 1
            sums.size += locations[0].blob.length
            sums.uncompressed_size += locations[0].blob.plaintext_length
    return sums
