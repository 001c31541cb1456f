"""Our own judge of a repository, where restic 0.14 looks away and current restic or rustic do not.

What it wants of each tree, pack and index is in docs/FORMAT.md; a fault is told in words.
"""

from collections import defaultdict
from collections.abc import Iterator

from drorch.ids import PackId, TreeId
from drorch.repository.index import decode_index
from drorch.repository.layout import FileKind, key_of
from drorch.repository.node import Node, NodeType, encode_node
from drorch.repository.pack import BlobType, PackedBlob, split_pack
from drorch.repository.repository import Repository
from drorch.repository.tree import decode_tree, encode_tree


def faults(repository: Repository) -> list[str]:
    """Everything that a strict client would refuse or stumble over; empty where there is nothing."""
    return [*_faults_of_packs(repository), *_faults_of_trees(repository)]


def _faults_of_packs(repository: Repository) -> Iterator[str]:
    described: dict[PackId, list[list[PackedBlob]]] = defaultdict(list)
    for index_id, _ in repository.stored(FileKind.INDEX):
        for pack, blobs in decode_index(repository.files.load(FileKind.INDEX, index_id)):
            described[pack].append(blobs)
    stored = {PackId(pack): size for pack, size in repository.stored(FileKind.PACK)}
    yield from (f"pack {pack.hex()[:8]} is in no index" for pack in stored.keys() - described.keys())
    yield from (f"pack {pack.hex()[:8]} is missing" for pack in described.keys() - stored.keys())
    for pack in stored.keys() & described.keys():
        if len(described[pack]) > 1:
            yield f"pack {pack.hex()[:8]} is split over {len(described[pack])} entries of indexes"
        blobs = sorted(described[pack][0], key=lambda blob: blob.offset)
        yield from (f"pack {pack.hex()[:8]} {text}" for text in _faults_of_pack(repository, pack, blobs))


def _faults_of_pack(repository: Repository, pack: PackId, blobs: list[PackedBlob]) -> Iterator[str]:
    end = 0
    for blob in blobs:
        if blob.offset != end:
            yield f"has a gap or an overlap at {end}"
        end = blob.offset + blob.length
    if len({blob.type for blob in blobs}) > 1:
        yield "mixes data and trees"
    content = repository.target.load(key_of(FileKind.PACK, pack))
    if list(split_pack(content, repository.box)) != blobs:
        yield "has another header than the index says"
    if repository.config.version == 1 and any(blob.uncompressed_length for blob in blobs):
        yield "is compressed, in a repository of version 1"


def _faults_of_trees(repository: Repository) -> Iterator[str]:
    seen: set[TreeId] = set()
    for named in repository.list_snapshots().snapshots:
        linked: set[tuple[int, int]] = set()
        waiting = [named.snapshot.tree]
        while waiting:
            tree_id = waiting.pop()
            blob = repository.load_blob(tree_id, BlobType.TREE)
            nodes = decode_tree(blob).nodes
            linked |= {(node.device_id, node.inode) for node in nodes if node.links > 1}
            waiting += [node.subtree for node in nodes if node.subtree is not None]
            if tree_id not in seen:
                seen.add(tree_id)
                yield from (f"tree {tree_id.hex()[:8]} {text}" for text in _faults_of_tree(repository, blob, nodes))
        yield from _wrong_links(repository, named.snapshot.tree, linked)


def _faults_of_tree(repository: Repository, blob: bytes, nodes: tuple[Node, ...]) -> Iterator[str]:
    names = [node.name for node in nodes]
    if names != sorted(set(names)):
        yield "is not sorted strictly by name bytes"
    if not nodes and blob != b'{"nodes":[]}\n':
        yield "is empty in other words than []"
    if encode_tree(map(encode_node, nodes)) != blob:
        yield "is not in canonical form"
    for node in nodes:
        if node.content is not None and node.size != sum(_length(repository, blob_id) for blob_id in node.content):
            yield f"says of {node.name!r} a size that its content has not"
        if (node.type == NodeType.FILE) != (node.content is not None):
            yield f"has {node.name!r} with content null, or with content and no file"


def _length(repository: Repository, blob_id: bytes) -> int:
    (first, *_) = repository.index.locations(blob_id, BlobType.DATA)
    return first.blob.plaintext_length


def _wrong_links(repository: Repository, root: TreeId, linked: set[tuple[int, int]]) -> Iterator[str]:
    """A file with one link that looks like one of several is lost when other clients restore."""
    waiting = [root]
    while waiting:
        for node in repository.load_tree(waiting.pop()):
            if node.subtree is not None:
                waiting.append(node.subtree)
            elif node.type == NodeType.FILE and node.links <= 1 and (node.device_id, node.inode) in linked:
                yield f"{node.name!r} has one link, and the inode of a file with several"
