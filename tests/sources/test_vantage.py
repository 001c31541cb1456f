"""A tree that is read elsewhere is the tree that it stands for: the same names, the same numbers, the right content."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from drorch.sources.files.vantage import FrozenTree, Region, is_own_snapshot, renumbered
from tests.sources.walking import read_all, walked


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A live tree, and a copy of it that was made before it changed."""
    live = tmp_path / "live"
    (live / "a" / "inner").mkdir(parents=True)
    (live / "a" / "file").write_text("then")
    (live / "a" / "inner" / "deep").write_text("then")
    (live / "b").mkdir()
    (live / "b" / "file").write_text("then")
    shutil.copytree(live, tmp_path / "copy", symlinks=True)
    for path in (live / "a" / "file", live / "a" / "inner" / "deep", live / "b" / "file"):
        path.write_text("now, and longer")
    return tmp_path


def contents(source: FilesSource, top: Path) -> dict[str, str]:
    """What a source reads, by the path that it is known by below `top`."""
    start = bytes(top) + b"/"
    files = {path: entry for path, entry in walked(source).items() if stat.S_ISREG(entry.stat.st_mode)}
    return {
        os.fsdecode(path.removeprefix(start)): read_all(source, entry).decode()
        for path, entry in files.items()
        if path.startswith(start)
    }


def source_of(tree: Path, *regions: Region, **wanted: bool) -> FilesSource:
    selection = Selection((bytes(tree / "live"),), one_file_system=wanted.get("one_file_system", False))
    return FilesSource(selection, vantage=FrozenTree(regions))


def region(tree: Path, live: str, place: str, reservation: str | None = None) -> Region:
    return Region(bytes(tree / live), bytes(tree / place), reservation)


def test_all_is_read_elsewhere_under_its_own_paths(tree: Path) -> None:
    source = source_of(tree, region(tree, "live", "copy"))
    assert contents(source, tree / "live") == {"a/file": "then", "a/inner/deep": "then", "b/file": "then"}
    assert source.problems == ()
    assert source.paths == (bytes(tree / "live"),)


def test_a_region_within_is_read_where_it_is_and_told_when_it_is_entered(tree: Path) -> None:
    source = source_of(tree, region(tree, "live", "copy"), region(tree, "live/a", "live/a", "is read as it is"))
    assert contents(source, tree / "live") == {
        "a/file": "now, and longer", "a/inner/deep": "now, and longer", "b/file": "then",
    }  # fmt: skip
    assert [(problem.subject, problem.message) for problem in source.problems] == [
        (str(tree / "live" / "a"), "is read as it is")
    ]


def test_a_region_within_a_region_within_a_region(tree: Path) -> None:
    regions = [
        region(tree, "live/a/inner", "copy/a/inner"), region(tree, "live", "copy"), region(tree, "live/a", "live/a"),
    ]  # fmt: skip
    source = source_of(tree, *regions)
    assert contents(source, tree / "live") == {"a/file": "now, and longer", "a/inner/deep": "then", "b/file": "then"}
    assert source.problems == ()


def test_a_link_above_a_target_leads_into_its_region(tree: Path) -> None:
    (tree / "way").symlink_to(tree / "live")
    selection = Selection((bytes(tree / "way" / "a"),))
    source = FilesSource(selection, vantage=FrozenTree([region(tree, "live", "copy")]))
    assert contents(source, tree / "way") == {"a/file": "then", "a/inner/deep": "then"}


def test_a_target_that_is_a_region_of_its_own(tree: Path) -> None:
    selection = Selection((bytes(tree / "live" / "a"), bytes(tree / "live" / "b" / "file")))
    regions = [region(tree, "live/a", "copy/a"), region(tree, "live/b", "copy/b")]
    source = FilesSource(selection, vantage=FrozenTree(regions))
    assert contents(source, tree / "live") == {"a/file": "then", "a/inner/deep": "then", "b/file": "then"}


def test_patterns_know_the_paths_that_files_are_known_by(tree: Path) -> None:
    selection = Selection((bytes(tree / "live"),), excludes=(f"{tree}/live/a/inner", f"{tree}/copy"))
    source = FilesSource(selection, vantage=FrozenTree([region(tree, "live", "copy")]))
    assert contents(source, tree / "live") == {"a/file": "then", "b/file": "then"}


def test_statuses_have_the_numbers_of_the_live_tree(tree: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tree.stat().st_dev:
        pytest.skip("needs a second file system at /dev/shm")
    place = memory / f"vantage-{os.getpid()}"
    shutil.copytree(tree / "copy", place)
    try:
        frozen = FrozenTree([Region(bytes(tree / "live"), bytes(place))])
        source = FilesSource(Selection((bytes(tree / "live"),), one_file_system=True), vantage=frozen)
        assert contents(source, tree / "live").keys() == {"a/file", "a/inner/deep", "b/file"}
        entries = {path: entry for path, entry in walked(source).items() if path.startswith(bytes(tree / "live"))}
        assert len(entries) == 7
        assert {entry.stat.st_dev for entry in entries.values()} == {(tree / "live").stat().st_dev}
        opened = source.reader.open(bytes(place / "a" / "file"))
        assert opened.stat.st_dev == (tree / "live").stat().st_dev
        opened.close()
    finally:
        shutil.rmtree(place)


def test_only_the_device_of_a_status_changes(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    status = os.stat(tmp_path / "file")
    other = renumbered(status, {status.st_dev: 4711})
    assert other.st_dev == 4711
    for name in (name for name in dir(status) if name.startswith("st_") and name != "st_dev"):
        assert getattr(other, name) == getattr(status, name), name
    assert renumbered(status, {}) is status


def test_only_subvolumes_of_the_right_name_are_snapshots_of_our_own(tmp_path: Path) -> None:
    folder = os.stat(tmp_path)
    fields = list(folder.__reduce__()[1][0])
    fields[1] = 256
    root = os.stat_result(fields)
    name = b".drorch-homes-" + b"a" * 32
    assert is_own_snapshot(name, root)
    assert is_own_snapshot(name + b".2", root)
    assert not is_own_snapshot(b".drorch-homes", root)
    assert not is_own_snapshot(name, folder)
