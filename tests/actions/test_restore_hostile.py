import os
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.actions.listing import MAX_DEPTH
from drorch.actions.restore.plan import plan_restore
from drorch.actions.restore.request import RestoreRequest
from drorch.clock import SystemClock
from drorch.errors import IntegrityError
from drorch.ids import BlobId, TreeId
from drorch.repository.node import Node
from drorch.sources.files.placement import partial_name
from drorch.units import MIB
from tests.actions.restore_cases import Case, case_of, contents, make_files, told
from tests.actions.trees import TreeWriter, bare_node, new_repository, writing

BAD_NAMES = [b"", b".", b"..", b"/etc/x", b"../x", b"a/b", b"a\0b", partial_name(b"good"), b"n" * 2000]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the destination that nobody may touch."""
    make_files(tmp_path / "outside", {"safe": b"safe"})
    return tmp_path / "outside"


def _symlink(name: bytes, target: Path) -> Node:
    return replace(bare_node(name, "symlink", 0o777), linktarget=os.fsencode(target))


def _case(to: Path, make: Callable[[TreeWriter], list[Node]]) -> Case:
    repository = new_repository()
    with writing(repository) as writer:
        nodes = make(writer)
        root = writer.nodes(*nodes)
        writer.snapshot(root)
    return Case(repository, root, to)


@pytest.mark.parametrize("kind", ["file", "folder", "symlink", "fifo"])
@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:20]))
def test_names_that_are_none_are_refused_with_all_below_them(tmp_path: Path, name: bytes, kind: str) -> None:
    def nodes(writer: TreeWriter) -> list[Node]:
        bad = {
            "file": writer.file(name, b"bad"),
            "folder": writer.folder(name, writer.tree({b"x": b"bad", b"deep": {b"y": b"bad"}})),
            "symlink": _symlink(name, tmp_path),
            "fifo": bare_node(name, "fifo", 0o600),
        }
        return [bad[kind], writer.file(b"good", b"good"), writer.folder(b"sub", writer.nodes(bad[kind]))]

    result = _case(tmp_path / "a" / "to", nodes).restore()
    assert contents(tmp_path / "a" / "to") == {"good": b"good", "sub": None}
    assert set(contents(tmp_path)) == {"a", "a/to", "a/to/good", "a/to/sub"}
    assert len(told(result.problems)) == 2
    assert not Path("/etc/x").exists()


@pytest.mark.parametrize("delete", [False, True])
def test_a_symlink_and_a_folder_of_one_name_do_not_lead_outside(tmp_path: Path, outside: Path, *, delete: bool) -> None:
    for order in (1, -1):

        def nodes(writer: TreeWriter, order: int = order) -> list[Node]:
            folder = writer.folder(b"x", writer.tree({b"safe": b"bad", b"new": b"bad"}))
            return [_symlink(b"x", outside), folder][::order]

        case = _case(tmp_path / f"to{order}", nodes)
        result = case.restore(RestoreRequest(delete=delete))
        assert told(result.problems) == {"/x": "its folder has another node of this name"}
        assert contents(outside) == {"safe": b"safe"}
        first = {"x": b"-> " + os.fsencode(outside)} if order == 1 else {"x": None, "x/new": b"bad", "x/safe": b"bad"}
        assert contents(case.to) == first


def test_the_first_of_two_files_of_one_name_is_restored_whole(tmp_path: Path) -> None:
    case = _case(tmp_path, lambda writer: [writer.file(b"f", b"1", b"2"), writer.file(b"f", b"3", b"4")])
    assert told(case.restore().problems) == {"/f": "its folder has another node of this name"}
    assert contents(tmp_path) == {"f": b"12"}


def test_symlinks_that_are_there_are_not_followed(tmp_path: Path, outside: Path) -> None:
    to = tmp_path / "to"
    to.mkdir()
    (to / "folder").symlink_to(outside)
    (to / "safe").symlink_to(outside / "safe")
    case = case_of({b"folder": {b"safe": b"bad"}, b"safe": b"bad"}, to)
    case.put_back(RestoreRequest(delete=True))
    assert contents(outside) == {"safe": b"safe"}
    assert contents(to) == {"folder": None, "folder/safe": b"bad", "safe": b"bad"}


def test_a_hard_link_group_with_a_symlink_in_it_links_nothing_outside(tmp_path: Path, outside: Path) -> None:
    def nodes(writer: TreeWriter) -> list[Node]:
        group = [_symlink(b"a", outside / "safe"), writer.file(b"b", b"new"), writer.file(b"c", b"new")]
        return [replace(node, links=3, inode=7, device_id=1) for node in group]

    case = _case(tmp_path / "to", nodes)
    case.put_back()
    assert (outside / "safe").stat().st_nlink == 1
    assert contents(outside) == {"safe": b"safe"}
    assert (case.to / "b").stat().st_ino == (case.to / "c").stat().st_ino


def test_a_file_whose_other_name_is_outside_is_replaced_and_not_changed(tmp_path: Path, outside: Path) -> None:
    before = (outside / "safe").stat()
    for name, content in {"same": b"safe", "other": b"evil"}.items():
        to = tmp_path / name
        to.mkdir()
        os.link(outside / "safe", to / "f")
        case_of({b"f": content}, to).put_back()
        assert contents(to) == {"f": content}
        assert (to / "f").stat().st_ino != before.st_ino
    assert contents(outside) == {"safe": b"safe"}
    after = (outside / "safe").stat()
    assert (after.st_mtime_ns, after.st_mode, after.st_nlink) == (before.st_mtime_ns, before.st_mode, 1)


def _laughs(writer: TreeWriter, levels: int, width: int) -> TreeId:
    """So many levels of folders, each holding one and the same folder so many times."""
    tree = writer.tree({b"ha": b"ha"})
    for _ in range(levels):
        tree = writer.nodes(*(writer.folder(b"%d" % number, tree) for number in range(width)))
    return tree


@pytest.mark.parametrize(("levels", "width"), [(30, 2), (9, 10), (3, 1000), (2, 10_000)])
def test_trees_that_unfold_beyond_measure_are_refused_at_once(tmp_path: Path, levels: int, width: int) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        root = _laughs(writer, levels, width)
        writer.snapshot(root)
    clock = SystemClock()
    started = clock.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="unfold to"):
            plan_restore(repository, root, RestoreRequest(), None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 300 * MIB
    assert clock.monotonic() - started < 60
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_trees_that_unfold_can_be_restored(tmp_path: Path) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        root = writer.nodes(writer.folder(b"bad", _laughs(writer, 30, 2)), writer.file(b"good", b"1"))
        writer.snapshot(root)
    case = Case(repository, root, tmp_path)
    case.put_back(RestoreRequest(exclude=("bad",)))
    assert contents(tmp_path) == {"good": b"1"}


def test_a_folder_that_occurs_many_times_is_restored_many_times(tmp_path: Path) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        root = _laughs(writer, 2, 15)
        writer.snapshot(root)
    Case(repository, root, tmp_path).put_back()
    assert len(list(tmp_path.glob("*/*/ha"))) == 225


@pytest.mark.parametrize(("depth", "names"), [(MAX_DEPTH, b"d"), (MAX_DEPTH * 3, b"n" * 255)])
def test_folders_that_nest_too_deep_are_refused(tmp_path: Path, depth: int, names: bytes) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        root = writer.nodes()
        for _ in range(depth):
            root = writer.nodes(writer.folder(names, root))
        writer.snapshot(root)
    with pytest.raises(IntegrityError, match="nest deeper"):
        Case(repository, root, tmp_path / "to").plan()
    assert not (tmp_path / "to").exists()


def test_a_size_that_lies_changes_nothing(tmp_path: Path) -> None:
    sizes = {b"huge": 10**15, b"small": 1, b"none": 0}
    case = _case(
        tmp_path, lambda writer: [replace(writer.file(name, b"12", b"34"), size=size) for name, size in sizes.items()]
    )
    case.put_back()
    assert contents(tmp_path) == {"huge": b"1234", "small": b"1234", "none": b"1234"}


def test_a_file_whose_content_is_a_tree_is_refused(tmp_path: Path) -> None:
    def nodes(writer: TreeWriter) -> list[Node]:
        tree = writer.tree({b"x": b"1"})
        return [writer.file(b"good", b"2"), replace(bare_node(b"bad"), content=(BlobId(tree),))]

    result = _case(tmp_path, nodes).restore()
    assert list(told(result.problems)) == ["/bad"]
    assert "is not in the index" in told(result.problems)["/bad"]
    assert contents(tmp_path) == {"good": b"2"}


def test_nodes_that_make_no_sense_are_named_and_the_others_restored(tmp_path: Path) -> None:
    def nodes(writer: TreeWriter) -> list[Node]:
        return [
            bare_node(b"folder", "dir"),
            bare_node(b"strange", "irregular"),
            replace(bare_node(b"no-content"), size=5),
            bare_node(b"empty"),
            bare_node(b"socket", "socket"),
            bare_node(b"no-target", "symlink"),
            replace(bare_node(b"nul-target", "symlink"), linktarget=b"a\0b"),
            replace(writer.file(b"odd", b"1"), mtime=2**63, atime=-(2**62), mode=2**31 - 1),
            writer.folder(b"gone", TreeId(b"\1" * 32)),
        ]

    result = _case(tmp_path, nodes).restore()
    assert set(told(result.problems)) == {
        "/folder",
        "/strange",
        "/no-content",
        "/no-target",
        "/nul-target",
        "/gone",
    }
    assert contents(tmp_path) == {"empty": b"", "odd": b"1"}
    assert result.skipped == 1


def test_a_folder_whose_tree_is_none_costs_itself_only(tmp_path: Path) -> None:
    def nodes(writer: TreeWriter) -> list[Node]:
        tree_of_data = TreeId(writer.blob(b"data"))
        return [writer.folder(b"junk", tree_of_data), writer.folder(b"good", writer.tree({b"f": b"1"}))]

    result = _case(tmp_path, nodes).restore()
    assert list(told(result.problems)) == ["/junk"]
    assert contents(tmp_path) == {"good": None, "good/f": b"1"}
