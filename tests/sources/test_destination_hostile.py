"""Whatever a tree says and whoever interferes: nothing outside the destination is touched."""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drorch.errors import Problem
from drorch.sources.files.destination import Destination
from drorch.sources.files.placement import DestinationPolicy, Identity, Kind, RelativePath, partial_name
from tests.sources.destination_cases import FOLDER, listing, metadata, with_problems, without_problems

HOSTILE = [b"", b".", b"..", b"/etc/x", b"../x", b"a/b", b"a\0b", b"\0", partial_name(b"other")]
PATHS: list[RelativePath] = [(), *((name,) for name in HOSTILE), *((b"d", name) for name in HOSTILE)]
PATHS += [(name, b"f") for name in HOSTILE]

OPERATIONS: dict[str, Callable[[Destination, RelativePath], object]] = {
    "write_file": lambda to, path: to.write_file(path, (b"x",), metadata()),
    "open_file": lambda to, path: to.open_file(path, 3),
    "open_partial": lambda to, path: to.open_partial(path, 3),
    "open_in_place": lambda to, path: to.open_in_place(path, metadata(size=3)),
    "place": lambda to, path: to.place(path, metadata(Kind.FIFO)),
    "hardlink": lambda to, path: to.hardlink(path, (b"d",), Identity(1, 1)),
    "hardlink to": lambda to, path: to.hardlink((b"new",), path, Identity(1, 1)),
    "adopt": lambda to, path: to.adopt(path, metadata()),
    "read_back": lambda to, path: to.read_back(path),
    "remove": lambda to, path: to.remove(path),
}


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A folder beside the destination whose content, names and times must be the same afterwards."""
    folder = tmp_path / "outside"
    (folder / "sub").mkdir(parents=True)
    (folder / "f").write_bytes(b"theirs")
    (folder / "sub" / "f").write_bytes(b"theirs")

    def state() -> object:
        paths = [folder, *sorted(folder.rglob("*"))]
        return [
            (str(p), p.lstat().st_ino, p.lstat().st_mode, p.lstat().st_mtime_ns, p.lstat().st_ctime_ns) for p in paths
        ]

    before = state()
    yield folder
    assert state() == before
    assert (folder / "f").read_bytes() == (folder / "sub" / "f").read_bytes() == b"theirs"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_hostile_name_is_refused(tmp_path: Path, operation: str) -> None:
    problems: list[Problem] = []
    silent = operation in ("open_partial", "open_in_place", "adopt")
    with with_problems(tmp_path / "to", problems) as destination:
        destination.make_dir((b"d",), None)
        for path in PATHS:
            assert not OPERATIONS[operation](destination, path), path
            assert len(problems) == (0 if silent else 1), path
            problems.clear()
    assert listing(tmp_path) == {"to", "to/d"}


def test_a_hostile_folder_is_refused(tmp_path: Path) -> None:
    problems: list[Problem] = []
    hostile = [path for path in PATHS if path]
    with with_problems(tmp_path / "to", problems) as destination:
        destination.make_dir((b"d",), None)
        assert not any(destination.make_dir(path, FOLDER) for path in hostile)
        destination.finish_dirs()
    assert listing(tmp_path) == {"to", "to/d"}
    assert len(problems) == len(hostile)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_nothing_goes_through_a_symlink_that_is_there(tmp_path: Path, outside: Path, operation: str) -> None:
    problems: list[Problem] = []
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "link").symlink_to(outside)
    with with_problems(tmp_path / "to", problems) as destination:
        destination.make_dir((b"d",), None)
        assert not OPERATIONS[operation](destination, (b"link", b"f"))
        assert not OPERATIONS[operation](destination, (b"link", b"sub", b"f"))
        assert destination.extras((b"link",), ()) == []


def test_the_tree_itself_may_not_lay_the_symlink(tmp_path: Path, outside: Path) -> None:
    problems: list[Problem] = []
    with with_problems(tmp_path / "to", problems) as destination:
        destination.make_dir((b"d",), FOLDER)
        assert destination.place((b"d",), metadata(Kind.SYMLINK, linktarget=os.fsencode(outside)))
        assert not destination.write_file((b"d", b"f"), (b"x",), metadata())
        destination.finish_dirs()
    assert len(problems) == 2


def test_a_folder_replaces_a_symlink_that_is_there(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "d").symlink_to(outside)
    with without_problems(tmp_path / "to") as destination:
        assert destination.make_dir((b"d",), FOLDER)
        assert destination.write_file((b"d", b"f"), (b"ours",), metadata())
        destination.finish_dirs()
    assert not (tmp_path / "to" / "d").is_symlink()
    assert (tmp_path / "to" / "d" / "f").read_bytes() == b"ours"


def test_a_file_of_two_names_is_replaced_and_never_written(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "to").mkdir()
    copy = tmp_path / "copy"
    copy.write_bytes(b"theirs")
    os.link(copy, tmp_path / "to" / "f")
    before = copy.stat()
    with without_problems(tmp_path / "to") as destination:
        assert destination.open_in_place((b"f",), metadata(size=4)) is None
        assert destination.adopt((b"f",), metadata(permissions=0o777)) is None
        assert destination.write_file((b"f",), (b"ours",), metadata())
    after = copy.stat()
    assert copy.read_bytes() == b"theirs"
    assert (after.st_mode, after.st_mtime_ns, after.st_nlink) == (before.st_mode, before.st_mtime_ns, 1)
    assert outside.is_dir()


@pytest.mark.parametrize("trap", ["symlink", "hard link", "folder"])
def test_traps_under_the_partial_name(tmp_path: Path, outside: Path, trap: str) -> None:
    problems: list[Problem] = []
    partial = tmp_path / "to" / os.fsdecode(partial_name(b"f"))
    partial.parent.mkdir()
    if trap == "symlink":
        partial.symlink_to(outside / "f")
    elif trap == "hard link":
        (tmp_path / "elsewhere").write_bytes(b"theirs")
        os.link(tmp_path / "elsewhere", partial)
    else:
        partial.mkdir()
    with with_problems(tmp_path / "to", problems) as destination:
        assert destination.open_partial((b"f",), 4) is None
        placed = destination.write_file((b"f",), (b"ours",), metadata())
    assert (placed is None) == (trap == "folder") == (len(problems) == 1)
    assert trap != "hard link" or (tmp_path / "elsewhere").read_bytes() == b"theirs"


@contextlib.contextmanager
def _swapping(victim: Path, aside: Path, target: Path) -> Iterator[None]:
    """Someone keeps exchanging a folder for a symlink that leads out."""
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            victim.rename(aside)
            victim.symlink_to(target)
            stop.wait(0.0005)
            victim.unlink()
            aside.rename(victim)
            stop.wait(0.0005)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_folder_swapped_for_a_symlink_while_restoring(tmp_path: Path, outside: Path) -> None:
    problems: list[Problem] = []
    root = tmp_path / "to"
    victim = root / "d"
    refused = 0
    written = {"by a handle that is held": 0, "by a handle opened now": 0}
    with with_problems(root, problems) as destination:
        destination.make_dir((b"d",), FOLDER)
        with _swapping(victim, root / "aside", outside):
            for number in range(5000):
                name = b"%d" % (number % 40)
                held = destination.write_file((b"d", name), (b"x",), metadata())
                destination.hardlink((b"d", b"l" + name), (b"d", name), held or Identity(1, 1))
                destination.place((b"d", b"s" + name), metadata(Kind.SYMLINK, linktarget=b"/"))
                destination.remove((b"d", b"f"))
                destination.remove((b"d", b"sub"))
                with Destination(root, DestinationPolicy(), problems.append) as fresh:
                    opened = fresh.write_file((b"d", b"f"), (b"x",), metadata())
                written["by a handle that is held"] += held is not None
                written["by a handle opened now"] += opened is not None
                refused += any("nothing is written through it" in problem.message for problem in problems)
                problems.clear()
                if number >= 200 and refused >= 5 and all(written.values()):
                    break
    assert refused >= 5
    assert all(written.values()), written


def test_paths_beyond_path_max_and_two_thousand_levels(tmp_path: Path) -> None:
    depth = 2000
    parts = tuple(b"%04d-some-name" % level for level in range(depth))
    descriptors = len(os.listdir("/proc/self/fd"))
    with without_problems(tmp_path) as destination:
        for level in range(1, depth + 1):
            assert destination.make_dir(parts[:level], FOLDER)
        assert destination.write_file((*parts, b"f"), (b"bottom",), metadata())
        assert len(os.listdir("/proc/self/fd")) < descriptors + 300
        assert destination.write_file((parts[0], b"f"), (b"top",), metadata())
        destination.finish_dirs()
        content = destination.read_back((*parts, b"f"))
        assert content is not None and content.read_at(0, 9) == b"bottom"
        found = destination.describe(parts)
        assert found is not None and found == FOLDER
        removed = destination.remove(parts[:1])
    assert len(removed) == depth + 2
    assert removed[0] == (*parts, b"f") or removed[0] == (parts[0], b"f")
    assert listing(tmp_path) == set()


def test_names_too_long_or_not_utf8(tmp_path: Path) -> None:
    problems: list[Problem] = []
    with with_problems(tmp_path, problems) as destination:
        assert destination.write_file((b"\xff" * 255,), (b"x",), metadata())
        assert not destination.write_file((b"n" * 256,), (b"x",), metadata())
    assert os.listdir(os.fsencode(tmp_path)) == [b"\xff" * 255]
    assert len(problems) == 1
