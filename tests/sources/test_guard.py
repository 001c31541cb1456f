"""The guard: nothing to back up is an error before it is a snapshot."""

import os
import subprocess
from pathlib import Path

import pytest

from drorch.errors import SourceSuspicious
from drorch.sources.files.guard import Expectation, Guard
from tests.sources.needs import need_program, need_root


@pytest.fixture
def here(tmp_path: Path) -> bytes:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "empty").mkdir()
    return os.fsencode(tmp_path)


def guard(here: bytes, *fstab: bytes, expect_mount: tuple[bytes, ...] = (), allow_empty: bool = False) -> Guard:
    table = Path(os.fsdecode(here + b".fstab"))
    table.write_bytes(b"# table\n\n" + b"".join(b"none %s tmpfs defaults 0 0\n" % mount for mount in fstab))
    return Guard(Expectation(expect_mount=expect_mount, allow_empty=allow_empty, fstab=table))


@pytest.mark.parametrize("names", [[b"empty"], [b"missing"], [b"empty", b"missing"], [b"missing", b"gone"]])
def test_nothing_in_any_target_is_refused_unless_allowed(here: bytes, names: list[bytes]) -> None:
    targets = [here + b"/" + name for name in names]
    with pytest.raises(SourceSuspicious, match="nothing in it") as caught:
        guard(here).inspect(targets)
    assert caught.value.exit_code == 32
    for target in targets:
        assert os.fsdecode(target) in caught.value.message
    guard(here, allow_empty=True).inspect(targets)


@pytest.mark.parametrize("names", [[b"full"], [b"full/file"], [b"full", b"missing"], [b"empty", b"full"]])
def test_something_in_one_target_is_enough(here: bytes, names: list[bytes]) -> None:
    guard(here).inspect([here + b"/" + name for name in names])


def test_no_targets_are_refused(here: bytes) -> None:
    with pytest.raises(SourceSuspicious, match="no targets"):
        guard(here).inspect([])


def test_what_should_be_mounted_must_be(here: bytes) -> None:
    with pytest.raises(SourceSuspicious, match="full is not mounted"):
        guard(here, expect_mount=(here + b"/full",)).inspect([here + b"/full"])
    guard(here, expect_mount=(here + b"/full",), allow_empty=True).inspect([here + b"/full"])
    guard(here, expect_mount=(b"/proc",)).inspect([here + b"/full"])


def test_the_table_of_mounts_is_believed(here: bytes) -> None:
    with pytest.raises(SourceSuspicious, match="full is not mounted"):
        guard(here, here + b"/full").inspect([here + b"/full/file"])
    with pytest.raises(SourceSuspicious, match="full is not mounted"):
        guard(here, here + b"/full/").inspect([here + b"/full"])
    guard(here, here + b"/full/sub", here + b"/ful", b"/", b"none", b"/proc").inspect([here + b"/full"])


def test_mount_points_may_hold_blanks(here: bytes) -> None:
    need_root()
    need_program("mount")
    point = here + b"/a b"
    os.mkdir(point)
    listed = point.replace(b" ", b"\\040")
    with pytest.raises(SourceSuspicious, match="a b is not mounted"):
        guard(here, listed).inspect([point, here + b"/full"])
    done = subprocess.run(["mount", "--bind", here + b"/full", point], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"needs the right to mount: {done.stderr.decode()}")
    try:
        guard(here, listed, expect_mount=(point,)).inspect([point])
    finally:
        subprocess.run(["umount", point], check=True)


def test_an_empty_table_or_none_expects_nothing(here: bytes) -> None:
    Guard(Expectation(fstab=Path("/nonexistent"))).inspect([here + b"/full"])


@pytest.mark.parametrize(
    ("expectation", "files", "size", "refused"),
    [
        (Expectation(), 0, 0, "holds no files"),
        (Expectation(), 1, 0, None),
        (Expectation(allow_empty=True), 0, 0, None),
        (Expectation(minimum_files=10), 9, 1000, "9 files, at least 10"),
        (Expectation(minimum_files=10), 10, 0, None),
        (Expectation(minimum_bytes=2048), 10, 2047, "2047 B, at least 2.000 KiB|1.999 KiB, at least 2.000 KiB"),
        (Expectation(minimum_bytes=2048), 1, 2048, None),
        (Expectation(minimum_files=1, allow_empty=True), 0, 0, "0 files, at least 1"),
    ],
)
def test_verdict(expectation: Expectation, files: int, size: int, refused: str | None) -> None:
    if refused is None:
        Guard(expectation).verdict(files, size)
        return
    with pytest.raises(SourceSuspicious, match=refused):
        Guard(expectation).verdict(files, size)
