"""Large files: written region by region, resumed, sparse, updated in place; and what a full disk does."""

import gc
import os
import random
import stat
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from drorch.errors import Problem, RestoreError
from drorch.sources.files.destination import Destination
from drorch.sources.files.destination_regions import is_zero
from drorch.sources.files.placement import KEPT_PARTIAL_BYTES, DestinationPolicy, partial_name
from drorch.units import MIB
from tests.sources.destination_cases import MTIME, listing, metadata, need_root, with_problems
from tests.sources.destination_cases import without_problems as opened

_random = random.Random
SPARSE = DestinationPolicy(sparse=True)


def _partial_of(root: Path, name: bytes) -> Path:
    return root / os.fsdecode(partial_name(name))


def test_regions_in_any_order_from_several_threads(tmp_path: Path) -> None:
    size, step = 3 * MIB + 17, 100_000
    content = _random(1).randbytes(size)
    offsets = list(range(0, size, step))
    _random(2).shuffle(offsets)
    with opened(tmp_path) as destination:
        file = destination.open_file((b"f",), size)
        assert file is not None
        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(lambda at: file.write_at(at, memoryview(content)[at : at + step]), offsets))
        assert not (tmp_path / "f").exists()
        assert stat.S_IMODE(_partial_of(tmp_path, b"f").stat().st_mode) == 0o600
        assert file.read_at(1000, 10) == content[1000:1010]
        assert file.finish(metadata(permissions=0o604, size=size))
        assert destination.describe((b"f",)) == metadata(permissions=0o604, size=size)
    assert (tmp_path / "f").read_bytes() == content
    assert listing(tmp_path) == {"f"}


