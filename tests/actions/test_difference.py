from dataclasses import replace

from drorch.actions.difference import Change, Comparison, Side, Totals
from drorch.ids import TreeId
from drorch.repository.repository import Repository
from tests.actions.trees import bare_node, new_repository, writing


def _compare(
    repository: Repository, old: TreeId, new: TreeId, *, metadata: bool = False
) -> tuple[list[Change], Totals]:
    comparison = Comparison(repository, metadata=metadata)
    return list(comparison.changes(old, new)), comparison.totals


def test_what_came_went_and_changed() -> None:
    repository = new_repository()
    with writing(repository) as write:
        old = write.tree(
            {b"gone": {b"x": b"only here", b"y": b"shared"}, b"same": {b"s": b"s"}, b"t": b"file", b"c": b"before"}
        )
        new = write.tree({b"came": b"shared", b"same": {b"s": b"s"}, b"t": {b"u": b""}, b"c": b"after!!"})
        write.snapshot(new)
    changes, totals = _compare(repository, old, new)
    assert changes == [
        Change(b"/c", "M"),
        Change(b"/came", "+"),
        Change(b"/gone/", "-"),
        Change(b"/gone/x", "-"),
        Change(b"/gone/y", "-"),
        Change(b"/t/", "T"),
        Change(b"/t/u", "+"),
    ]
    assert totals.changed_files == 1
    assert (totals.added.files, totals.added.dirs, totals.removed.files, totals.removed.dirs) == (2, 0, 2, 1)
    assert (totals.added.data_blobs, totals.removed.data_blobs) == (1, 3)
    assert (totals.added.tree_blobs, totals.removed.tree_blobs) == (2, 2)


def test_a_tree_with_itself() -> None:
    repository = new_repository()
    with writing(repository) as write:
        tree = write.tree({b"a": {b"x": b"1"}, b"b": {b"x": b"1"}})
        write.snapshot(tree)
    changes, totals = _compare(repository, tree, tree, metadata=True)
    assert changes == []
    assert totals == Totals(0, Side(), Side())


def test_metadata_only_where_asked_for_and_never_times_of_access() -> None:
    repository = new_repository()
    node = bare_node(b"f")
    with writing(repository) as write:
        content = (write.blob(b"1"),)
        node = replace(node, content=content, size=1)
        old = write.nodes(node)
        touched = write.nodes(replace(node, atime=5, ctime=5, inode=7))
        other_mode = write.nodes(replace(node, mode=0o600))
        write.snapshot(old)
    assert _compare(repository, old, other_mode)[0] == []
    assert _compare(repository, old, other_mode, metadata=True)[0] == [Change(b"/f", "U")]
    assert _compare(repository, old, touched, metadata=True)[0] == []


def test_a_link_that_leads_elsewhere_has_changed() -> None:
    repository = new_repository()
    link = replace(bare_node(b"l", "symlink"), linktarget=b"a")
    with writing(repository) as write:
        old, new = write.nodes(link), write.nodes(replace(link, linktarget=b"b"))
    assert _compare(repository, old, new)[0] == [Change(b"/l", "M")]


def test_blobs_that_stay_elsewhere_are_neither_added_nor_removed() -> None:
    repository = new_repository()
    with writing(repository) as write:
        old = write.tree({b"kept": {b"k": b"shared"}, b"x": b"shared"})
        new = write.tree({b"kept": {b"k": b"shared"}, b"y": b"fresh bytes"})
        write.snapshot(new)
    totals = _compare(repository, old, new)[1]
    assert totals.removed.data_blobs == 0
    assert totals.added.data_blobs == 1
