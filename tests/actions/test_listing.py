import pytest

from drorch.actions.listing import MAX_DEPTH, find_place, list_files, walk
from drorch.errors import IntegrityError, UsageError
from drorch.ids import TreeId
from drorch.repository.repository import Repository
from tests.actions.trees import TreeWriter, bare_node, new_repository, writing


def _tree(write: TreeWriter) -> TreeId:
    return write.tree({b"a": {b"x": b"1", b"sub": {b"y": b"22"}}, b"b": b"", b"l": bare_node(b"l", "symlink")})


def _paths(repository: Repository, root: TreeId, path: bytes = b"/", *, recursive: bool = True) -> list[bytes]:
    return [visit.path for visit in list_files(repository, root, path, recursive=recursive)]


def test_all_paths_in_order() -> None:
    repository = new_repository()
    with writing(repository) as write:
        root = _tree(write)
    assert _paths(repository, root) == [b"/a", b"/a/sub", b"/a/sub/y", b"/a/x", b"/b", b"/l"]
    assert _paths(repository, root, recursive=False) == [b"/a", b"/b", b"/l"]
    assert _paths(repository, root, b"/a/", recursive=False) == [b"/a", b"/a/sub", b"/a/x"]
    assert _paths(repository, root, b"/a/sub/y") == [b"/a/sub/y"]


@pytest.mark.parametrize("path", [b"/c", b"/a/z", b"/b/x", b"/l/x", b"/a/x/y"])
def test_what_is_not_there_is_named(path: bytes) -> None:
    repository = new_repository()
    with writing(repository) as write:
        root = _tree(write)
    with pytest.raises(UsageError, match=f"^{path.decode()} is not in this snapshot"):
        find_place(repository, root, path)


def test_deep_trees_are_walked_and_bottomless_ones_refused() -> None:
    repository = new_repository()
    with writing(repository) as write:
        tree = write.tree({b"end": b""})
        for depth in range(MAX_DEPTH):
            if depth == MAX_DEPTH - 1:
                deepest_allowed = tree
            tree = write.nodes(write.folder(b"d", tree))
    paths = [visit.path for visit in walk(repository, deepest_allowed)]
    assert len(paths) == MAX_DEPTH
    assert paths[-1] == b"/d" * (MAX_DEPTH - 1) + b"/end"
    with pytest.raises(IntegrityError, match="nest deeper"):
        for _ in walk(repository, tree):
            pass
