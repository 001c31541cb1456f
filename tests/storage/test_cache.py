"""What is remembered saves requests, is never wrong, never in the way, and never more than it may be."""

import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.errors import ObjectMissing, TargetUnavailable
from drorch.storage.cache import LARGEST_PACK, CachedTarget, cached
from drorch.storage.cachefolder import CacheFolder
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import StoredObject, Target
from drorch.units import KIB
from tests.doubles import CountingTarget, FakeClock, Fault, FaultyTarget, Kind
from tests.storage.contract import ID, TargetContract, run_together

CONTENT = bytes(range(256)) * 16
NAME = hashlib.sha256(CONTENT).hexdigest()
INDEX, SNAPSHOT, TREES = f"index/{NAME}", f"snapshots/{NAME}", f"data/{NAME[:2]}/{NAME}"
KEPT = (INDEX, SNAPSHOT, TREES)


class TestCachedTarget(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        target = cached(MemoryTarget(), tmp_path / "cache", ID, FakeClock())
        target.create()
        yield target
        target.close()


class TestCachedTargetWithoutAPlace(TargetContract):
    @pytest.fixture
    def target(self, tmp_path: Path) -> Iterator[Target]:
        (tmp_path / "cache").write_bytes(b"in the way")
        target = cached(MemoryTarget(), tmp_path / "cache", ID, FakeClock())
        target.create()
        yield target
        target.close()


class Setting:
    """A target that counts, and caches of it that share one folder, each as a process of its own would have it."""

    def __init__(self, tmp_path: Path, limit: int = 1 << 30) -> None:
        self.inner = MemoryTarget()
        self.counting = CountingTarget(self.inner)
        self.folder = tmp_path / "cache"
        self.clock = FakeClock()
        self.limit = limit

    def process(self) -> CachedTarget:
        return CachedTarget(self.counting, CacheFolder(self.folder, self.clock, self.limit))

    def file(self, key: str) -> Path:
        return self.folder / key.partition("/")[0] / key.rpartition("/")[2]

    def asked(self, *kinds: Kind) -> list[str]:
        return [operation.key for operation in self.counting.operations if operation.kind in kinds]

    def put(self, content: bytes) -> str:
        """Store a pack behind the cache's back; its key."""
        name = hashlib.sha256(content).hexdigest()
        self.inner.save(key := f"data/{name[:2]}/{name}", content)
        return key


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path)


@pytest.mark.parametrize("key", KEPT)
def test_what_was_loaded_once_is_not_asked_for_again(setting: Setting, key: str) -> None:
    setting.inner.save(key, CONTENT)
    assert setting.process().load(key) == CONTENT
    assert setting.asked("load") == [key]
    before = len(setting.counting.operations)
    again = setting.process()
    assert again.stat(key) == StoredObject(key, len(CONTENT))
    assert [again.load(key), again.load(key, 7), again.load(key, 7, 9), again.load(key, 0, 0)] == [
        CONTENT, CONTENT[7:], CONTENT[7:16], b"",
    ]  # fmt: skip
    assert len(setting.counting.operations) == before


@pytest.mark.parametrize("key", KEPT)
def test_what_was_saved_is_not_asked_for_at_all(setting: Setting, key: str) -> None:
    setting.process().save(key, memoryview(CONTENT).cast("Q"))
    assert setting.inner.load(key) == CONTENT
    assert setting.process().load(key) == CONTENT
    assert setting.asked("load", "stat") == []


def test_a_pack_is_fetched_whole_when_part_of_it_is_wanted(setting: Setting) -> None:
    setting.inner.save(TREES, CONTENT)
    target = setting.process()
    assert target.load(TREES, 5, 10) == CONTENT[5:15]
    assert [target.load(TREES, start, 7) for start in range(100)] == [
        CONTENT[start : start + 7] for start in range(100)
    ]
    assert setting.asked("load") == [TREES]


@pytest.mark.parametrize("key", ["config", f"keys/{NAME}", f"locks/{NAME}", f"index/{NAME[:8]}", f"other/{NAME}"])
def test_keys_locks_and_the_config_are_asked_for_each_time(setting: Setting, key: str) -> None:
    target = setting.process()
    target.save(key, CONTENT)
    assert [target.load(key), target.load(key, 1, 2)] == [CONTENT, CONTENT[1:3]]
    assert target.stat(key).size == len(CONTENT)
    assert setting.asked("load", "stat") == [key] * 3
    assert not any(path.is_file() for path in setting.folder.rglob("*"))


