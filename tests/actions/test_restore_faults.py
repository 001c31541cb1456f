import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.actions.progress import Counters, NoProgress
from drorch.actions.restore.request import RestoreRequest
from drorch.errors import RestoreError, TargetUnavailable
from drorch.ids import BlobId
from drorch.repository.keys import ScryptCost
from drorch.repository.node import Node, NodeType
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.repository import Repository, initialize
from drorch.storage.memory import MemoryTarget
from tests.actions.restore_cases import Case, case_of, contents, partials, pieces_of, told
from tests.actions.restore_unprivileged import USER
from tests.actions.trees import Tree, TreeWriter, bare_node, new_repository, writing
from tests.doubles import FakeClock, Fault, FaultyTarget, flip_bit
from tests.storage.privileges import need

ROOT = Path(__file__).parents[2]
LARGE = pieces_of(8, 17)
TREE: Tree = {b"small": b"small content", b"other": b"other content", b"empty": b"", b"d": {b"deep": b"deep content"}}


def _pack_of(repository: Repository, blob: BlobId) -> str:
    pack = repository.index.locations(blob, BlobType.DATA)[0].pack.hex()
    return f"data/{pack[:2]}/{pack}"


def _with_two_packs(to: Path) -> tuple[Case, str]:
    """A snapshot whose large file lies over two packs, and the key of the one that holds its last piece."""
    repository = new_repository()
    with writing(repository) as writer:
        nodes = [writer.file(b"small", b"1"), writer.file(b"large", *LARGE), writer.file(b"tail", LARGE[-1])]
        root = writer.nodes(*nodes)
        writer.snapshot(root)
    first, last = (_pack_of(repository, (nodes[1].content or ())[at]) for at in (0, -1))
    assert first != last
    return Case(repository, root, to), last


def _remove(target: MemoryTarget, key: str) -> None:
    target.remove(key)


def _flip(target: MemoryTarget, key: str) -> None:
    raw = target.load(key)
    target.remove(key)
    target.save(key, flip_bit(raw[: 1 << 20]) + raw[1 << 20 :])


def _truncate(target: MemoryTarget, key: str) -> None:
    raw = target.load(key)
    target.remove(key)
    target.save(key, raw[:1000])


@pytest.mark.parametrize("damage", [_remove, _flip, _truncate])
def test_a_damaged_pack_costs_the_files_that_need_it(
    tmp_path: Path, damage: Callable[[MemoryTarget, str], None]
) -> None:
    case, key = _with_two_packs(tmp_path)
    assert isinstance(case.repository.target, MemoryTarget)
    damage(case.repository.target, key)
    result = case.restore(verify=True)
    assert set(told(result.problems)) == {"/large", "/tail"}
    assert all(message.startswith("not restored: data blob") for message in told(result.problems).values())
    assert contents(tmp_path) == {"small": b"1"}
    assert (result.files_restored, result.verified) == (1, 1)


def test_a_blob_that_no_index_knows_costs_its_file(tmp_path: Path) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        half = writer.file(b"half", b"known")
        half = replace(half, content=(*(half.content or ()), BlobId(b"\7" * 32)))
        root = writer.nodes(half, writer.file(b"good", b"1"))
        writer.snapshot(root)
    result = Case(repository, root, tmp_path).restore()
    assert told(result.problems) == {"/half": f"data blob {'07' * 8} is not in the index"}
    assert contents(tmp_path) == {"good": b"1"}


def test_an_index_that_lies_about_lengths_costs_the_file(tmp_path: Path) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        liar, honest = writer.file(b"f", b"1234", b"5678"), writer.file(b"g", b"1")
        root = writer.nodes(liar, honest)
        writer.snapshot(root)
    blob = (liar.content or ())[0]
    true = repository.index.locations(blob, BlobType.DATA)[0]
    lie = PackedBlob(blob, BlobType.DATA, true.blob.offset, true.blob.length, 100)
    lying = Repository(repository.target, repository.master, repository.config, repository.clock)
    lying.index.take_in_packs([(true.pack, [lie])])
    lying.index._tables.reverse()
    result = Case(lying, root, tmp_path).restore()
    assert list(told(result.problems)) == ["/f"]
    assert contents(tmp_path) == {"g": b"1"}


