import os
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.actions.restore.request import Overwrite, RestoreRequest
from drorch.actions.restore.survey import Way
from tests.actions.restore_cases import NODE_TIME, Case, case_of, contents, make_files, untouched
from tests.actions.trees import Tree, bare_node

OLDER, NEWER = NODE_TIME - 1, NODE_TIME + 1

STATES = ["missing", "same", "rotten", "newer", "older"]
"""A file at the destination: `rotten` has the size and time of the snapshot's, and another content."""

RIGHT = b"content"
EXPECTED = {
    Overwrite.ALWAYS: {"missing": RIGHT, "same": RIGHT, "rotten": RIGHT, "newer": RIGHT, "older": RIGHT},
    Overwrite.IF_CHANGED: {"missing": RIGHT, "same": RIGHT, "rotten": b"CONTENT", "newer": RIGHT, "older": RIGHT},
    Overwrite.IF_NEWER: {"missing": RIGHT, "same": RIGHT, "rotten": b"CONTENT", "newer": b"new", "older": RIGHT},
    Overwrite.NEVER: {"missing": RIGHT, "same": RIGHT, "rotten": b"CONTENT", "newer": b"new", "older": b"old"},
}
LEFT_ALONE = {
    Overwrite.ALWAYS: set[str](),
    Overwrite.IF_CHANGED: set[str](),
    Overwrite.IF_NEWER: {"same", "rotten", "newer"},
    Overwrite.NEVER: {"same", "rotten", "newer", "older"},
}


def _with_all_states(to: Path) -> Case:
    there = {"same": RIGHT, "rotten": b"CONTENT", "newer": b"new", "older": b"old"}
    make_files(to, dict(there))
    for state in there:
        time = {"newer": NEWER, "older": OLDER}.get(state, NODE_TIME)
        (to / state).chmod(0o600)
        os.utime(to / state, ns=(time, time))
    return case_of({state.encode(): RIGHT for state in STATES}, to)


@pytest.mark.parametrize("policy", list(Overwrite))
def test_what_becomes_of_files_that_are_there(tmp_path: Path, policy: Overwrite) -> None:
    case = _with_all_states(tmp_path)
    before = untouched(tmp_path)
    result = case.restore(RestoreRequest(overwrite=policy))
    after = untouched(tmp_path)

    assert result.problems == ()
    assert contents(tmp_path) == EXPECTED[policy]
    assert {name for name in STATES if before.get(str(tmp_path / name)) == after[str(tmp_path / name)]} == LEFT_ALONE[
        policy
    ]
    assert result.skipped == len(LEFT_ALONE[policy])
    for state in set(STATES) - LEFT_ALONE[policy]:
        status = (tmp_path / state).stat()
        assert (status.st_mtime_ns, status.st_mode & 0o777) == (NODE_TIME, 0o644)


@pytest.mark.parametrize(("policy", "kept"), [(Overwrite.ALWAYS, {"same"}), (Overwrite.IF_CHANGED, {"same", "rotten"})])
def test_content_that_is_right_is_neither_fetched_nor_replaced(
    tmp_path: Path, policy: Overwrite, kept: set[str]
) -> None:
    case = _with_all_states(tmp_path)
    inodes = {state: (tmp_path / state).stat().st_ino for state in STATES[1:]}
    plan = case.plan(RestoreRequest(overwrite=policy))
    assert {file.path[0].decode() for file in plan.files if file.way is Way.THERE} == kept
    result = case.execute(plan)
    assert (result.files_unchanged, result.files_restored) == (len(kept), len(STATES) - len(kept))
    assert {state for state, inode in inodes.items() if (tmp_path / state).stat().st_ino == inode} == kept


@pytest.mark.parametrize("policy", list(Overwrite))
def test_verify_finds_what_a_policy_trusted_wrongly(tmp_path: Path, policy: Overwrite) -> None:
    case = _with_all_states(tmp_path)
    result = case.restore(RestoreRequest(overwrite=policy), verify=True)
    wrong = ["/rotten"] if policy is Overwrite.IF_CHANGED else []
    assert [problem.subject for problem in result.problems] == wrong
    assert result.verified == len(STATES) - len(LEFT_ALONE[policy]) - len(wrong)


@pytest.mark.parametrize("policy", [Overwrite.IF_NEWER, Overwrite.NEVER])
def test_what_stands_in_the_place_of_a_folder_is_left_alone_with_all_that_would_be_in_it(
    tmp_path: Path, policy: Overwrite
) -> None:
    make_files(tmp_path / "to", {"folder": b"mine"})
    (tmp_path / "outside").mkdir()
    (tmp_path / "to" / "link").symlink_to(tmp_path / "outside")
    case = case_of({b"folder": {b"f": b"1", b"g": {b"h": b"2"}}, b"link": {b"f": b"3"}, b"z": b"4"}, tmp_path / "to")
    result = case.put_back(RestoreRequest(overwrite=policy))
    target = b"-> " + os.fsencode(tmp_path / "outside")
    assert contents(tmp_path / "to") == {"folder": b"mine", "link": target, "z": b"4"}
    assert list((tmp_path / "outside").iterdir()) == []
    assert result.skipped == 2


def test_what_stands_in_the_place_of_a_folder_makes_way_where_files_are_overwritten(tmp_path: Path) -> None:
    make_files(tmp_path / "to", {"folder": b"mine"})
    (tmp_path / "outside").mkdir()
    (tmp_path / "to" / "link").symlink_to(tmp_path / "outside")
    tree: Tree = {b"folder": {b"f": b"1"}, b"link": {b"f": b"3"}}
    case_of(tree, tmp_path / "to").put_back()
    assert contents(tmp_path / "to") == {"folder": None, "folder/f": b"1", "link": None, "link/f": b"3"}
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("policy", list(Overwrite))
def test_symlinks_follow_the_policy_too(tmp_path: Path, policy: Overwrite) -> None:
    tmp_path.joinpath("link").symlink_to("mine")
    link = replace(bare_node(b"link", "symlink", 0o777), linktarget=b"theirs")
    case_of({b"link": link}, tmp_path).put_back(RestoreRequest(overwrite=policy))
    kept = policy in (Overwrite.IF_NEWER, Overwrite.NEVER)
    assert contents(tmp_path) == {"link": b"-> mine" if kept else b"-> theirs"}


def test_a_folder_with_content_in_the_place_of_a_file_goes_only_with_delete(tmp_path: Path) -> None:
    make_files(tmp_path, {"f/mine": b"mine"})
    case = case_of({b"f": b"1"}, tmp_path)
    result = case.restore()
    assert [problem.subject for problem in result.problems] == ["/f"]
    assert contents(tmp_path) == {"f": None, "f/mine": b"mine"}
    case.put_back(RestoreRequest(delete=True))
    assert contents(tmp_path) == {"f": b"1"}


@pytest.mark.parametrize("policy", list(Overwrite))
def test_a_second_restore_finds_nothing_to_fetch(tmp_path: Path, policy: Overwrite) -> None:
    case = case_of({b"f": b"1", b"d": {b"g": b"2", b"zero": b""}}, tmp_path)
    case.put_back()
    before = untouched(tmp_path)
    plan = case.plan(RestoreRequest(overwrite=policy))
    assert (plan.fetch.blob_count, plan.fetch.bytes_to_fetch) == (0, 0)
    assert untouched(tmp_path) == before
    assert case.execute(plan, verify=True).bytes_restored == 0
    assert contents(tmp_path) == {"f": b"1", "d": None, "d/g": b"2", "d/zero": b""}
