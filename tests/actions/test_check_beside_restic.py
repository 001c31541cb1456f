"""Repositories that restic wrote, sound and damaged: drorch's verdict beside restic's own, and whom it names."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.actions.check import CheckReport, CheckRequest, FindingKind, ReadAll, ReadNothing, check
from drorch.ids import PackId, SnapshotId
from drorch.repository.check.findings import Finding
from drorch.repository.index import decode_index, encode_index
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.storage.local import LocalTarget
from tests.repository.crafted import Crafted, data, overwritten, tree
from tests.restic import PASSWORD, Restic, each_restic, restic

OLD_FILES = {"a/one": b"1" * 5000, "a/two": b"2" * 70_000, "b/three": bytes(range(256)) * 400, "empty": b""}
NEW_FILE = "b/new"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A repository of two snapshots, of which the second alone needs the pack of one new file."""

    which: Restic
    path: Path
    source: Path

    def open(self) -> Repository:
        return Repository.open(LocalTarget(self.path), PASSWORD)

    @property
    def made(self) -> Crafted:
        return Crafted(existing=self.open())

    def checked(self, *, read: bool = False) -> CheckReport:
        repository = self.open()
        with repository.shared_lock():
            return check(repository, CheckRequest(ReadAll() if read else ReadNothing()))

    def restic_complains(self, *, read: bool = False) -> bool:
        arguments = ("check", "--read-data") if read else ("check",)
        return restic(self.which, self.path, *arguments, status=None).returncode != 0

    @property
    def snapshots(self) -> list[SnapshotId]:
        return [item.id for item in self.open().list_snapshots().snapshots]

    @property
    def new_paths(self) -> dict[SnapshotId, tuple[str, ...]]:
        """Who needs the new file: the second snapshot."""
        return {self.snapshots[1]: (f"{self.source}/{NEW_FILE}",)}

    @property
    def pack_of_new(self) -> PackId:
        """The pack that holds the content of the new file and nothing else."""
        (pack,) = [
            pack for pack, blobs in self.open().index.by_pack() if len(blobs) == 1 and blobs[0].type is BlobType.DATA
        ]
        return pack

    def file_of(self, pack: PackId) -> Path:
        return self.path / key_of(FileKind.PACK, pack)

    def files(self, kind: FileKind) -> list[Path]:
        return sorted((self.path / kind).iterdir(), key=lambda path: path.stat().st_mtime_ns)


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.chmod(0o600)
    path.write_bytes(change(path.read_bytes()))


def flip_middle(content: bytes) -> bytes:
    return overwritten(content, len(content) // 2)


def make(which: Restic, folder: Path, version: int) -> Damaged:
    source = folder / "source"
    for name, content in OLD_FILES.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)
    repository = folder / "repository"
    restic(which, repository, "init", "--repository-version", str(version))
    restic(which, repository, "backup", source)
    (source / NEW_FILE).write_bytes(b"new" * 9000)
    restic(which, repository, "backup", source)
    return Damaged(which, repository, source)


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Restic], Damaged]:
    made: dict[Restic, Damaged] = {}

    def original(which: Restic) -> Damaged:
        if which not in made:
            made[which] = make(which, tmp_path_factory.mktemp("restic"), 2)
        return made[which]

    return original


@pytest.fixture
def repo(which: Restic, originals: Callable[[Restic], Damaged], tmp_path: Path) -> Damaged:
    """A repository of its own for each test, to be damaged."""
    original = originals(which)
    shutil.copytree(original.path, tmp_path / "repository")
    return Damaged(which, tmp_path / "repository", original.source)


def named(finding: Finding) -> dict[SnapshotId, tuple[str, ...]]:
    assert finding.more_snapshots == 0
    return {need.snapshot: need.paths for need in finding.needed_by}


def kinds(report: CheckReport) -> list[FindingKind]:
    return [finding.kind for finding in report.findings]


@each_restic
@pytest.mark.parametrize("version", [1, 2])
def test_what_restic_wrote_is_sound(which: Restic, version: int, tmp_path: Path) -> None:
    report = make(which, tmp_path, version).checked(read=True)
    assert report.findings == ()
    assert [(one.sound, one.read) for one in report.snapshots] == [(True, True), (True, True)]


