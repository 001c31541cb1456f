import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.actions.restore.plan import RestorePlan
from drorch.actions.restore.request import Overwrite, RestoreRequest
from drorch.sources.files.placement import partial_name
from tests.actions.restore_cases import Case, case_of, contents, make_files, pieces_of, told, untouched
from tests.actions.trees import Tree, new_repository, writing
from tests.storage.privileges import need

TREE: Tree = {b"keep.txt": b"1", b"sub": {b"keep.txt": b"2", b"keep.log": b"3"}}
EXTRA: dict[str, bytes | None] = {
    "extra.txt": b"x",
    "extra.log": b"x",
    "sub/extra.txt": b"x",
    "sub/extra.log": b"x",
    "new/inner/extra.txt": b"x",
    "new/inner/extra.log": b"x",
    "new/other/extra.txt": b"x",
    "new/extra.txt": b"x",
}


@pytest.fixture
def case(tmp_path: Path) -> Case:
    make_files(tmp_path / "to", EXTRA)
    return case_of(TREE, tmp_path / "to")


def _left(case: Case, include: tuple[str, ...] = (), exclude: tuple[str, ...] = ()) -> set[str]:
    """Names of files that are extra and there after a restore that deletes."""
    case.put_back(RestoreRequest(delete=True, include=include, exclude=exclude))
    return {name for name, content in contents(case.to).items() if content == b"x"}


def _extras(plan: RestorePlan) -> set[str]:
    return {"/".join(map(os.fsdecode, extra.path)) for extra in plan.extras}


def test_all_that_the_snapshot_does_not_have_goes(case: Case) -> None:
    assert _extras(case.plan(RestoreRequest(delete=True))) == {
        "extra.txt",
        "extra.log",
        "sub/extra.txt",
        "sub/extra.log",
        "new",
    }
    assert _left(case) == set()
    assert set(contents(case.to)) == {"keep.txt", "sub", "sub/keep.txt", "sub/keep.log"}


def test_nothing_goes_unless_it_is_asked_for(case: Case) -> None:
    case.put_back()
    assert set(EXTRA) < set(contents(case.to))


def test_what_is_excluded_survives_with_the_folders_it_is_in(case: Case) -> None:
    make_files(case.to, {"sub/keep.log": b"mine"})
    assert _left(case, exclude=("*.log",)) == {"extra.log", "sub/extra.log", "new/inner/extra.log"}
    assert contents(case.to)["sub/keep.log"] == b"mine"
    assert not (case.to / "new" / "other").exists()


def test_an_excluded_folder_survives_whole(case: Case) -> None:
    assert _left(case, exclude=("inner", "sub")) == {
        "sub/extra.txt",
        "sub/extra.log",
        "new/inner/extra.txt",
        "new/inner/extra.log",
    }


def test_what_is_not_included_survives(case: Case) -> None:
    assert _left(case, include=("*.txt",)) == set(EXTRA) - {"extra.txt", "sub/extra.txt"}


def test_all_that_is_extra_in_an_included_folder_goes(case: Case) -> None:
    assert _left(case, include=("/sub",)) == set(EXTRA) - {"sub/extra.txt", "sub/extra.log"}


def test_folders_that_are_not_reached_survive(case: Case) -> None:
    assert _left(case, include=("/keep.txt",)) == set(EXTRA)


def test_include_and_exclude_together(case: Case) -> None:
    assert _left(case, include=("/sub",), exclude=("*.log",)) == set(EXTRA) - {"sub/extra.txt"}


def test_a_folder_with_a_damaged_tree_loses_nothing(case: Case) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        keep = writer.file(b"keep.txt", b"1")
        sub = writer.folder(b"sub", writer.nodes(keep))
        lost = writer.folder(b"lost", type(writer.nodes())(b"\0" * 32))
        root = writer.nodes(sub, lost)
        writer.snapshot(root)
    make_files(case.to, {"lost/mine": b"x"})
    damaged = Case(repository, root, case.to)
    result = damaged.restore(RestoreRequest(delete=True))
    assert list(told(result.problems)) == ["/lost"]
    assert set(contents(case.to)) == {"lost", "lost/mine", "sub", "sub/keep.txt"}


def test_symlinks_are_removed_and_never_followed(case: Case, tmp_path: Path) -> None:
    make_files(tmp_path / "outside", {"f": b"safe"})
    (case.to / "link").symlink_to(tmp_path / "outside")
    (case.to / "new" / "link").symlink_to(tmp_path / "outside")
    assert _left(case, exclude=("*.log",)) == {"extra.log", "sub/extra.log", "new/inner/extra.log"}
    assert not (case.to / "link").is_symlink()
    assert contents(tmp_path / "outside") == {"f": b"safe"}


@pytest.fixture(params=["tmpfs", "bind"])
def mounted(case: Case, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A mount point in a folder that is extra."""
    place, other = case.to / "new" / "mounted", tmp_path / "other"
    place.mkdir(parents=True)
    other.mkdir()
    kind = ["--bind", str(other)] if request.param == "bind" else ["-t", "tmpfs", "tmpfs"]
    need("root", present=os.geteuid() == 0)
    done = subprocess.run(["mount", *kind, str(place)], capture_output=True, check=False)
    need("the right to mount", present=done.returncode == 0)
    (place / "f").write_bytes(b"x")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("exclude", [(), ("*.log",)])
def test_mount_points_survive(case: Case, mounted: Path, exclude: tuple[str, ...]) -> None:
    result = case.restore(RestoreRequest(delete=True, exclude=exclude))
    assert list(told(result.problems)) == ["/new/mounted"]
    assert (mounted / "f").read_bytes() == b"x"
    assert not (case.to / "new" / "other").exists()


@pytest.mark.parametrize("policy", list(Overwrite))
def test_a_plan_changes_nothing(case: Case, policy: Overwrite) -> None:
    make_files(case.to, {"keep.txt": b"old", "sub/keep.txt": b"2"})
    (case.to / "sub" / "keep.log").symlink_to("nowhere")
    before = untouched(case.to)
    plan = case.plan(RestoreRequest(delete=True, overwrite=policy))
    assert plan.extras
    assert untouched(case.to) == before


def test_a_plan_changes_nothing_of_large_and_of_unfinished_files(tmp_path: Path) -> None:
    pieces = pieces_of(1, 20)
    repository = new_repository()
    with writing(repository) as writer:
        root = writer.nodes(writer.file(b"there", *pieces), writer.file(b"begun", *pieces))
        writer.snapshot(root)
    case = Case(repository, root, tmp_path)
    (tmp_path / "there").write_bytes(b"".join([*pieces[:5], bytes(1 << 20), *pieces[6:]]))
    begun = tmp_path / os.fsdecode(partial_name(b"begun"))
    begun.write_bytes(b"".join(pieces[:2]))
    begun.chmod(0o600)
    before = untouched(tmp_path)
    plan = case.plan(RestoreRequest(delete=True))
    assert {file.path[0]: len(file.wanted) for file in plan.files} == {b"there": 1, b"begun": 18}
    assert untouched(tmp_path) == before
    assert case.execute(plan, verify=True).verified == 2
    assert contents(tmp_path) == {"there": b"".join(pieces), "begun": b"".join(pieces)}


def test_a_plan_does_not_make_the_destination(tmp_path: Path) -> None:
    case = case_of(TREE, tmp_path / "not" / "there")
    assert len(case.plan(RestoreRequest(delete=True)).files) == 3
    assert list(tmp_path.iterdir()) == []
    case.put_back(RestoreRequest(delete=True))
    assert stat.S_IMODE((tmp_path / "not" / "there").stat().st_mode) == 0o700