def test_a_target_that_fails_ends_the_restore_and_a_second_run_completes_it(tmp_path: Path) -> None:
    inner = MemoryTarget()
    repository = initialize(inner, "x", cost=ScryptCost(2, 1, 1), clock=FakeClock())
    with writing(repository) as writer:
        root = writer.tree(TREE)
        writer.snapshot(root)
    case = Case(repository, root, tmp_path)
    plan = case.plan()
    repository.target = FaultyTarget(inner, [Fault("load", prefix="data/")])
    with pytest.raises(TargetUnavailable):
        case.execute(plan)
    assert not partials(tmp_path)
    case.put_back()
    assert contents(tmp_path)["d/deep"] == b"deep content"


class _Meddling(NoProgress):
    """Rewrites a file as soon as it is restored, and keeps its size and times."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def at(self, path: str) -> None:
        if path == f"/{self._path.name}":
            status = self._path.stat()
            self._path.write_bytes(b"X" * status.st_size)
            os.utime(self._path, ns=(status.st_atime_ns, status.st_mtime_ns))


class _Removing(NoProgress):
    """Removes a file as soon as it is restored."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def at(self, path: str) -> None:
        if path == f"/{self._path.name}":
            self._path.unlink()


def test_verify_finds_a_file_that_was_changed_behind(tmp_path: Path) -> None:
    case = case_of(TREE, tmp_path)
    result = case.execute(case.plan(), progress=_Meddling(tmp_path / "small"), verify=True)
    assert told(result.problems) == {"/small": "read back, and it is not what the snapshot holds"}
    assert result.verified == 3


def test_verify_finds_a_file_that_is_gone(tmp_path: Path) -> None:
    case = case_of(TREE, tmp_path)
    result = case.execute(case.plan(), progress=_Removing(tmp_path / "other"), verify=True)
    assert list(told(result.problems)) == ["/other"]
    assert result.verified == 3


def test_a_file_that_changes_between_plan_and_execution_is_reported(tmp_path: Path) -> None:
    case = case_of(TREE, tmp_path)
    case.put_back()
    plan = case.plan()
    (tmp_path / "small").unlink()
    (tmp_path / "small").mkdir()
    assert list(told(case.execute(plan).problems)) == ["/small"]
    (tmp_path / "small").rmdir()
    case.put_back()


def test_progress_tells_all_files_and_bytes(tmp_path: Path) -> None:
    case = case_of(TREE, tmp_path)
    for _ in range(2):
        counters = Counters()
        case.execute(case.plan(), progress=counters)
        step = counters.step()
        assert (step.files_done, step.bytes_done) == (step.files_total, step.bytes_total) == (4, 38)


def test_progress_counts_what_failed(tmp_path: Path) -> None:
    case, key = _with_two_packs(tmp_path)
    case.repository.target.remove(key)
    counters = Counters()
    case.execute(case.plan(), progress=counters)
    step = counters.step()
    assert (step.files_done, step.bytes_done) == (step.files_total, step.bytes_total)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    need("root", present=os.geteuid() == 0)
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", str(folder)]
    need("the right to mount", present=subprocess.run(mount, capture_output=True, check=False).returncode == 0)
    yield folder
    # The error that was caught holds on to descriptors.
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("pieces", [1, 17])
def test_a_full_disk_is_one_error_that_says_what_to_do(small_disk: Path, pieces: int) -> None:
    repository = new_repository()
    with writing(repository) as writer:
        nodes = [writer.file(b"f%d" % at, *LARGE[at : at + pieces]) for at in range(0, 17, pieces)]
        root = writer.nodes(*nodes)
        writer.snapshot(root)
    case = Case(repository, root, small_disk)
    with pytest.raises(RestoreError) as caught:
        case.execute(case.plan())
    assert caught.value.exit_code == 40
    assert caught.value.message.startswith("no space left on the file system of")
    assert "\n" not in caught.value.message
    assert "run the same command again" in (caught.value.hint or "")
    assert not partials(small_disk)
    assert all((small_disk / name).stat().st_size == 1 << 20 for name in contents(small_disk))


