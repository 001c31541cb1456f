"""The judges of these tests bite: what they are there to find, they find."""

import os
from dataclasses import replace
from pathlib import Path

from drorch.ids import BlobId
from drorch.repository.index import decode_index, encode_index
from drorch.repository.layout import FileKind
from drorch.repository.node import encode_node
from drorch.repository.pack import BlobType, PackBuilder
from drorch.repository.repository import Repository
from drorch.repository.tree import encode_tree
from drorch.repository.writer import Writer
from tests.actions.trees import new_repository, writing
from tests.interop.comparing import differences, of_folder, of_snapshot
from tests.interop.judging import faults


def test_a_sound_repository_has_no_faults() -> None:
    repository = new_repository()
    with writing(repository) as writer:
        writer.snapshot(writer.tree({b"a": b"content", b"empty": {}, b"none": b""}))
    assert faults(repository) == []


def told_of_trees(*blobs: bytes) -> str:
    """What is told of a repository whose snapshots have these trees; each may refer to b"x" as data."""
    repository = new_repository()
    for blob in blobs:
        with Writer(repository) as writer:
            tree = writer.save_tree(blob)
        with writing(repository) as again:
            again.blob(b"x")
            again.snapshot(tree)
    return "\n".join(faults(repository))


def test_faults_of_trees_are_found() -> None:
    with writing(new_repository()) as writer:
        one, two = writer.file(b"a", b"x"), writer.file(b"b", b"x")
    assert "not sorted" in told_of_trees(encode_tree([encode_node(two), encode_node(one)]))
    assert "not sorted" in told_of_trees(encode_tree([encode_node(one), encode_node(one)]))
    assert "other words than []" in told_of_trees(b'{"nodes":null}\n')
    assert "canonical" in told_of_trees(encode_tree([encode_node(one)]).replace(b'"mtime"', b' "mtime"'))
    assert "a size" in told_of_trees(encode_tree([encode_node(replace(one, size=2))]))
    assert "content null" in told_of_trees(encode_tree([encode_node(replace(one, content=None, size=0))]))
    linked, single = replace(one, inode=5, links=2), replace(two, inode=5, links=1)
    assert "has one link" in told_of_trees(encode_tree([encode_node(linked), encode_node(single)]))


def with_indexes(*which: slice) -> str:
    """What is told of a repository whose only data pack is described by indexes of these parts of its blobs."""
    repository = new_repository()
    with writing(repository) as writer:
        for content in (b"one", b"two", b"three"):
            writer.blob(content)
        writer.snapshot(writer.tree({}))
    ((index_id, _),) = repository.stored(FileKind.INDEX)
    packs = list(decode_index(repository.files.load(FileKind.INDEX, index_id)))
    repository.files.remove(FileKind.INDEX, index_id)
    for part in which:
        described = [(pack, blobs[part] if len(blobs) == 3 else blobs) for pack, blobs in packs]
        repository.files.save(FileKind.INDEX, encode_index(described))
    return "\n".join(faults(Repository(repository.target, repository.master, repository.config, repository.clock)))


def test_faults_of_packs_and_indexes_are_found() -> None:
    assert with_indexes(slice(None)) == ""
    assert "split over 2" in with_indexes(slice(1), slice(1, None))
    assert "another header" in with_indexes(slice(2))
    assert "gap" in with_indexes(slice(1, None))
    assert "gap" in with_indexes(slice(0, None, 2))


def test_a_mixed_pack_is_found() -> None:
    repository = new_repository()
    with Writer(repository) as writer:
        builder = PackBuilder()
        for number, blob_type in enumerate(BlobType):
            builder.add(BlobId(bytes(31) + bytes([number])), blob_type, repository.box.seal(b"content"), 0)
        writer.accept(builder.finish(repository.box))
    assert any("mixes" in fault for fault in faults(repository))


def test_differences_of_trees_are_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        for file in ("one", "two", "three", "four"):
            (folder / file).write_bytes(b"content")
        (folder / "link").symlink_to("one")
        for path in (*folder.iterdir(), folder):
            os.utime(path, ns=(5, 5), follow_symlinks=False)
    one, other = tmp_path / "a", tmp_path / "b"
    assert differences(of_folder(one), of_folder(other)) == []
    (other / "one").write_bytes(b"Content")
    (other / "two").chmod(0o600)
    (other / "three").unlink()
    (other / "three").hardlink_to(other / "four")
    (other / "link").unlink()
    (other / "more").touch()
    os.utime(other, ns=(5, 6))
    told = "\n".join(differences(of_folder(one), of_folder(other)))
    for text in ("'one': content", "'one': mtime", "'two': mode", "'three': shared_with", "'four': shared_with"):
        assert text in told
    for text in ("'link' is missing", "'more' is too much", "'.': mtime is 6, not 5"):
        assert text in told


def test_a_snapshot_is_compared_like_a_folder() -> None:
    repository = new_repository()
    with writing(repository) as writer:
        linked = replace(writer.file(b"a", b"x"), links=2, inode=7)
        alone = writer.file(b"c", b"x")
        root = writer.nodes(linked, replace(linked, name=b"b"), alone)
        other = writer.nodes(linked, replace(linked, name=b"b", inode=8), replace(alone, size=1, mtime=7))
        writer.snapshot(root)
    told = differences(of_snapshot(repository, root), of_snapshot(repository, other))
    assert [text.split(" is ")[0] for text in told] == ["b'a': shared_with", "b'b': shared_with", "b'c': mtime"]
