from pathlib import Path

import pytest

from drorch.actions.restore.request import RestoreRequest
from drorch.errors import UsageError
from tests.actions.restore_cases import Case, case_of, contents, make_files
from tests.actions.trees import Tree

TREE: Tree = {
    b"top.txt": b"1",
    b"top.log": b"2",
    b"a": {b"one.txt": b"3", b"deep": {b"two.txt": b"4", b"three.log": b"5", b"empty": {}}},
    b"b": {b"one.txt": b"6"},
    b"void": {},
}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return case_of(TREE, tmp_path / "to")


def _names(case: Case, *include: str, exclude: tuple[str, ...] = (), path: bytes = b"/") -> set[str]:
    case.put_back(RestoreRequest(path=path, include=include, exclude=exclude))
    return set(contents(case.to))


def test_all_is_restored_by_default(case: Case) -> None:
    case.put_back()
    assert contents(case.to) == {
        "top.txt": b"1",
        "top.log": b"2",
        "a": None,
        "a/one.txt": b"3",
        "a/deep": None,
        "a/deep/two.txt": b"4",
        "a/deep/three.log": b"5",
        "a/deep/empty": None,
        "b": None,
        "b/one.txt": b"6",
        "void": None,
    }


def test_an_included_folder_brings_all_below_it(case: Case) -> None:
    names = _names(case, "deep")
    assert names == {"a", "a/deep", "a/deep/two.txt", "a/deep/three.log", "a/deep/empty"}


def test_a_file_deep_down_brings_only_the_folders_on_its_way(case: Case) -> None:
    assert _names(case, "two.txt") == {"a", "a/deep", "a/deep/two.txt"}


def test_folders_on_the_way_get_their_metadata(case: Case) -> None:
    _names(case, "two.txt")
    assert [(case.to / name).stat().st_mtime_ns for name in ("a", "a/deep")] == [1_000_000_000] * 2


def test_patterns_without_a_slash_match_at_every_depth_and_anchored_ones_only_there(case: Case) -> None:
    assert _names(case, "/one.txt", "*.log") == {"top.log", "a", "a/deep", "a/deep/three.log"}


def test_what_is_excluded_stays_out_even_where_its_folder_is_included(case: Case) -> None:
    assert _names(case, "/a", exclude=("*.log", "/a/deep/empty")) == {"a", "a/one.txt", "a/deep", "a/deep/two.txt"}


def test_an_excluded_folder_takes_all_below_it_along(case: Case) -> None:
    assert _names(case, exclude=("a", "*.log")) == {"top.txt", "b", "b/one.txt", "void"}


def test_a_pattern_for_folders_does_not_mean_files(case: Case) -> None:
    assert _names(case, "void/", "top.txt", exclude=("top.txt/",)) == {"void", "top.txt"}


@pytest.mark.parametrize("pattern", ["nothing-like-it", "/one.txt", "top.txt/"])
def test_patterns_that_include_nothing_are_an_error(case: Case, pattern: str) -> None:
    with pytest.raises(UsageError, match="nothing in this snapshot matches"):
        case.plan(RestoreRequest(include=(pattern,)))


def test_a_folder_of_the_snapshot_goes_into_the_destination(case: Case) -> None:
    assert _names(case, path=b"/a/deep") == {"two.txt", "three.log", "empty"}


def test_patterns_are_about_the_folder_that_is_restored(case: Case) -> None:
    assert _names(case, "/deep/two.txt", path=b"/a") == {"deep", "deep/two.txt"}
    assert _names(case, exclude=("/deep",), path=b"/a/") == {"deep", "deep/two.txt", "one.txt"}


def test_a_single_file_goes_into_the_destination_by_its_name(case: Case) -> None:
    assert _names(case, path=b"/a/deep/two.txt") == {"two.txt"}


def test_a_single_file_takes_nothing_else_away(case: Case) -> None:
    make_files(case.to, {"other": b"mine", "folder/other": b"mine", "two.txt": b"old"})
    result = case.put_back(RestoreRequest(path=b"/a/deep/two.txt", delete=True))
    assert result.removed == ()
    assert contents(case.to) == {"other": b"mine", "folder": None, "folder/other": b"mine", "two.txt": b"4"}


@pytest.mark.parametrize("path", [b"/nope", b"/a/nope", b"/top.txt/x", b"/.."])
def test_a_path_the_snapshot_does_not_have_is_an_error(case: Case, path: bytes) -> None:
    with pytest.raises(UsageError, match="is not in this snapshot"):
        case.plan(RestoreRequest(path=path))


def test_a_malformed_pattern_is_an_error(case: Case) -> None:
    with pytest.raises(UsageError):
        case.plan(RestoreRequest(include=("!",)))


def test_deleting_from_the_root_of_the_machine_wants_patterns(case: Case) -> None:
    machine = Case(case.repository, case.root, Path("/"))
    with pytest.raises(UsageError, match="take this machine down"):
        machine.plan(RestoreRequest(delete=True))
    planned = machine.plan(RestoreRequest(delete=True, include=("/a/deep/two.txt",)))
    assert [file.path for file in planned.files] == [(b"a", b"deep", b"two.txt")]
    assert planned.extras == ()
