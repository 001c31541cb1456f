"""Snapshots on a real btrfs: what is read is of one moment, and none is left."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.errors import SourceUnavailable
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from drorch.sources.files.vantage import LIVE, Vantage
from drorch.sources.frozen.freezing import FreezeRequest, frozen
from drorch.sources.frozen.record import ask, remove_leftovers
from tests.sources.frozen.loops import btrfs, command, snapshots_in, subvolume
from tests.sources.walking import read_all, walked

RUN = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with btrfs(tmp_path_factory.mktemp("disk")) as point:
        yield point


@pytest.fixture
def data(disk: Path, request: pytest.FixtureRequest) -> Path:
    """A subvolume with a file."""
    there = subvolume(disk / request.node.name)
    (there / "folder").mkdir()
    (there / "folder" / "file").write_text("then")
    return there


def request_for(*paths: Path, state: Path, left_out: tuple[Path, ...] = ()) -> FreezeRequest:
    return FreezeRequest(
        kind="btrfs",
        paths=tuple(map(bytes, paths)),
        leaves_out=lambda path: Path(os.fsdecode(path)) in left_out,
        job="homes",
        run=RUN,
        folder=state / "frozen",
    )


def seen(path: Path, vantage: Vantage = LIVE, **wanted: bool) -> tuple[dict[str, str], FilesSource]:
    """Contents of files below a path, and the source that they were read with; folders have none."""
    selection = Selection((bytes(path),), one_file_system=wanted.get("one_file_system", False))
    source = FilesSource(selection, vantage=vantage)
    found = {}
    for name, entry in walked(source).items():
        if name.startswith(bytes(path) + b"/"):
            is_file = entry.stat.st_mode & 0o170000 == 0o100000
            found[os.fsdecode(name[len(bytes(path)) + 1 :])] = read_all(source, entry).decode() if is_file else ""
    return found, source


def complain(said: str) -> None:
    pytest.fail(f"nothing is to be complained of: {said}")


def statuses(source: FilesSource, path: Path) -> dict[bytes, tuple[int, ...]]:
    """What a snapshot of drorch's holds of each entry's status, but for folders on the way."""
    found = walked(source)
    return {
        name: (
            entry.stat.st_dev, entry.stat.st_ino, entry.stat.st_mode, entry.stat.st_nlink, entry.stat.st_mtime_ns,
            entry.stat.st_ctime_ns, entry.stat.st_uid, entry.stat.st_gid,
        )
        for name, entry in found.items()
        if name.startswith(bytes(path))
    }  # fmt: skip


def test_what_is_read_is_what_was_there_when_it_began_and_no_snapshot_is_left(data: Path, tmp_path: Path) -> None:
    with frozen(request_for(data, state=tmp_path), complain) as vantage:
        (data / "folder" / "file").write_text("now")
        (data / "new").write_text("new")
        assert snapshots_in(data) != []
        contents, source = seen(data, vantage)
        assert contents == {"folder": "", "folder/file": "then"}
        assert source.problems == ()
        assert seen(data)[0] == {"folder": "", "folder/file": "now", "new": "new"}
    assert snapshots_in(data) == []
    assert list((tmp_path / "frozen").iterdir()) == []


def test_every_number_is_that_of_the_live_tree(data: Path, tmp_path: Path) -> None:
    subvolume(data / "nested")
    (data / "nested" / "file").write_text("then")
    os.link(data / "folder" / "file", data / "folder" / "link")
    for whole in (True, False):
        selection = Selection((bytes(data),), one_file_system=not whole)
        before = statuses(FilesSource(selection), data)
        with frozen(request_for(data, state=tmp_path), complain) as vantage:
            assert statuses(FilesSource(selection, vantage=vantage), data) == before
            assert (bytes(data / "nested" / "file") in before) == whole


def test_a_folder_in_a_subvolume_and_a_path_with_a_link(data: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(data)
    path = tmp_path / "way" / "folder"
    with frozen(request_for(path, state=tmp_path), complain) as vantage:
        (data / "folder" / "file").write_text("now")
        assert seen(path, vantage)[0] == {"file": "then"}


def test_subvolumes_within_are_of_the_past_too_and_read_only_ones_are_read(data: Path, tmp_path: Path) -> None:
    inner = subvolume(subvolume(data / "nested") / "inner")
    (inner / "file").write_text("then")
    command("btrfs", "subvolume", "snapshot", "-r", inner, data / "folder" / "kept")
    with frozen(request_for(data, state=tmp_path), complain) as vantage:
        (inner / "file").write_text("now")
        contents, source = seen(data, vantage)
        assert contents["nested/inner/file"] == contents["folder/kept/file"] == "then"
        assert source.problems == ()
        assert len(snapshots_in(data)) == 3
    assert snapshots_in(data) == []


def test_a_subvolume_nobody_knew_of_is_read_as_it_is_and_told(data: Path, tmp_path: Path) -> None:
    odd = subvolume(data / "odd\nname")
    (odd / "file").write_text("then")
    with frozen(request_for(data, state=tmp_path), complain) as vantage:
        contents, source = seen(data, vantage)
    assert contents["odd\nname/file"] == "then"
    [problem] = source.problems
    assert problem.subject == str(odd)
    assert "was found too late for a snapshot" in problem.message


def test_another_file_system_below_is_read_as_it_is_and_told_where_it_is_entered(data: Path, tmp_path: Path) -> None:
    (data / "mnt").mkdir()
    command("mount", "-t", "tmpfs", "none", data / "mnt")
    try:
        (data / "mnt" / "file").write_text("elsewhere")
        with frozen(request_for(data, state=tmp_path), complain) as vantage:
            contents, source = seen(data, vantage)
            assert contents["mnt/file"] == "elsewhere"
            assert [problem.subject for problem in source.problems] == [str(data / "mnt")]
            contents, source = seen(data, vantage, one_file_system=True)
            assert "mnt" in contents
            assert "mnt/file" not in contents
            assert source.problems == ()
    finally:
        command("umount", data / "mnt")


def test_snapshots_of_other_jobs_are_no_part_of_a_backup(data: Path, tmp_path: Path) -> None:
    with frozen(request_for(data, state=tmp_path), complain) as vantage:
        other = FreezeRequest("btrfs", (bytes(data),), lambda _: False, "other", RUN, tmp_path / "frozen")
        with frozen(other, complain) as second:
            plain = {"folder": "", "folder/file": "then"}
            assert seen(data)[0] == seen(data, vantage)[0] == seen(data, second)[0] == plain


def test_a_snapshot_is_removed_whatever_ends_the_block(data: Path, tmp_path: Path) -> None:
    for fault in (KeyboardInterrupt(), ValueError("x")):
        with pytest.raises(type(fault)), frozen(request_for(data, state=tmp_path), complain):
            raise fault
        assert snapshots_in(data) == []


def test_what_cannot_be_frozen_leaves_nothing(data: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    with (
        pytest.raises(SourceUnavailable, match="not on btrfs"),
        frozen(request_for(data, tmp_path / "elsewhere", state=tmp_path), complain),
    ):
        pytest.fail("there is nothing to see")
    command("mount", "--bind", data, data)
    try:
        command("mount", "-o", "remount,ro,bind", data)
        with pytest.raises(SourceUnavailable, match="Read-only file system"):
            frozen(request_for(data, state=tmp_path), complain).__enter__()
    finally:
        command("umount", data)
    assert snapshots_in(data) == []
    assert list((tmp_path / "frozen").iterdir()) == []


def test_what_is_mounted_in_part_is_found_where_the_whole_is_mounted(data: Path, tmp_path: Path) -> None:
    nested = subvolume(data / "folder" / "nested")
    (nested / "file").write_text("then")
    (tmp_path / "part").mkdir()
    for part in (tmp_path / "part", data / "folder"):
        command("mount", "--bind", data / "folder", part)
        try:
            path = data if part == data / "folder" else part
            with frozen(request_for(path, state=tmp_path), complain) as vantage:
                (data / "folder" / "file").write_text("now")
                contents, source = seen(path, vantage)
                assert {name.removeprefix("folder/"): read for name, read in contents.items() if read} == {
                    "file": "then", "nested/file": "then",
                }  # fmt: skip
                expected = [] if path == data else [str(part / "nested")]
                assert [problem.subject for problem in source.problems] == expected
            (data / "folder" / "file").write_text("then")
        finally:
            command("umount", part)


def test_a_program_that_is_missing_or_fails_is_named_with_what_it_said() -> None:
    with pytest.raises(SourceUnavailable, match="no-such-program: No such file or directory") as caught:
        ask(("no-such-program", "list"))
    assert caught.value.hint == "Install no-such-program, and try: no-such-program list"
    with pytest.raises(SourceUnavailable, match=r"^sh -c echo because >&2; exit 3 exited with status 3: because$"):
        ask(("sh", "-c", "echo because >&2; exit 3"))


_KILLED = """
import sys
from pathlib import Path
from drorch.sources.frozen.freezing import FreezeRequest, frozen
data, state, run = sys.argv[1:]
request = FreezeRequest("btrfs", (data.encode(),), lambda _: False, "homes", run, Path(state) / "frozen")
with frozen(request, print):
    print("there", flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_run_leaves_is_removed_and_what_a_living_one_has_is_not(data: Path, tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _KILLED, data, tmp_path, RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        try:
            assert child.stdout.readline() == b"there\n"
            assert remove_leftovers(tmp_path / "frozen") == []
            assert len(snapshots_in(data)) == 1
        finally:
            child.kill()
            child.wait()
    assert len(snapshots_in(data)) == 1
    assert remove_leftovers(tmp_path / "frozen", "other") == []
    assert len(snapshots_in(data)) == 1
    assert remove_leftovers(tmp_path / "frozen") == []
    assert snapshots_in(data) == []
    assert list((tmp_path / "frozen").iterdir()) == []


def test_what_took_the_place_of_a_snapshot_is_left_alone_and_told(data: Path, tmp_path: Path) -> None:
    precious = subvolume(data / "precious")
    told: list[str] = []
    with frozen(request_for(data, state=tmp_path, left_out=(precious,)), told.append):
        [place] = data.glob(".drorch-*")
        place.rename(data / "moved")
        place.symlink_to(precious)
    assert precious.is_dir()
    [complaint] = told
    assert "is not the snapshot that was made there" in complaint
    [record] = (tmp_path / "frozen").iterdir()
    assert json.loads(record.read_text())["job"] == "homes"
    command("btrfs", "subvolume", "delete", data / "moved")


def test_a_record_whose_file_system_is_not_there_is_kept(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frozen"
    with frozen(request_for(data, state=tmp_path), complain):
        [record] = folder.iterdir()
        text = record.read_text().replace(str(data), "/nowhere")
    record.write_text(text)
    [complaint] = remove_leftovers(folder, "homes")
    assert "may be left" in complaint
    assert record.exists()
    record.write_text("{")
    [complaint] = remove_leftovers(folder, "homes")
    assert "cannot be read" in complaint
