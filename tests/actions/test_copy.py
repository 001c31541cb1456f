"""Copies: whole, verified, nothing sent twice, and nothing listed before all it needs is there."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.actions.check import CheckRequest, ReadAll, check
from drorch.actions.copy import CopyPlan, CopyResult, copies_among, execute_copy, plan_copy
from drorch.actions.progress import Counters, NoProgress
from drorch.errors import TargetUnavailable, UsageError
from drorch.ids import PackId, SnapshotId
from drorch.repository.keeper import Keeper
from drorch.repository.keys import ScryptCost
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.repository import NamedSnapshot, Repository, initialize
from drorch.repository.snapshot import Snapshot
from drorch.repository.writer import WritePolicy, Writer
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Target
from tests.actions.trees import TreeWriter, new_repository, writing
from tests.doubles import CountingTarget, Effect, FakeClock, Fault, FaultyTarget, flip_bit
from tests.interop.judging import faults
from tests.restic import PASSWORD, Restic, restic, restic_json

CHEAP = ScryptCost(2, 1, 1)
TEXT = b"words that compress well " * 400


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)  # noqa: S311


def repository(target: Target | None = None, *, version: int = 2) -> Repository:
    """A repository with a key and a polynomial of its own."""
    return initialize(target or MemoryTarget(), PASSWORD, version=version, cost=CHEAP, clock=FakeClock())


def opened(place: Repository, target: Target | None = None) -> Repository:
    """The same repository as one who comes new to it sees it."""
    return Repository(target or place.target, place.master, place.config, place.clock)


def three_snapshots(source: Repository) -> list[SnapshotId]:
    """Two that share most, and one of another host."""
    with writing(source) as writer:
        shared = writer.tree({b"text": TEXT, b"noise": noise(30_000), b"deep": {b"er": {b"leaf": b"leaf"}}})
        first = writer.nodes(writer.folder(b"shared", shared), writer.file(b"own", b"first"))
        second = writer.nodes(writer.folder(b"shared", shared), writer.file(b"own", b"second"))
        other = writer.tree({b"elsewhere": noise(5_000, seed=1), b"empty": b"", b"none": {}})
        return [
            writer.snapshot(first, second=1, tag="drorch:job=homes,nightly"),
            writer.snapshot(second, second=2, tag="drorch:job=homes,nightly"),
            writer.snapshot(other, second=3, host="other", path="/q"),
        ]


def snapshots_of(place: Repository) -> Sequence[NamedSnapshot]:
    return place.list_snapshots().snapshots


def copy(source: Repository, destination: Repository, policy: WritePolicy | None = None) -> CopyResult:
    """Copy what is not there yet."""
    with Writer(opened(destination), policy or WritePolicy()) as writer:
        return execute_copy(source, writer, planned(source, writer.repository), NoProgress())


def planned(source: Repository, destination: Repository) -> CopyPlan:
    there = snapshots_of(destination)
    have = copies_among(snapshots_of(source), there)
    return plan_copy(source, destination, [one for one in snapshots_of(source) if one.id not in have], there)


def assert_whole(place: Repository, snapshots: int) -> None:
    """Every listed snapshot can be read to the last byte, and nothing else is wrong."""
    report = check(opened(place), CheckRequest(ReadAll()))
    assert report.errors == ()
    assert [one.read for one in report.snapshots] == [True] * snapshots


def damage(place: Repository, pack: PackId, blob: PackedBlob | None = None) -> None:
    """Flip a bit in the middle of a blob, or of a pack."""
    key = key_of(FileKind.PACK, pack)
    content = place.target.load(key)
    start, end = (blob.offset, blob.offset + blob.length) if blob else (0, len(content))
    place.target.save(key, content[:start] + flip_bit(content[start:end]) + content[end:])


@pytest.mark.parametrize(("source_version", "version"), [(2, 2), (1, 2), (2, 1), (1, 1)])
def test_copies_are_whole_whatever_the_key_and_the_version(source_version: int, version: int) -> None:
    source, destination = repository(version=source_version), repository(version=version)
    assert source.config.chunker_polynomial != destination.config.chunker_polynomial
    three_snapshots(source)
    result = copy(source, destination)
    assert result.problems == ()
    assert len(result.copied) == 3
    assert_whole(destination, 3)
    assert faults(opened(destination)) == []


def test_a_copy_is_the_snapshot_but_for_its_file_and_names_its_original() -> None:
    source, destination = repository(), repository()
    three_snapshots(source)
    result = copy(source, destination)
    assert [new for _, new in result.copied] == list(snapshots_of(destination))
    for old, new in result.copied:
        assert new.snapshot == replace(old.snapshot, original=old.id)
    onward = repository()
    for (_, second), (first, third) in zip(copy(destination, onward).copied, result.copied, strict=True):
        assert second.snapshot == replace(third.snapshot, original=first.id)


def test_a_parent_of_another_repository_is_not_named() -> None:
    source, destination = repository(), repository()
    with Writer(source) as writer:
        root = TreeWriter(writer).tree({b"a": b""})
        writer.save_snapshot(Snapshot(0, root, ("/p",), parent=SnapshotId(bytes(32))))
    [(_, new)] = copy(source, destination).copied
    assert new.snapshot.parent is None


def test_what_was_compressed_goes_over_as_it_was() -> None:
    source, destination = repository(), repository()
    with writing(source) as writer:
        writer.snapshot(writer.tree({b"text": TEXT, b"noise": noise(30_000)}))
    copy(source, destination)
    for location in source.index:
        [there] = opened(destination).index.locations(location.blob.id, location.blob.type)
        boxes = [place.box.open(place.load_sealed(one)) for place, one in ((source, location), (destination, there))]
        assert boxes[0] == boxes[1]
        assert there.blob.uncompressed_length == location.blob.uncompressed_length


def test_what_is_there_is_neither_read_nor_sent() -> None:
    source, destination = repository(), repository()
    three_snapshots(source)
    copy(source, destination)
    with writing(opened(source)) as writer:
        shared = snapshots_of(source)[1].snapshot.tree
        folder = next(node.subtree for node in source.load_tree(shared) if node.subtree)
        writer.snapshot(writer.nodes(writer.folder(b"shared", folder), writer.file(b"own", b"third")), second=4)
    loads = CountingTarget(source.target)
    result = copy(opened(source, loads), destination)
    assert (result.stored.data_blobs, result.stored.tree_blobs) == (1, 1)
    assert_whole(destination, 4)
    # Both roots are compared, then the new root and the new file are sent; what hangs on the shared folder is passed.
    packs = [one for one in loads.operations if one.kind == "load" and one.key.startswith("data/")]
    assert len(packs) <= 4
    assert sum(one.size for one in packs) < 5_000
    again = CountingTarget(destination.target)
    assert copy(source, opened(destination, again)).copied == ()
    assert [one.key for one in again.writes if not one.key.startswith("locks/")] == []


def test_blobs_that_another_way_brought_are_not_sent_again() -> None:
    source, destination = repository(), repository()
    three_snapshots(source)
    with writing(destination) as writer:
        writer.tree({b"anything": TEXT, b"else": noise(30_000)})
        writer.snapshot(writer.tree({}))
    assert copy(source, destination).stored.data_added < 10_000
    assert_whole(destination, 4)


def test_copies_are_recognised_as_restic_does() -> None:
    source, destination = repository(), repository()
    three_snapshots(source)
    copy(source, destination)
    assert planned(destination, source).snapshots == ()
    first = snapshots_of(source)[0]
    with Keeper(source) as keeper:
        keeper.retag(first, ("other",))
    [(retagged, new)] = copy(source, destination).copied
    assert (retagged.snapshot.tags, new.snapshot.original) == (("other",), first.id)


def test_the_plan_says_what_will_be_done_and_progress_ends_there() -> None:
    source, destination = repository(), repository()
    three_snapshots(source)
    plan = planned(source, destination)
    assert list(destination.target.list("data")) == []
    assert plan.blob_count == len(source.index)
    assert plan.bytes_to_fetch >= sum(location.blob.length for location in source.index)
    progress = Counters()
    with Writer(destination) as writer:
        result = execute_copy(source, writer, plan, progress)
    assert progress.step().files_done == progress.step().files_total == len(result.copied) == 3


def test_a_snapshot_that_cannot_be_read_whole_is_not_copied_and_hides_no_other() -> None:
    source, destination = repository(), repository()
    ids = three_snapshots(source)
    own = next(node for node in source.load_tree(snapshots_of(source)[0].snapshot.tree) if node.name == b"own")
    assert own.content
    [location] = source.index.locations(own.content[0], BlobType.DATA)
    damage(source, location.pack, location.blob)
    result = copy(source, destination)
    assert [old.id for old, _ in result.copied] == ids[1:]
    [problem] = result.problems
    assert problem.subject == f"snapshot {ids[0].hex()[:8]}"
    assert "data blob" in problem.message
    assert_whole(destination, 2)


@pytest.mark.parametrize("indexed", [True, False])
def test_a_tree_that_is_lost_is_found_before_anything_is_sent(indexed: bool) -> None:
    source, destination = repository(), repository()
    ids = three_snapshots(source)
    tree = snapshots_of(source)[2].snapshot.tree
    if indexed:
        [location] = source.index.locations(tree, BlobType.TREE)
        damage(source, location.pack, location.blob)
    else:
        with writing(source) as writer:
            ids[2] = writer.snapshot(writer.nodes(writer.folder(b"gone", type(tree)(bytes(32)))), second=9)
        source.target.remove(key_of(FileKind.SNAPSHOT, snapshots_of(source)[2].id))
    plan = planned(opened(source), destination)
    assert [named.id for named in plan.snapshots] == ids[:2]
    assert [problem.subject for problem in plan.problems] == [f"snapshot {ids[2].hex()[:8]}"]
    result = copy(opened(source), destination)
    assert result.problems == plan.problems
    assert_whole(destination, 2)


def test_source_and_destination_must_differ() -> None:
    source = repository()
    with pytest.raises(UsageError, match="source and destination"):
        plan_copy(source, opened(source), [])


def test_the_snapshot_is_the_last_thing_that_is_saved() -> None:
    source, destination = repository(), repository()
    three_snapshots(source)
    counting = CountingTarget(destination.target)
    copy(source, opened(destination, counting))
    kinds = [key.split("/")[0] for key in counting.keys("save") if not key.startswith("locks/")]
    assert kinds == [*["data"] * kinds.count("data"), "index", *["snapshots"] * 3]


@pytest.mark.parametrize("effect", [Effect.DIE, Effect.FAIL_AFTER])
def test_a_copy_cut_off_at_any_write_lists_nothing_unreadable_and_the_next_one_finishes(effect: Effect) -> None:
    source = repository()
    three_snapshots(source)
    sent = []
    for number in range(1, 100):
        destination = repository()
        faulty = FaultyTarget(destination.target, [Fault("save", number, effect)])
        policy = WritePolicy(index_blobs=3)
        try:
            copy(source, opened(destination, faulty), policy)
        except TargetUnavailable:
            assert_whole(destination, len(snapshots_of(destination)))
        else:
            break
        for lock in list(destination.target.list("locks")):
            destination.target.remove(lock.key)
        stored = copy(source, destination).stored
        sent.append(stored.data_blobs + stored.tree_blobs)
        assert_whole(destination, 3)
    assert len(sent) > 6
    assert sent[0] == len(source.index)
    assert any(0 < blobs < len(source.index) for blobs in sent)


def test_a_source_that_fails_on_the_way_is_an_error_and_leaves_nothing_half() -> None:
    source, destination = repository(), repository()
    three_snapshots(source)
    for number in range(1, 100):
        try:
            copy(opened(source, FaultyTarget(source.target, [Fault("load", number, prefix="data/")])), destination)
        except TargetUnavailable:
            assert snapshots_of(destination) == ()
        else:
            break
    assert number > 2
    assert_whole(destination, 3)


def test_restic_reads_a_copy_and_takes_it_for_one(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    source, destination = (repository(LocalTarget(place)) for place in (here, there))
    three_snapshots(source)
    copy(source, destination)
    restic(Restic.DEBIAN, there, "check", "--read-data")
    shown = restic_json(Restic.DEBIAN, there, "snapshots")
    assert [one["original"] for one in shown] == [one.id.hex() for one in snapshots_of(source)]
    (tmp_path / "password").write_text(PASSWORD)
    origin = ("--from-repo", here, "--from-password-file", tmp_path / "password")
    restic(Restic.DEBIAN, there, "copy", *origin)
    assert len(snapshots_of(destination)) == 3
    (tmp_path / "file").mkdir()
    restic(Restic.DEBIAN, here, "backup", tmp_path / "file")
    restic(Restic.DEBIAN, there, "copy", *origin)
    assert len(snapshots_of(destination)) == 4
    assert copy(opened(source), destination).copied == ()


def test_what_restic_wrote_is_copied_and_given_back(tmp_path: Path) -> None:
    here, back, files = tmp_path / "here", tmp_path / "back", tmp_path / "files"
    (files / "deep").mkdir(parents=True)
    (files / "deep" / "text").write_bytes(TEXT)
    (files / "noise").write_bytes(noise(3_000_000))
    restic(Restic.DEBIAN, here, "init")
    restic(Restic.DEBIAN, here, "backup", files)
    destination = repository(LocalTarget(tmp_path / "there"))
    assert len(copy(Repository.open(LocalTarget(here), PASSWORD), destination).copied) == 1
    assert_whole(destination, 1)
    restic(Restic.DEBIAN, tmp_path / "there", "restore", "latest", "--target", back)
    restored = back / files.relative_to("/")
    assert (restored / "deep" / "text").read_bytes() == TEXT
    assert (restored / "noise").read_bytes() == noise(3_000_000)


def test_an_empty_repository_gives_nothing() -> None:
    result = copy(new_repository(), repository())
    assert (result.copied, result.problems) == ((), ())