@pytest.mark.parametrize("sparse", [True, False])
def test_zeros_become_holes_only_where_asked(tmp_path: Path, sparse: bool) -> None:
    zeros = bytes(4 * MIB)
    with opened(tmp_path, DestinationPolicy(sparse=sparse)) as destination:
        file = destination.open_file((b"big",), 8 * MIB + 2)
        assert file is not None
        assert file.write_at(0, b"a") and file.write_at(1, zeros) and file.write_at(4 * MIB + 1, zeros)
        assert file.write_at(8 * MIB + 1, b"z") and file.finish(metadata())
        assert destination.write_file((b"small",), (b"a" * 4096, bytes(MIB), bytes(MIB)), metadata())
    big, small = (tmp_path / "big").stat(), (tmp_path / "small").stat()
    assert (tmp_path / "big").read_bytes() == b"a" + zeros + zeros + b"z"
    assert (tmp_path / "small").read_bytes() == b"a" * 4096 + bytes(2 * MIB)
    assert (big.st_blocks * 512 < MIB, small.st_blocks * 512 < MIB) == (sparse, sparse)


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5])
def test_zeros_are_recognised_whatever_their_number(size: int) -> None:
    data = bytearray(size)
    assert is_zero(data) and is_zero(memoryview(data)) and is_zero(bytes(data))
    for position in {0, size // 2, size - 1} if size else ():
        data[position] = 1
        assert not is_zero(data)
        data[position] = 0


def test_content_beyond_the_size_costs_the_file(tmp_path: Path) -> None:
    problems: list[Problem] = []
    with with_problems(tmp_path, problems) as destination:
        file = destination.open_file((b"f",), 10)
        assert file is not None
        assert not file.write_at(8, b"xyz") and not file.write_at(0, b"x") and not file.write_at(-1, b"x")
        assert file.finish(metadata()) is None
    assert listing(tmp_path) == set()
    assert [problem.subject for problem in problems] == ["/f"]


def test_more_files_at_once_than_descriptors(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with opened(tmp_path) as destination:
        files = [destination.open_file((b"%d" % number,), 2) for number in range(400)]
        assert len(os.listdir("/proc/self/fd")) < before + 150
        for offset in (0, 1):
            assert all(file is not None and file.write_at(offset, b"x") for file in files)
        assert all(file is not None and file.finish(metadata()) for file in files)
    assert all((tmp_path / str(number)).read_bytes() == b"xx" for number in range(400))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_partial_file_exchanged_while_it_was_parked_is_refused(tmp_path: Path) -> None:
    problems: list[Problem] = []
    with with_problems(tmp_path / "to", problems) as destination:
        file = destination.open_file((b"f",), 5)
        assert file is not None
        file.park()
        _partial_of(tmp_path / "to", b"f").unlink()
        (tmp_path / "theirs").write_bytes(b"12345")
        os.link(tmp_path / "theirs", _partial_of(tmp_path / "to", b"f"))
        assert not file.write_at(0, b"x")
    assert (tmp_path / "theirs").read_bytes() == b"12345"
    assert [problem.subject for problem in problems] == ["/f"]


def test_an_interrupted_large_file_is_resumed(tmp_path: Path) -> None:
    half = _random(3).randbytes(KEPT_PARTIAL_BYTES)
    size = 2 * len(half)
    with pytest.raises(KeyboardInterrupt), opened(tmp_path) as destination:
        large, small = destination.open_file((b"large",), size), destination.open_file((b"small",), size)
        assert large is not None and small is not None
        assert large.write_at(0, half) and small.write_at(0, half[:MIB])
        raise KeyboardInterrupt
    partial = _partial_of(tmp_path, b"large")
    assert list(tmp_path.iterdir()) == [partial]
    inode = partial.stat().st_ino
    with opened(tmp_path, SPARSE) as destination:
        assert destination.extras((), [b"large"]) == []
        assert [extra.path[-1] for extra in destination.extras((), [])] == [partial_name(b"large")]
        resumed = destination.open_partial((b"large",), size)
        assert resumed is not None and resumed.read_at(0, len(half)) == half
        assert resumed.write_at(0, bytes(4096)), "what is there is no hole, so zeros count"
        assert resumed.write_at(len(half), half)
        assert resumed.finish(metadata())
    assert (tmp_path / "large").stat().st_ino == inode
    assert (tmp_path / "large").read_bytes() == bytes(4096) + half[4096:] + half
    assert listing(tmp_path) == {"large"}


def test_what_is_not_ours_is_not_resumed(tmp_path: Path) -> None:
    partial = _partial_of(tmp_path, b"f")
    with opened(tmp_path) as destination:
        assert destination.open_partial((b"f",), 3) is None
        partial.write_bytes(b"old")
        partial.chmod(0o644)
        assert destination.open_partial((b"f",), 3) is None
        partial.chmod(0o600)
        resumed = destination.open_partial((b"f",), 2)
        assert resumed is not None
        resumed.discard()
        assert not partial.exists()
        if os.geteuid() == 0:
            partial.write_bytes(b"old")
            partial.chmod(0o600)
            os.chown(partial, 1000, -1)
            assert destination.open_partial((b"f",), 3) is None
        fresh = destination.open_file((b"f",), 3)
        assert fresh is not None and fresh.read_at(0, 3) == bytes(3) and fresh.finish(metadata())


def test_in_place_only_what_differs_is_written(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"a" * MIB + b"tail")
    path.chmod(0o640)
    os.setxattr(path, "user.stale", b"1")
    inode = path.stat().st_ino
    with opened(tmp_path) as destination:
        file = destination.open_in_place((b"f",), metadata(size=MIB))
        assert file is not None and file.read_at(5, 3) == b"aaa"
        assert path.stat().st_mode & 0o777 == 0o640
        assert file.write_at(4096, b"new")
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.stat().st_mtime_ns != MTIME
        assert file.finish(metadata(permissions=0o444, size=MIB))
        assert destination.describe((b"f",)) == metadata(permissions=0o444, size=MIB)
    assert path.read_bytes() == b"a" * 4096 + b"new" + b"a" * (MIB - 4099)
    assert path.stat().st_ino == inode


def test_in_place_writes_touch_no_other_region(tmp_path: Path) -> None:
    """Holes stay holes: were more than the one region written, it would take more blocks."""
    path = tmp_path / "f"
    with path.open("wb") as file:
        file.truncate(64 * MIB)
    with opened(tmp_path, SPARSE) as destination:
        updated = destination.open_in_place((b"f",), metadata(size=65 * MIB))
        assert updated is not None and updated.write_at(32 * MIB, b"x") and updated.write_at(MIB, bytes(4096))
        assert updated.finish(metadata())
    assert path.stat().st_size == 65 * MIB
    assert 0 < path.stat().st_blocks * 512 <= 64 * 1024


def test_what_is_not_safe_is_not_updated_in_place(tmp_path: Path) -> None:
    wanted = metadata(size=1)
    with opened(tmp_path) as destination:
        program = tmp_path / "program"
        program.write_bytes(b"x")
        program.chmod(0o755)
        (tmp_path / "one").write_bytes(b"x")
        os.link(tmp_path / "one", tmp_path / "two")
        (tmp_path / "link").symlink_to("one")
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "d").mkdir()
        if os.geteuid() == 0:
            (tmp_path / "theirs").write_bytes(b"x")
            os.chown(tmp_path / "theirs", 1000, 1000)
        for path in sorted(tmp_path.iterdir()):
            assert destination.open_in_place((os.fsencode(path.name),), wanted) is None, path
        assert destination.open_in_place((b"absent",), wanted) is None


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB; it cannot be unmounted while a caught error still holds the frames of what failed."""
    need_root()
    mount = tmp_path / "tiny"
    mount.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], check=True)
    yield mount
    gc.collect()
    subprocess.run(["umount", str(mount)], check=True)


def _error_of(attempt: Callable[[], object]) -> tuple[int, str, str]:
    """Exit code, message and hint of the error that is raised."""
    with pytest.raises(RestoreError) as caught:
        attempt()
    return caught.value.exit_code, caught.value.message, caught.value.hint or ""


def test_a_full_disk_is_one_error_that_says_how_much_is_needed(tiny: Path) -> None:
    problems: list[Problem] = []
    policy = DestinationPolicy(expected_bytes=3 * MIB)
    with with_problems(tiny, problems, policy) as destination:
        small = _error_of(lambda: destination.write_file((b"small",), (bytes(2 * MIB),), metadata()))
        file = destination.open_file((b"large",), 2 * MIB)
        assert file is not None
        large = _error_of(lambda: file.write_at(0, bytes(2 * MIB)))
    for code, message, hint in (small, large):
        assert code == 40
        assert message.startswith("no space left") and "3.000 MiB" in hint and "\n" not in message + hint
    assert listing(tiny) == set()
    assert problems == []


def test_a_read_only_file_system_is_one_error(tiny: Path) -> None:
    (tiny / "f").write_bytes(b"x")
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)
    with Destination(tiny, DestinationPolicy(), print) as destination:
        for attempt in (
            lambda: destination.write_file((b"g",), (b"x",), metadata()),
            lambda: destination.make_dir((b"d",), None),
            lambda: destination.open_in_place((b"f",), metadata(size=1)),
            lambda: destination.adopt((b"f",), metadata(size=1, permissions=0o600)),
            lambda: destination.remove((b"f",)),
        ):
            code, message, hint = _error_of(attempt)
            assert (code, "read-only" in message, "--to" in hint) == (40, True, True)