def damage(file: Path, content: bytes) -> None:
    """Put other bytes in the place of a file's, as a new file: its times may say anything."""
    replacement = file.with_name("replacement")
    replacement.write_bytes(content)
    os.utime(replacement, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    replacement.rename(file)


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", CONTENT[:-1] + b"x"])
@pytest.mark.parametrize("key", KEPT)
def test_a_damaged_copy_is_replaced(setting: Setting, key: str, content: bytes) -> None:
    setting.process().save(key, CONTENT)
    for begin in (0, 5):
        damage(setting.file(key), content)
        assert setting.process().load(key, begin) == CONTENT[begin:]
    damage(setting.file(key), content)
    assert setting.process().load(key, 5, 3) == CONTENT[5:8]
    damage(setting.file(key), content)
    assert setting.process().stat(key).size == len(CONTENT)


def test_damage_is_seen_by_a_process_that_has_read_the_copy_before(setting: Setting) -> None:
    target = setting.process()
    target.save(TREES, CONTENT)
    assert target.load(TREES, 5, 3) == CONTENT[5:8]
    damage(setting.file(TREES), bytes(len(CONTENT)))
    assert target.load(TREES, 5, 3) == CONTENT[5:8]
    assert setting.asked("load") == [TREES]
    assert setting.file(TREES).read_bytes() == CONTENT


@pytest.mark.parametrize("key", KEPT)
def test_what_is_damaged_on_the_target_is_handed_on_and_not_kept(setting: Setting, key: str) -> None:
    setting.inner.save(key, CONTENT[::-1])
    target = setting.process()
    assert target.load(key) == CONTENT[::-1]
    assert target.load(key, 3, 5) == CONTENT[::-1][3:8]
    assert not setting.file(key).exists()
    target.save(key, CONTENT)
    before = len(setting.asked("load"))
    assert target.load(key) == CONTENT
    assert len(setting.asked("load")) == before


def test_a_damaged_pack_is_fetched_whole_only_once(setting: Setting) -> None:
    setting.inner.save(TREES, CONTENT[::-1])
    target = setting.process()
    for start in range(10):
        target.load(TREES, start, 1)
    sizes = [operation.size for operation in setting.counting.operations if operation.kind == "load"]
    assert sizes == [len(CONTENT)] + [1] * 10


@pytest.mark.parametrize("key", KEPT)
def test_a_range_beyond_the_end_is_answered_by_the_target(setting: Setting, key: str) -> None:
    setting.inner.save(key, CONTENT)
    target = setting.process()
    for _ in range(2):
        with pytest.raises(TargetUnavailable, match=NAME):
            target.load(key, len(CONTENT) - 1, 2)
        assert target.load(key) == CONTENT


@pytest.mark.parametrize("key", KEPT)
def test_what_is_removed_is_gone(setting: Setting, key: str) -> None:
    target = setting.process()
    target.save(key, CONTENT)
    target.remove(key)
    for reading in (target, setting.process()):
        with pytest.raises(ObjectMissing):
            reading.load(key)
        with pytest.raises(ObjectMissing):
            reading.stat(key)


@pytest.mark.parametrize(("key", "prefix"), [*((key, key.partition("/")[0]) for key in KEPT), (TREES, TREES[:7])])
def test_what_is_not_listed_any_more_is_dropped(setting: Setting, key: str, prefix: str) -> None:
    target = setting.process()
    target.save(key, CONTENT)
    assert [item.key for item in target.list(prefix)] == [key]
    assert setting.file(key).exists()
    setting.inner.remove(key)
    assert list(target.list(prefix)) == []
    assert not setting.file(key).exists()
    with pytest.raises(ObjectMissing):
        target.load(key)


def test_a_listing_drops_nothing_of_elsewhere_and_nothing_before_its_end(setting: Setting) -> None:
    target = setting.process()
    for key in KEPT:
        target.save(key, CONTENT)
        setting.inner.remove(key)
    other = f"{int(NAME[:2], 16) ^ 1:02x}"
    assert list(target.list(f"data/{other}")) == list(target.list("keys")) == []
    setting.inner.save(f"index/{ID}", b"x")
    next(target.list("index"))
    assert all(setting.file(key).exists() for key in KEPT)


def test_what_is_saved_while_a_listing_goes_on_stays(setting: Setting) -> None:
    target = setting.process()
    listing = target.list("index")
    target.save(INDEX, CONTENT)
    assert INDEX not in [item.key for item in listing]
    assert setting.file(INDEX).exists()


def test_a_listing_that_fails_drops_nothing(setting: Setting) -> None:
    setting.process().save(INDEX, CONTENT)
    failing = CachedTarget(FaultyTarget(setting.inner, [Fault("list")]), CacheFolder(setting.folder, setting.clock))
    with pytest.raises(TargetUnavailable):
        failing.list("index")
    assert setting.file(INDEX).exists()


def test_several_threads_fetch_a_pack_once(setting: Setting) -> None:
    setting.inner.save(TREES, CONTENT)
    target = setting.process()
    ready = threading.Barrier(8)

    def read() -> None:
        ready.wait(60)
        assert target.load(TREES, 3, 4) == CONTENT[3:7]

    run_together([read] * 8)
    assert setting.asked("load") == [TREES]


def test_packs_used_longest_ago_go_first(tmp_path: Path) -> None:
    setting = Setting(tmp_path, limit=10 * KIB)
    contents = [bytes([number]) * 4 * KIB for number in range(4)]
    keys = [setting.put(content) for content in contents]
    setting.process().load(keys[0])
    setting.process().load(keys[1])
    os.utime(setting.file(keys[0]), (2000, 2000))
    os.utime(setting.file(keys[1]), (1000, 1000))
    setting.process().load(keys[2])
    assert [setting.file(key).exists() for key in keys] == [True, False, True, False]
    os.utime(setting.file(keys[2]), (3000, 3000))
    assert setting.process().load(keys[0], 0, 1) == contents[0][:1]
    setting.process().load(keys[3])
    assert [setting.file(key).exists() for key in keys] == [True, False, False, True]


def test_a_process_that_uses_more_than_there_is_room_for_reads_parts(tmp_path: Path) -> None:
    setting = Setting(tmp_path, limit=10 * KIB)
    keys = [setting.put(bytes([number]) * 4 * KIB) for number in range(4)]
    target = setting.process()
    for _ in range(3):
        for number, key in enumerate(keys):
            assert target.load(key, 10, 2) == bytes([number]) * 2
    sizes = [operation.size for operation in setting.counting.operations if operation.kind == "load"]
    assert sizes == [4 * KIB, 4 * KIB, 2, 2, 2, 2, 2, 2]
    assert sum(file.stat().st_size for file in (setting.folder / "data").iterdir()) <= 10 * KIB


def test_indexes_have_room_where_packs_have_none(tmp_path: Path) -> None:
    setting = Setting(tmp_path, limit=0)
    target = setting.process()
    target.save(INDEX, CONTENT)
    target.save(TREES, CONTENT)
    assert [setting.file(INDEX).exists(), setting.file(TREES).exists()] == [True, False]


def test_a_pack_too_large_to_be_one_of_trees_is_read_in_parts(setting: Setting) -> None:
    class Huge(CountingTarget):
        def stat(self, key: str) -> StoredObject:
            return StoredObject(key, LARGEST_PACK + 1)

    inner = Huge(setting.inner)
    setting.inner.save(TREES, CONTENT)
    assert CachedTarget(inner, CacheFolder(setting.folder, setting.clock)).load(TREES, 0, 5) == CONTENT[:5]
    assert [operation.size for operation in inner.operations if operation.kind == "load"] == [5]


def test_only_the_owner_can_look_in_and_backups_leave_it_out(setting: Setting) -> None:
    before = os.umask(0)
    try:
        for key in KEPT:
            setting.process().save(key, CONTENT)
    finally:
        os.umask(before)
    for path in [setting.folder, *setting.folder.rglob("*")]:
        if path.name != "CACHEDIR.TAG":
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    tag = (setting.folder / "CACHEDIR.TAG").read_bytes()
    assert tag.startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


@pytest.mark.parametrize("kind", ["index", "data"])
def test_a_disk_without_room_costs_nothing_but_speed(small_disk: Path, kind: str) -> None:
    setting = Setting(small_disk)
    target = setting.process()
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        while os.statvfs(small_disk).f_bavail:
            file.write(bytes(os.statvfs(small_disk).f_bavail * 4096))
            file.flush()
    key = INDEX if kind == "index" else TREES
    target.save(key, CONTENT)
    assert [target.load(key), target.load(key, 3, 4)] == [CONTENT, CONTENT[3:7]]
    assert not any(path.is_file() for path in setting.folder.rglob("*-tmp-*"))


def test_a_folder_that_is_denied_costs_nothing_but_speed(unprivileged_folder: Path) -> None:
    setting = Setting(unprivileged_folder)
    setting.process().save(INDEX, CONTENT)
    for mode in (0o500, 0o000):
        setting.folder.chmod(mode)
        target = setting.process()
        target.save(TREES, CONTENT)
        assert [target.load(INDEX), target.load(TREES, 3, 4)] == [CONTENT, CONTENT[3:7]]
        assert [item.key for item in target.list("index")] == [INDEX]
        assert target.stat(TREES).size == len(CONTENT)


def test_a_link_in_the_folder_is_not_followed(setting: Setting, tmp_path: Path) -> None:
    setting.process().save(INDEX, CONTENT)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(CONTENT)
    setting.file(INDEX).unlink()
    setting.file(INDEX).symlink_to(elsewhere)
    assert setting.process().load(INDEX) == CONTENT
    assert setting.asked("load") == [INDEX]
    assert elsewhere.read_bytes() == CONTENT


def test_what_killed_processes_left_is_cleared_away(setting: Setting) -> None:
    setting.process().save(INDEX, CONTENT)
    now = setting.clock.now().timestamp()
    old, young = (setting.folder / "data" / f"{NAME}-tmp-{which}" for which in ("old", "young"))
    for file, age in ((old, 3601), (young, 3000)):
        file.write_bytes(b"unfinished")
        os.utime(file, (now - age, now - age))
    setting.process().save(TREES, CONTENT)
    assert [old.exists(), young.exists()] == [False, True]
    assert [item.key for item in setting.process().list("data")] == [TREES]


@pytest.mark.parametrize("name", ["../../elsewhere", "", "x" * 300, "\udc80", "a/b", NAME.upper()])
def test_an_id_that_is_none_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    root = tmp_path / "cache"
    cached(MemoryTarget(), root, name, FakeClock()).save(INDEX, CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    (folder,) = root.iterdir()
    assert len(folder.name) == 64
    assert folder.name != name


def test_repositories_do_not_share_a_folder(tmp_path: Path) -> None:
    counting = CountingTarget(MemoryTarget())
    cached(counting, tmp_path, NAME, FakeClock()).save(INDEX, CONTENT)
    cached(counting, tmp_path, ID, FakeClock()).load(INDEX)
    assert counting.keys("load") == [INDEX]
    cached(counting, tmp_path, NAME, FakeClock()).load(INDEX)
    assert counting.keys("load") == [INDEX]


def test_a_save_that_fails_leaves_nothing_behind(setting: Setting) -> None:
    failing = CachedTarget(FaultyTarget(setting.inner, [Fault("save")]), CacheFolder(setting.folder, setting.clock))
    with pytest.raises(TargetUnavailable):
        failing.save(INDEX, CONTENT)
    assert not setting.file(INDEX).exists()
    with pytest.raises(ObjectMissing):
        failing.load(INDEX)


def test_a_removal_that_fails_forgets_all_the_same(setting: Setting) -> None:
    failing = CachedTarget(FaultyTarget(setting.inner, [Fault("remove")]), CacheFolder(setting.folder, setting.clock))
    failing.save(INDEX, CONTENT)
    with pytest.raises(TargetUnavailable):
        failing.remove(INDEX)
    assert not setting.file(INDEX).exists()
    assert failing.load(INDEX) == CONTENT


def test_threads_and_processes_may_do_as_they_like(tmp_path: Path) -> None:
    """Readers, writers and removers over one folder with room for a few packs: whatever comes is right."""
    setting = Setting(tmp_path, limit=20 * KIB)
    contents = [bytes([number]) * 4 * KIB for number in range(12)]
    keys = [setting.put(content) for content in contents]

    def work(worker: int) -> None:
        target = setting.process()
        for step in range(60):
            number = (worker * 5 + step * 7) % len(keys)
            if step % 9 == 8:
                target.save(keys[number], contents[number])
            elif step % 13 == 12:
                setting.file(keys[number]).unlink(missing_ok=True)
            else:
                assert target.load(keys[number], step, 5) == contents[number][:5]
            if step % 20 == 19:
                assert len(list(target.list("data"))) == len(keys)

    run_together([lambda worker=worker: work(worker) for worker in range(6)])  # type: ignore[misc]