def _every_kind(writer: TreeWriter) -> list[Node]:
    time = 1_234_567_890_123_456_789
    file = replace(writer.file(b"file", b"1"), mode=0o4755 & 0o777 | 1 << 23, mtime=time)
    folder = replace(
        writer.folder(b"folder", writer.nodes(file, writer.folder(b"inner", writer.nodes(file)))), mtime=time
    )
    return [
        file,
        replace(folder, mode=1 << 31 | 0o500),
        replace(bare_node(b"fifo", NodeType.FIFO, 0o622), mtime=time),
        replace(bare_node(b"link", NodeType.SYMLINK, 0o777), linktarget=b"\xff nowhere", mtime=time),
        replace(bare_node(b"disk", NodeType.DEV, 0o660), device=os.makedev(7, 200), mtime=time),
        replace(bare_node(b"null", NodeType.CHARDEV, 0o666), device=os.makedev(1, 3), mtime=time),
        replace(bare_node(b"strangers", NodeType.FIFO, 0o600), uid=12345, gid=54321, mtime=time),
    ]


def test_every_kind_of_node_gets_its_metadata(tmp_path: Path) -> None:
    need("root", present=os.geteuid() == 0)
    repository = new_repository()
    with writing(repository) as writer:
        nodes = _every_kind(writer)
        root = writer.nodes(*nodes)
        writer.snapshot(root)
    case = Case(repository, root, tmp_path)
    for _ in range(2):
        case.put_back(RestoreRequest(delete=True))
        found = {name: (tmp_path / name).lstat() for name in (os.fsdecode(node.name) for node in nodes)}
        assert {name: stat.filemode(status.st_mode) for name, status in found.items()} == {
            "file": "-rwsr-xr-x",
            "folder": "dr-x------",
            "fifo": "prw--w--w-",
            "link": "lrwxrwxrwx",
            "disk": "brw-rw----",
            "null": "crw-rw-rw-",
            "strangers": "prw-------",
        }
        assert {status.st_mtime_ns for status in found.values()} == {1_234_567_890_123_456_789}
        assert (found["strangers"].st_uid, found["strangers"].st_gid) == (12345, 54321)
        assert (found["disk"].st_rdev, found["null"].st_rdev) == (os.makedev(7, 200), os.makedev(1, 3))
        assert os.fsencode((tmp_path / "link").readlink()) == b"\xff nowhere"


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of a user without privileges; pytest's own are closed to him."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        os.chown(folder, USER, USER)
    yield folder
    for closed in [path for path in folder.iterdir() if path.is_dir()]:
        closed.chmod(0o700)
    shutil.rmtree(folder)


def test_closed_folders_and_files_of_a_user_without_privileges(home: Path) -> None:
    command = [sys.executable, "-m", "tests.actions.restore_unprivileged", str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    there = [("no-rights", "0"), ("read-only", "500"), ("read-only/closed", "0"), ("read-only/f", "644")]
    there += [("read-only/link", "777"), ("shut", "0")]
    hidden = ("/shut", "what it holds cannot be seen, so it is left alone with all below it")
    lines = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    assert [line[1:] for line in lines if line[0] == "first"] == there
    assert [line[1:] for line in lines if line[0] == "again"] == there
    assert [line[1:] for line in lines if line[0] == "never"] == [hidden, *there]
    (home / "shut").chmod(0o700)
    assert (home / "shut" / "f").read_bytes() == b"2"


def test_many_small_files(tmp_path: Path) -> None:
    tree: Tree = {b"d%d" % d: {b"f%d" % f: b"%d %d" % (d, f) for f in range(100)} for d in range(20)}
    case = case_of(tree, tmp_path)
    result = case.put_back()
    assert (result.files_restored, result.verified) == (2000, 2000)
    assert contents(tmp_path)["d7/f99"] == b"7 99"
