"""A repository read through a cache: what it saves, and that nothing which proves anything is taken in by it."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.actions.backup import BackupRequest, BackupResult, Label, backup, choose_parent
from drorch.actions.check import CheckReport, CheckRequest, FindingKind, ReadAll, ReadData, ReadNothing, check
from drorch.actions.listing import list_files
from drorch.actions.progress import NoProgress
from drorch.errors import IntegrityError
from drorch.ids import SnapshotId
from drorch.repository.keeper import Keeper
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import BlobType, split_pack
from drorch.repository.pipeline.walk import WalkOptions
from drorch.repository.repository import Repository, initialize
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from drorch.storage.cache import cached
from drorch.storage.memory import MemoryTarget
from tests.doubles import CountingTarget, FakeClock, flip_bit
from tests.repository.fresh import CHEAP
from tests.restic import PASSWORD

_FOLDERS = 12


@dataclass(frozen=True, slots=True)
class Site:
    """A tree of files, a target, and the folder in which what it holds is remembered."""

    source: Path
    target: MemoryTarget
    cache: Path

    def visit(self, *, cache: bool = True) -> tuple[CountingTarget, Repository]:
        """The repository as a new process opens it, and all that it will ask of the target from now on."""
        counting, clock = CountingTarget(self.target), FakeClock()
        opened = Repository.open(self.target, PASSWORD, clock)
        plain = Repository(counting, opened.master, opened.config, clock)
        return counting, plain.with_metadata(cached(counting, self.cache, opened.config.id, clock)) if cache else plain

    def back_up(self, repository: Repository) -> BackupResult:
        files = FilesSource(Selection((bytes(self.source),)))
        label = Label(1, (str(self.source),), "h", 0, 0, "drorch test")
        parent = choose_parent(repository.list_snapshots().snapshots, label)
        rules = WalkOptions(workers=0)
        request = BackupRequest(label, parent, lambda *_: None, lambda: files.problems, rules)
        return backup(repository, files, request, NoProgress())

    def packs(self, blob_type: BlobType) -> list[str]:
        """Keys of the packs of trees, or of data."""
        repository = Repository.open(self.target, PASSWORD)
        keys = [key_of(FileKind.PACK, pack) for pack, _ in repository.stored(FileKind.PACK)]
        return [key for key in keys if split_pack(self.target.load(key), repository.box)[0].type is blob_type]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    source = tmp_path / "source"
    for number in range(_FOLDERS):
        folder = source / f"{number}" / "below"
        folder.mkdir(parents=True)
        (folder / "file").write_bytes(os.urandom(1000 + number))
    target = MemoryTarget()
    initialize(target, PASSWORD, cost=CHEAP)
    return Site(source, target, tmp_path / "cache")


def loads(counting: CountingTarget) -> list[str]:
    return [key for key in counting.keys("load") if not key.startswith("locks/")]


def listed(repository: Repository, snapshot: SnapshotId) -> list[bytes]:
    tree = repository.load_snapshot(snapshot).tree
    return [visit.path for visit in list_files(repository, tree, b"/", recursive=True)]


def test_a_backup_of_what_has_not_changed_fetches_nothing(site: Site) -> None:
    site.back_up(site.visit()[1])
    counting, repository = site.visit()
    result = site.back_up(repository)
    assert result.summary["files_unmodified"] == _FOLDERS
    assert result.summary["dirs_new"] == 0
    assert loads(counting) == []
    assert [operation.key for operation in counting.operations if operation.kind == "stat"] != []
    assert not {key.partition("/")[0] for key in counting.keys("stat")} & {"data", "index", "snapshots"}


def test_without_a_cache_the_same_backup_fetches_every_tree(site: Site) -> None:
    site.back_up(site.visit()[1])
    counting, repository = site.visit(cache=False)
    site.back_up(repository)
    assert len([key for key in loads(counting) if key.startswith("data/")]) >= 2 * _FOLDERS


def test_a_cold_cache_fetches_a_pack_of_trees_once(site: Site) -> None:
    result = site.back_up(site.visit(cache=False)[1])
    counting, repository = site.visit()
    paths = listed(repository, result.id)
    assert len([path for path in paths if path.endswith(b"/file")]) == _FOLDERS
    assert [key for key in loads(counting) if key.startswith("data/")] == site.packs(BlobType.TREE)
    counting, repository = site.visit()
    assert listed(repository, result.id) == paths
    assert loads(counting) == []


def test_data_is_fetched_each_time_and_not_kept(site: Site) -> None:
    site.back_up(site.visit()[1])
    for _ in range(2):
        counting, repository = site.visit()
        for location in repository.index:
            if location.blob.type is BlobType.DATA:
                repository.load_copy(location)
        assert len(loads(counting)) == _FOLDERS
    kept = {f"data/{path.name[:2]}/{path.name}" for path in site.cache.glob("*/data/*")}
    assert kept == set(site.packs(BlobType.TREE))


def test_the_config_and_the_keys_are_not_in_the_cache(site: Site) -> None:
    site.back_up(site.visit()[1])
    assert {path.parent.name for path in site.cache.glob("*/*/*")} == {"index", "snapshots", "data"}


def checked(repository: Repository, read: ReadData) -> CheckReport:
    with repository.shared_lock():
        return check(repository, CheckRequest(read))


def test_a_check_asks_the_target_for_everything_whatever_is_remembered(site: Site) -> None:
    site.back_up(site.visit()[1])
    asked = []
    for cache in (True, False):
        counting, repository = site.visit(cache=cache)
        report = checked(repository, ReadAll())
        assert report.findings == ()
        assert [(standing.sound, standing.read) for standing in report.snapshots] == [(True, True)]
        asked.append(sorted(loads(counting)))
    assert asked[0] == asked[1]
    assert {key.partition("/")[0] for key in asked[0]} >= {"data", "index", "snapshots"}


@pytest.mark.parametrize(
    ("blob_type", "read", "kind"),
    [
        (BlobType.TREE, ReadAll(), FindingKind.PACK_DAMAGED),
        (BlobType.TREE, ReadNothing(), FindingKind.TREE_UNREADABLE),
        (BlobType.DATA, ReadAll(), FindingKind.PACK_DAMAGED),
    ],
)
def test_damage_of_a_pack_is_found_behind_a_warm_cache(
    site: Site, blob_type: BlobType, read: ReadData, kind: FindingKind
) -> None:
    site.back_up(site.visit()[1])
    for key in site.packs(blob_type):
        site.target.save(key, bytes(100) + site.target.load(key)[100:])
    _, repository = site.visit()
    assert len(listed(repository, repository.list_snapshots().snapshots[0].id)) >= 2 * _FOLDERS
    report = checked(repository, read)
    assert kind in {finding.kind for finding in report.errors}
    assert [(standing.sound, standing.read) for standing in report.snapshots] == [(False, False)]


@pytest.mark.parametrize(
    ("folder", "kind"), [("index", FindingKind.INDEX_UNREADABLE), ("snapshots", FindingKind.SNAPSHOT_UNREADABLE)]
)
def test_damage_of_metadata_is_found_behind_a_warm_cache(site: Site, folder: str, kind: FindingKind) -> None:
    site.back_up(site.visit()[1])
    for item in list(site.target.list(folder)):
        site.target.save(item.key, flip_bit(site.target.load(item.key)))
    _, repository = site.visit()
    assert [named.snapshot.hostname for named in repository.list_snapshots().snapshots] == ["h"]
    assert len(repository.index) > 0
    assert kind in {finding.kind for finding in checked(repository, ReadNothing()).errors}


def test_reading_directly_is_asked_of_the_repository(site: Site) -> None:
    result = site.back_up(site.visit()[1])
    for key in site.packs(BlobType.TREE):
        site.target.remove(key)
    _, repository = site.visit()
    assert len(listed(repository, result.id)) >= 2 * _FOLDERS
    with pytest.raises(IntegrityError, match="missing"):
        listed(repository.direct(), result.id)
    plain = site.visit(cache=False)[1]
    assert plain.direct() is plain


def test_a_snapshot_removed_elsewhere_is_not_listed(site: Site) -> None:
    result = site.back_up(site.visit()[1])
    site.target.remove(key_of(FileKind.SNAPSHOT, result.id))
    _, repository = site.visit()
    assert repository.list_snapshots().snapshots == ()
    assert list(site.cache.glob("*/snapshots/*")) == []


def test_tags_are_changed_through_a_cache(site: Site) -> None:
    site.back_up(site.visit()[1])
    _, repository = site.visit()
    with Keeper(repository) as keeper:
        (named,) = repository.list_snapshots().snapshots
        new = keeper.retag(named, ("kept",))
    for cache in (True, False):
        assert site.visit(cache=cache)[1].list_snapshots().snapshots == (new,)


def test_a_cache_that_lies_is_seen_through(site: Site) -> None:
    result = site.back_up(site.visit()[1])
    whole = listed(site.visit(cache=False)[1], result.id)
    for copy in site.cache.glob("*/*/*"):
        damaged = flip_bit(copy.read_bytes())
        copy.unlink()
        copy.write_bytes(damaged)
    counting, repository = site.visit()
    assert [named.id for named in repository.list_snapshots().snapshots] == [result.id]
    assert listed(repository, result.id) == whole
    assert {key.partition("/")[0] for key in loads(counting)} == {"data", "index", "snapshots"}
