from dataclasses import replace
from pathlib import Path

import pytest

from drorch.actions.restore.request import Overwrite, RestoreRequest
from drorch.ids import BlobId
from drorch.repository.node import Node
from drorch.storage.memory import MemoryTarget
from tests.actions.restore_cases import Case, contents, make_files, pieces_of, told
from tests.actions.trees import TreeWriter, bare_node, new_repository, writing

TARGET = b"shared"


def _linked(node: Node, inode: int = 7) -> Node:
    return replace(node, links=2, inode=inode, device_id=1)


def _case(to: Path, *pieces: bytes) -> Case:
    """`a` and `d/b` are one file, `c` is another with the same content, `e` one whose content has changed since."""
    repository = new_repository()
    with writing(repository) as writer:
        same = pieces or (TARGET,)
        folder = writer.folder(b"d", writer.nodes(_linked(writer.file(b"b", *same))))
        alone = [_linked(writer.file(b"c", *same), 8), _linked(writer.file(b"e", b"changed"))]
        root = writer.nodes(_linked(writer.file(b"a", *same)), folder, *alone)
        writer.snapshot(root)
    return Case(repository, root, to)


def _groups(to: Path) -> set[frozenset[str]]:
    names: dict[int, set[str]] = {}
    for path in to.rglob("*"):
        if path.is_file():
            names.setdefault(path.stat().st_ino, set()).add(str(path.relative_to(to)))
    return set(map(frozenset, names.values()))


EXPECTED = {frozenset({"a", "d/b"}), frozenset({"c"}), frozenset({"e"})}


def test_hard_links_are_restored_as_links(tmp_path: Path) -> None:
    result = _case(tmp_path).put_back()
    assert contents(tmp_path) == {"a": TARGET, "c": TARGET, "d": None, "d/b": TARGET, "e": b"changed"}
    assert _groups(tmp_path) == EXPECTED
    assert result.bytes_restored == 2 * len(TARGET) + len(b"changed")


def test_large_hard_links_are_fetched_once(tmp_path: Path) -> None:
    case = _case(tmp_path, *pieces_of(1, 17))
    case.put_back()
    assert _groups(tmp_path) == EXPECTED


@pytest.mark.parametrize("policy", list(Overwrite))
def test_a_second_restore_keeps_links_and_content(tmp_path: Path, policy: Overwrite) -> None:
    case = _case(tmp_path)
    case.put_back()
    before = contents(tmp_path)
    case.put_back(RestoreRequest(overwrite=policy, delete=True))
    assert contents(tmp_path) == before
    assert _groups(tmp_path) == EXPECTED


@pytest.mark.parametrize("policy", [Overwrite.ALWAYS, Overwrite.IF_CHANGED])
def test_links_that_were_separated_are_joined_again_and_others_parted(tmp_path: Path, policy: Overwrite) -> None:
    make_files(tmp_path, {"a": TARGET, "d/b": TARGET, "c": TARGET})
    (tmp_path / "e").hardlink_to(tmp_path / "c")
    _case(tmp_path).put_back(RestoreRequest(overwrite=policy))
    assert contents(tmp_path)["e"] == b"changed"
    assert _groups(tmp_path) == EXPECTED


@pytest.mark.parametrize("missing", ["a", "d/b"])
@pytest.mark.parametrize("policy", list(Overwrite))
def test_one_missing_name_comes_back_with_the_right_content(tmp_path: Path, policy: Overwrite, missing: str) -> None:
    case = _case(tmp_path)
    case.put_back()
    (tmp_path / missing).unlink()
    case.put_back(RestoreRequest(overwrite=policy))
    assert (tmp_path / missing).read_bytes() == TARGET


@pytest.mark.parametrize("left_out", ["/a", "/d"])
def test_a_name_that_is_left_out_takes_none_along(tmp_path: Path, left_out: str) -> None:
    _case(tmp_path).put_back(RestoreRequest(exclude=(left_out,)))
    kept = "d/b" if left_out == "/a" else "a"
    assert contents(tmp_path)[kept] == TARGET
    assert (tmp_path / kept).stat().st_nlink == 1


def test_where_the_first_name_failed_the_others_are_reported(tmp_path: Path) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        root = writer.nodes(*_unreadable_group(writer))
        writer.snapshot(root)
    target = repository.target
    assert isinstance(target, MemoryTarget)
    _damage_largest_pack(target)
    result = Case(repository, root, tmp_path).restore()
    assert set(told(result.problems)) == {"/a", "/b"}
    assert contents(tmp_path) == {"c": b""}


def _unreadable_group(writer: TreeWriter) -> list[Node]:
    return [*(_linked(writer.file(name, bytes(range(256)) * 9)) for name in (b"a", b"b")), writer.file(b"c")]


def _damage_largest_pack(target: MemoryTarget) -> None:
    key = max(target.list("data"), key=lambda item: item.size).key
    raw = bytearray(target.load(key))
    raw[30] ^= 1
    target.remove(key)
    target.save(key, bytes(raw))


def test_a_group_whose_blob_no_index_knows_is_reported_name_by_name(tmp_path: Path) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        lost = BlobId(b"\7" * 32)
        group = [replace(_linked(bare_node(name)), content=(lost,), size=1) for name in (b"a", b"b")]
        root = writer.nodes(*group, writer.file(b"c", b"1"))
        writer.snapshot(root)
    result = Case(repository, root, tmp_path).restore()
    assert set(told(result.problems)) == {"/a", "/b"}
    assert contents(tmp_path) == {"c": b"1"}
