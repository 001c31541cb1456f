"""What the snapshot does not have is listed, then removed: never through a symlink, never on another file system."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.errors import Problem
from drorch.sources.files.placement import Extra
from tests.sources.destination_cases import listing, need_root, with_problems, without_problems


def test_extras_are_listed_and_nothing_is_removed(tmp_path: Path) -> None:
    (tmp_path / "d" / "kept").mkdir(parents=True)
    (tmp_path / "d" / "extra" / "deep").mkdir(parents=True)
    (tmp_path / "d" / "file").write_bytes(b"")
    (tmp_path / "d" / "link").symlink_to(tmp_path)
    before = listing(tmp_path)
    with without_problems(tmp_path) as destination:
        extras = destination.extras((b"d",), [b"kept", b"absent"])
        assert destination.extras((b"absent",), []) == []
    assert extras == [Extra((b"d", b"extra"), True), Extra((b"d", b"file"), False), Extra((b"d", b"link"), False)]
    assert listing(tmp_path) == before


def test_a_tree_is_removed_contents_first(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_bytes(b"1")
    root = tmp_path / "to"
    for folder in ("x/a/b", "x/c", "kept"):
        (root / folder).mkdir(parents=True)
        (root / folder / "f").write_bytes(b"1")
    (root / "x" / "to-folder").symlink_to(outside)
    (root / "x" / "a" / "to-file").symlink_to(outside / "f")
    os.mkfifo(root / "x" / "pipe")
    with without_problems(root) as destination:
        removed = destination.remove((b"x",))
        assert destination.make_dir((b"x",), None)
    assert len(removed) == 9 and removed[-1] == (b"x",)
    assert all(removed.index(path) < removed.index(path[:-1]) for path in removed if len(path) > 1)
    assert listing(root) == {"x", "kept", "kept/f"}
    assert (outside / "f").read_bytes() == b"1"


def test_what_is_absent_is_a_problem_of_its_own(tmp_path: Path) -> None:
    problems: list[Problem] = []
    with with_problems(tmp_path, problems) as destination:
        assert destination.remove((b"absent",)) == []
    assert [problem.subject for problem in problems] == ["/absent"]


@pytest.fixture(params=["tmpfs", "bind"])
def mounted(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A destination with x/y/mount, on which something with a file is mounted; a bind mount has the same device."""
    need_root()
    mount = tmp_path / "to" / "x" / "y" / "mount"
    mount.mkdir(parents=True)
    other = tmp_path / "other"
    other.mkdir()
    kind = ["--bind", str(other)] if request.param == "bind" else ["-t", "tmpfs", "tmpfs"]
    subprocess.run(["mount", *kind, str(mount)], check=True)
    (mount / "precious").write_bytes(b"1")
    (tmp_path / "to" / "x" / "file").write_bytes(b"1")
    yield tmp_path / "to"
    assert (mount / "precious").read_bytes() == b"1"
    subprocess.run(["umount", str(mount)], check=True)


def test_mount_points_stay_with_the_folders_they_are_in(mounted: Path) -> None:
    problems: list[Problem] = []
    with with_problems(mounted, problems) as destination:
        assert destination.remove((b"x",)) == [(b"x", b"file")]
    assert listing(mounted) == {"x", "x/y", "x/y/mount", "x/y/mount/precious"}
    assert [problem.subject for problem in problems] == ["/x/y/mount"]


def test_mount_points_are_no_extras(mounted: Path) -> None:
    problems: list[Problem] = []
    with with_problems(mounted, problems) as destination:
        assert destination.extras((b"x", b"y"), []) == []
    assert [problem.subject for problem in problems] == ["/x/y/mount"]
