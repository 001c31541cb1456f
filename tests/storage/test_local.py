"""A target in a folder: restic's layout and modes, safe saves, and disks that are full, denied or not there."""

import os
import shutil
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.errors import ObjectMissing, TargetDenied, TargetFull, TargetUnavailable
from drorch.storage.local import LocalTarget
from tests.storage.contract import ID, OTHER_ID, OTHER_PACK, PACK, run_together
from tests.storage.privileges import need, run_quietly

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def files_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "repository"


@pytest.fixture
def target(root: Path) -> LocalTarget:
    target = LocalTarget(root)
    target.create()
    target.save("config", b"the config")
    return target


@pytest.fixture
def umask() -> Iterator[None]:
    """The careless umask of a shared machine."""
    before = os.umask(0)
    yield
    os.umask(before)


class TestLayout:
    def test_create_makes_restics_folders(self, tmp_path: Path, umask: None) -> None:  # noqa: ARG002
        root = tmp_path / "new" / "repository"
        LocalTarget(root).create()
        assert sorted(path.name for path in root.iterdir()) == ["data", "index", "keys", "locks", "snapshots"]
        assert sorted(path.name for path in (root / "data").iterdir()) == [f"{number:02x}" for number in range(256)]
        assert {mode_of(path) for path in [root.parent, root, *root.rglob("*")]} == {0o700}

    def test_files_are_where_restic_looks_and_for_the_owner_only(self, root: Path, target: LocalTarget) -> None:
        for key in (PACK, f"keys/{ID}", f"locks/{ID}"):
            target.save(key, b"x")
        assert files_below(root) == ["config", PACK, f"keys/{ID}", f"locks/{ID}"]
        assert {mode_of(root / name) for name in files_below(root)} == {0o400}

    def test_an_existing_root_keeps_its_mode(self, root: Path) -> None:
        root.mkdir()
        root.chmod(0o755)
        LocalTarget(root).create()
        assert mode_of(root) == 0o755

    def test_a_group_that_may_read_config_may_read_everything(self, root: Path, target: LocalTarget) -> None:
        (root / "config").chmod(0o440)
        (root / "data" / "ab").rmdir()
        (root / "locks").rmdir()
        (root / "index").rmdir()
        target.save(PACK, b"x")
        target.save(f"locks/{ID}", b"x")
        target.create()
        target.save("config", b"another")
        assert {mode_of(root / name) for name in files_below(root)} == {0o440}
        assert {mode_of(root / name) for name in ("data/ab", "locks", "index")} == {0o770}
        assert mode_of(root / "keys") == 0o700

    def test_folders_of_a_shared_repository_inherit_its_group(self, root: Path, target: LocalTarget) -> None:
        (root / "config").chmod(0o440)
        (root / "data" / "ab").rmdir()
        (root / "data").chmod(0o2770)
        target.save(PACK, b"x")
        assert mode_of(root / "data" / "ab") == 0o2770

    def test_missing_folders_are_made_by_many_at_once(self, root: Path, target: LocalTarget) -> None:
        shutil.rmtree(root / "data")
        barrier = threading.Barrier(8)

        def save(number: int) -> None:
            barrier.wait()
            target.save(f"data/ab/{number:064x}", b"x")

        run_together([lambda number=number: save(number) for number in range(8)])  # type: ignore[misc]
        assert len(list(target.list("data"))) == 8
        assert mode_of(root / "data" / "ab") == 0o700

    def test_a_root_may_be_a_symlink_and_relative(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to("disk")
        monkeypatch.chdir(tmp_path)
        target = LocalTarget(Path("link"))
        monkeypatch.chdir("/")
        target.create()
        target.save(PACK, b"x")
        assert target.load(PACK) == b"x"
        assert (tmp_path / "disk" / PACK).is_file()

    def test_foreign_things_are_not_listed(self, root: Path, target: LocalTarget) -> None:
        target.save(PACK, b"x")
        folder = (root / PACK).parent
        for name in (".DS_Store", f"{ID}-tmp-1234", f"{ID}-restic-temp-00ff", "with space", "ümlaut"):
            (folder / name).write_bytes(b"foreign")
        (folder / "a-folder").mkdir()
        (folder / "a-folder" / ID).write_bytes(b"foreign")
        (folder / "dangling").symlink_to("nowhere")
        os.mkfifo(folder / "a-fifo")
        (root / "data" / ID).write_bytes(b"foreign")
        (root / "data" / "AB").mkdir()
        (root / "data" / "AB" / ID).write_bytes(b"foreign")
        (root / "data" / "cd").rmdir()
        (root / "data" / "cd").write_bytes(b"foreign")
        assert [item.key for item in target.list("data")] == [PACK]
        assert [item.key for item in target.list("data/ab")] == [PACK]
        assert list(target.list("data/cd")) == []

    def test_what_is_no_file_is_no_object(self, root: Path, target: LocalTarget) -> None:
        os.mkfifo(root / "keys" / ID)
        (root / "keys" / OTHER_ID).mkdir()
        for name in (ID, OTHER_ID):
            with pytest.raises(ObjectMissing):
                target.load(f"keys/{name}")
            with pytest.raises(ObjectMissing):
                target.stat(f"keys/{name}")

    def test_a_file_that_grows_or_shrinks_is_read_as_it_is(self, root: Path, target: LocalTarget) -> None:
        (root / PACK).write_bytes(b"half")
        with pytest.raises(TargetUnavailable, match="has 4 bytes, wanted those up to 8") as caught:
            target.load(PACK, 0, 8)
        assert "try again" in (caught.value.hint or "")
        (root / PACK).write_bytes(b"complete")
        assert target.load(PACK, 0, 8) == b"complete"


class TestUnmounted:
    def test_a_missing_root_is_not_made_up(self, root: Path, target: LocalTarget) -> None:
        shutil.rmtree(root)
        for key in (PACK, f"locks/{ID}", "config"):
            with pytest.raises(TargetUnavailable, match="no repository here") as caught:
                target.save(key, b"x")
            assert "findmnt" in (caught.value.hint or "")
        assert not root.exists()

    def test_an_empty_mount_point_stays_empty(self, root: Path, target: LocalTarget) -> None:
        shutil.rmtree(root)
        root.mkdir()
        for key in (PACK, f"locks/{ID}"):
            with pytest.raises(TargetUnavailable, match="no repository here"):
                target.save(key, b"x")
        assert list(root.iterdir()) == []

    def test_reading_says_that_there_is_nothing(self, root: Path) -> None:
        target = LocalTarget(root)
        with pytest.raises(ObjectMissing) as caught:
            target.load("config")
        assert "findmnt" in (caught.value.hint or "")
        assert list(target.list("data")) == []
        assert list(target.list("locks")) == []
        target.remove(PACK)
        assert not root.exists()

    def test_a_root_that_is_a_file(self, root: Path) -> None:
        root.write_bytes(b"x")
        target = LocalTarget(root)
        with pytest.raises(TargetUnavailable, match="not a directory"):
            target.create()
        with pytest.raises(TargetUnavailable, match="not a directory"):
            target.save(PACK, b"x")
        with pytest.raises(ObjectMissing):
            target.load("config")
        assert root.read_bytes() == b"x"


class TestAbandoned:
    def test_only_old_temporary_files_are_removed(self, root: Path, target: LocalTarget) -> None:
        target.save(OTHER_PACK, b"x")
        old, young = (NOW - timedelta(days=2)).timestamp(), (NOW - timedelta(hours=1)).timestamp()
        names = ["config-tmp-1", f"locks/{ID}-tmp-2", f"{PACK}-tmp-3", f"{PACK}-restic-temp-0f", f"{PACK}-tmp-x", PACK]
        for name in names:
            (root / name).write_bytes(b"x")
            os.utime(root / name, (old, old))
        (root / f"{PACK}-tmp-5").write_bytes(b"x")
        os.utime(root / f"{PACK}-tmp-5", (young, young))
        (root / f"{PACK}-tmp-6").mkdir()
        os.utime(root / f"{PACK}-tmp-6", (old, old))
        assert target.remove_abandoned(86_400, NOW) == 4
        assert files_below(root) == sorted(["config", OTHER_PACK, PACK, f"{PACK}-tmp-5", f"{PACK}-tmp-x"])
        assert (root / f"{PACK}-tmp-6").is_dir()
        assert target.remove_abandoned(86_400, NOW) == 0

    def test_there_is_nothing_to_remove_where_nothing_is(self, root: Path) -> None:
        assert LocalTarget(root).remove_abandoned(0, NOW) == 0


class TestDenied:
    def test_a_folder_that_may_not_be_written(self, unprivileged_folder: Path) -> None:
        target = LocalTarget(unprivileged_folder / "repository")
        target.create()
        target.save("config", b"x")
        target.save(f"keys/{ID}", b"x")
        keys = target.root / "keys"
        keys.chmod(0o500)
        with pytest.raises(TargetDenied, match="permission denied") as caught:
            target.save(f"keys/{OTHER_ID}", b"x")
        assert "ls -ld" in (caught.value.hint or "")
        with pytest.raises(TargetDenied):
            target.save(f"keys/{ID}", b"y")
        with pytest.raises(TargetDenied):
            target.remove(f"keys/{ID}")
        assert target.load(f"keys/{ID}") == b"x"
        assert files_below(keys) == [ID]
        keys.chmod(0o000)
        with pytest.raises(TargetDenied):
            list(target.list("keys"))
        with pytest.raises(TargetDenied):
            target.stat(f"keys/{ID}")
        keys.chmod(0o700)

    def test_a_file_that_may_not_be_read(self, unprivileged_folder: Path) -> None:
        target = LocalTarget(unprivileged_folder / "repository")
        target.create()
        target.save("config", b"x")
        (target.root / "config").chmod(0)
        with pytest.raises(TargetDenied, match="config cannot be read"):
            target.load("config")
        target.save("config", b"y")
        assert target.load("config") == b"y"

    def test_a_folder_where_no_repository_may_be_made(self, unprivileged_folder: Path) -> None:
        unprivileged_folder.chmod(0o500)
        with pytest.raises(TargetDenied):
            LocalTarget(unprivileged_folder / "repository").create()
        unprivileged_folder.chmod(0o700)

    def test_read_only_files_are_removed_and_replaced(self, unprivileged_folder: Path) -> None:
        target = LocalTarget(unprivileged_folder / "repository")
        target.create()
        target.save(PACK, b"x")
        target.save(PACK, b"y")
        assert target.load(PACK) == b"y"
        target.remove(PACK)
        assert list(target.list("data")) == []


class TestFull:
    def test_a_file_size_limit(self, root: Path, target: LocalTarget, file_size_limit: int) -> None:
        target.save(PACK, bytes(file_size_limit))
        for key in (PACK, OTHER_PACK):
            with pytest.raises(TargetFull, match=f"{key} cannot be saved: file too large") as caught:
                target.save(key, bytes(file_size_limit + 1))
            assert "ulimit -f" in (caught.value.hint or "")
        assert target.load(PACK) == bytes(file_size_limit)
        assert files_below(root) == ["config", PACK]

    def test_a_full_disk(self, small_disk: Path) -> None:
        target = LocalTarget(small_disk / "repository")
        target.create()
        target.save("config", b"x")
        target.save(PACK, b"old" * 1000)
        for key in (PACK, OTHER_PACK):
            with pytest.raises(TargetFull, match=f"{key} cannot be saved: no space left") as caught:
                target.save(key, bytes(8 * 1024 * 1024))
            assert "df -h" in (caught.value.hint or "")
        assert files_below(target.root) == ["config", PACK]
        assert target.load(PACK) == b"old" * 1000
        target.save(OTHER_PACK, b"there is room for this")
        assert target.load(OTHER_PACK) == b"there is room for this"

    def test_a_disk_mounted_read_only(self, small_disk: Path) -> None:
        target = LocalTarget(small_disk / "repository")
        target.create()
        target.save("config", b"x")
        need("the right to remount", present=run_quietly("mount", "-o", "remount,ro", str(small_disk)) == 0)
        with pytest.raises(TargetDenied, match="read-only file system") as caught:
            target.save(PACK, b"x")
        assert "findmnt" in (caught.value.hint or "")
        with pytest.raises(TargetDenied):
            target.remove("config")
        target.create()
        assert target.load("config") == b"x"
