"""restic's own trees, read and encoded again: the same bytes, for whatever a file system may hold."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.ids import TreeId
from drorch.repository.keys import ScryptCost
from drorch.repository.node import NodeType, encode_node
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository, initialize
from drorch.repository.tree import Tree, decode_tree, encode_tree
from drorch.storage.local import LocalTarget
from tests.repository import hostile_tree
from tests.repository.children import python_child
from tests.restic import PASSWORD, Restic, each_restic, restic

CHEAP = ScryptCost(2, 1, 1)


def backed_up(which: Restic, base: Path, version: int = 2) -> Repository:
    """A repository of ours in which restic has backed up the folder `source`."""
    initialize(LocalTarget(base / "repository"), PASSWORD, version=version, cost=CHEAP)
    restic(which, base / "repository", "backup", base / "source")
    return Repository.open(LocalTarget(base / "repository"), PASSWORD)


def trees_below(repository: Repository, tree_id: TreeId) -> Iterator[tuple[bytes, Tree]]:
    """Every tree with its stored bytes, the root first."""
    blob = repository.load_blob(tree_id, BlobType.TREE)
    tree = decode_tree(blob)
    yield blob, tree
    for node in tree:
        if node.subtree is not None:
            yield from trees_below(repository, node.subtree)


def all_trees(repository: Repository) -> list[tuple[bytes, Tree]]:
    (named,) = repository.list_snapshots().snapshots
    return list(trees_below(repository, named.snapshot.tree))


@each_restic
@pytest.mark.parametrize("version", [1, 2])
def test_an_odd_folder_is_encoded_as_restic_encodes_it(which: Restic, version: int, tmp_path: Path) -> None:
    hostile_tree.make_odd_folder(tmp_path / "source")
    if not hostile_tree.set_odd_xattrs(tmp_path / "source" / "names" / "plain"):
        pytest.skip("the temporary folder's file system has no extended attributes")
    trees = all_trees(backed_up(which, tmp_path, version))
    for blob, tree in trees:
        assert encode_tree(map(encode_node, tree)) == blob
        assert [node.name for node in tree] == sorted(node.name for node in tree)
    nodes = {node.name: node for _, tree in trees for node in tree}
    assert set(hostile_tree.ODD_NAMES) <= nodes.keys()
    assert {node.linktarget for node in nodes.values()} >= set(hostile_tree.LINK_TARGETS)
    assert dict(nodes[b"plain"].xattrs)["user.binary"] == bytes(range(256))
    assert dict(nodes[b"plain"].xattrs)["user.empty"] == b""
    assert nodes[b"fifo"].type == NodeType.FIFO
    if os.geteuid() == 0:
        assert nodes[b"block"].device == os.makedev(8, 17)


@pytest.mark.parametrize("zone", ["America/St_Johns", "Europe/Berlin", "UTC"])
def test_times_are_those_that_restic_writes_in_this_zone(zone: str, tmp_path: Path) -> None:
    hostile_tree.make_odd_folder(tmp_path / "source")
    initialize(LocalTarget(tmp_path / "repository"), PASSWORD, cost=CHEAP)
    restic(Restic.DEBIAN, tmp_path / "repository", "backup", tmp_path / "source", environment={"TZ": zone})
    (blob,) = [
        blob
        for blob, tree in all_trees(Repository.open(LocalTarget(tmp_path / "repository"), PASSWORD))
        if any(node.name == b"-1500000001" for node in tree)
    ]
    code = """
        import sys
        from pathlib import Path
        from drorch.repository.node import encode_node
        from drorch.repository.tree import decode_tree, encode_tree
        blob = Path(sys.argv[1]).read_bytes()
        print(encode_tree(map(encode_node, decode_tree(blob))) == blob)
    """
    (tmp_path / "blob").write_bytes(blob)
    assert python_child(code, tmp_path / "blob", environment={"TZ": zone}) == "True\n"


def test_a_link_target_that_is_not_utf8_is_read_raw_where_restic_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "link").symlink_to(os.fsdecode(hostile_tree.LINK_TARGET_NOT_UTF8))
    trees = all_trees(backed_up(Restic.CURRENT, tmp_path))
    for blob, tree in trees:
        assert encode_tree(map(encode_node, tree)) == blob
    (target,) = [node.linktarget for _, tree in trees for node in tree if node.name == b"link"]
    assert target == hostile_tree.LINK_TARGET_NOT_UTF8


@each_restic
def test_a_link_target_with_a_backspace_reads_alike_however_it_is_escaped(which: Restic, tmp_path: Path) -> None:
    """Go writes it short since 1.22 and as a number before, so only the meaning can be equal."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "link").symlink_to(os.fsdecode(hostile_tree.LINK_TARGET_WITH_SHORT_ESCAPES))
    trees = all_trees(backed_up(which, tmp_path))
    (target,) = [node.linktarget for _, tree in trees for node in tree if node.name == b"link"]
    assert target == hostile_tree.LINK_TARGET_WITH_SHORT_ESCAPES
