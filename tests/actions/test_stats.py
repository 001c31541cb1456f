from dataclasses import replace

from drorch.actions.snapshots import list_snapshots
from drorch.actions.stats import Stats, StatsMode, stats
from drorch.repository.repository import Repository
from tests.actions.trees import new_repository, writing


def _story() -> Repository:
    """Two snapshots: the first with two names of one inode and a copy of its content, the second with one file."""
    repository = new_repository()
    with writing(repository) as write:
        linked = replace(write.file(b"one", b"a" * 100, b"b" * 50), links=2, inode=5, device_id=1)
        copied = replace(linked, name=b"copy", links=1, inode=6)
        first = write.tree({b"d": {b"one": linked, b"two": replace(linked, name=b"two"), b"copy": copied}})
        write.snapshot(first, second=1)
        write.snapshot(write.tree({b"x": b"a" * 100}), second=2)
    return repository


def _stats(mode: StatsMode) -> Stats:
    repository = _story()
    return stats(repository, list_snapshots(repository).snapshots, mode)


def test_what_a_restore_writes() -> None:
    assert _stats(StatsMode.RESTORE_SIZE) == Stats(snapshots=2, size=150 + 150 + 100, files=4 + 1)


def test_equal_contents_once() -> None:
    assert _stats(StatsMode.FILES_BY_CONTENTS) == Stats(snapshots=2, size=150 + 100, files=2)


def test_the_blobs_of_each_path() -> None:
    assert _stats(StatsMode.BLOBS_PER_FILE) == Stats(snapshots=2, size=3 * 150 + 100, files=4, blobs=7)


def test_what_is_stored() -> None:
    repository = _story()
    found = stats(repository, list_snapshots(repository).snapshots, StatsMode.RAW_DATA)
    listed = list(repository.index)
    assert (found.snapshots, found.blobs) == (2, 2 + 3)
    assert found.size == sum(location.blob.length for location in listed)
    assert found.uncompressed_size == sum(location.blob.plaintext_length for location in listed)