@each_restic
@pytest.mark.parametrize("change", [flip_middle, lambda content: content[:-7], lambda content: content + b"junk"])
def test_a_damaged_pack(repo: Damaged, change: Callable[[bytes], bytes]) -> None:
    rewrite(repo.file_of(repo.pack_of_new), change)
    report = repo.checked(read=True)
    assert report.errors
    assert all(finding.subject == report.errors[0].subject for finding in report.errors)
    assert [named(finding) for finding in report.errors] == [repo.new_paths] * len(report.errors)
    assert [(one.sound, one.read) for one in report.snapshots] == [(True, True), (False, False)]
    assert bool(repo.checked().errors) == repo.restic_complains()
    assert repo.restic_complains(read=True)


@each_restic
def test_a_missing_pack_that_a_snapshot_needs(repo: Damaged) -> None:
    repo.file_of(repo.pack_of_new).unlink()
    report = repo.checked()
    assert kinds(report) == [FindingKind.PACK_MISSING]
    assert named(report.findings[0]) == repo.new_paths
    assert repo.restic_complains()


@each_restic
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_pack_that_no_snapshot_needs(repo: Damaged, damage: str) -> None:
    pack = repo.made.indexed(data("nobody needs this"))
    if damage == "missing":
        repo.file_of(pack.id).unlink()
    else:
        rewrite(repo.file_of(pack.id), lambda content: content[:-1])
    report = repo.checked()
    assert kinds(report) == [FindingKind.PACK_MISSING if damage == "missing" else FindingKind.PACK_SIZE]
    assert named(report.findings[0]) == {}
    assert [one.sound for one in report.snapshots] == [True, True]
    assert repo.restic_complains()


@each_restic
def test_a_pack_of_another_name(repo: Damaged) -> None:
    content = repo.file_of(repo.made.pack(data("new" * 9000)).id).read_bytes()
    rewrite(repo.file_of(repo.pack_of_new), lambda _: content)
    assert repo.checked(read=True).exit_code == 13
    assert repo.restic_complains(read=True)


@each_restic
def test_lost_index_entries(repo: Damaged) -> None:
    repo.files(FileKind.INDEX)[1].unlink()
    report = repo.checked()
    assert set(kinds(report)) == {FindingKind.BLOB_NOT_INDEXED, FindingKind.PACK_ORPHANED}
    assert [one.sound for one in report.snapshots] == [True, False]
    assert named(report.findings[0]) == {repo.snapshots[1]: ("/",)}
    assert repo.restic_complains()


@each_restic
@pytest.mark.parametrize("change", [flip_middle, lambda content: content[:-1], lambda _: b""])
def test_a_damaged_index(repo: Damaged, change: Callable[[bytes], bytes]) -> None:
    damaged = repo.files(FileKind.INDEX)[1]
    rewrite(damaged, change)
    report = repo.checked()
    assert kinds(report)[0] is FindingKind.INDEX_UNREADABLE
    assert report.findings[0].subject == damaged.name
    assert repo.restic_complains()


@each_restic
def test_a_damaged_snapshot(repo: Damaged) -> None:
    damaged = repo.files(FileKind.SNAPSHOT)[0]
    rewrite(damaged, flip_middle)
    report = repo.checked()
    assert kinds(report) == [FindingKind.SNAPSHOT_UNREADABLE]
    assert report.findings[0].subject == damaged.name
    assert repo.restic_complains()


@each_restic
def test_an_unreferenced_pack_is_no_error(repo: Damaged) -> None:
    repo.made.pack(data("left behind by a crash"))
    report = repo.checked(read=True)
    assert kinds(report) == [FindingKind.PACK_ORPHANED]
    assert report.exit_code == 0
    assert not repo.restic_complains(read=True)


@each_restic
def test_an_index_twice_is_no_error(repo: Damaged) -> None:
    opened = repo.open()
    index_id = bytes.fromhex(repo.files(FileKind.INDEX)[0].name)
    opened.files.save(FileKind.INDEX, encode_index(decode_index(opened.files.load(FileKind.INDEX, index_id))))
    report = repo.checked(read=True)
    assert kinds(report) == [FindingKind.PACK_IN_SEVERAL_INDEXES]
    assert not repo.restic_complains(read=True)


@each_restic
def test_mixed_packs_and_duplicate_blobs_are_no_error(repo: Damaged) -> None:
    made = repo.made
    made.indexed(data("new" * 9000), tree(), data("more"))
    made.indexed(data("more"))
    report = repo.checked(read=True)
    assert kinds(report) == [FindingKind.PACK_MIXED, FindingKind.BLOB_DUPLICATE]
    assert report.exit_code == 0
    assert not repo.restic_complains(read=True)
