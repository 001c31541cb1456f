"""Every kind of damage, made by hand: the finding, and the snapshots and files that it names."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from drorch.actions.check import (
    CheckReport,
    CheckRequest,
    Finding,
    FindingKind,
    ReadAll,
    ReadBucket,
    ReadData,
    ReadNothing,
    Severity,
    SnapshotStanding,
    check,
)
from drorch.actions.progress import Counters
from drorch.errors import ObjectFrozen, TargetUnavailable
from drorch.ids import SnapshotId
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.repository import Repository
from drorch.storage.memory import MemoryTarget
from tests.doubles import Effect, FakeClock, Fault, FaultyTarget
from tests.repository.blobs import build
from tests.repository.crafted import Crafted, SavedPack, data, file, folder, noise, overwritten, tree
from tests.restic import PASSWORD


class Sound:
    """A sound repository: an old snapshot with /docs/a and /docs/b, a young one with /docs as it was and /c."""

    def __init__(self) -> None:
        self.made = Crafted()
        self.a, self.b, self.c = data("aaa"), data("bbb" * 100), data("ccc", compressed=False)
        self.docs = tree(file("a", self.a), file("b", self.b, self.b))
        self.old_root = tree(folder("docs", self.docs))
        self.young_root = tree(file("c", self.a, self.c), folder("docs", self.docs), file("empty"))
        self.ab = self.made.pack(self.a, self.b)
        self.other = self.made.pack(self.c)
        self.trees = self.made.pack(self.docs, self.old_root, self.young_root)
        self.first_index = self.made.index(self.ab, self.trees)
        self.second_index = self.made.index(self.other)
        self.old = self.made.snapshot(self.old_root, 1)
        self.young = self.made.snapshot(self.young_root, 2)

    def load(self, pack: SavedPack) -> bytes:
        return self.made.target.load(pack.key)

    def replace(self, pack: SavedPack, content: bytes) -> None:
        self.made.target.save(pack.key, content)

    def flip(self, pack: SavedPack, number: int) -> None:
        """Damage one blob of a pack."""
        blob = pack.blobs[number]
        self.replace(pack, overwritten(self.load(pack), blob.offset + 20))


def checked(made: Crafted, read: ReadData | None = None) -> CheckReport:
    repository = made.reopened()
    with repository.shared_lock():
        return check(repository, CheckRequest(read or ReadNothing()))


def only(report: CheckReport, kind: FindingKind) -> Finding:
    """The one finding of a report."""
    assert [finding.kind for finding in report.findings] == [kind]
    return report.findings[0]


def needs(finding: Finding) -> dict[SnapshotId, set[str]]:
    assert finding.more_snapshots == 0
    assert all(need.more == 0 for need in finding.needed_by)
    return {need.snapshot: set(need.paths) for need in finding.needed_by}


def standings(report: CheckReport) -> dict[SnapshotId, tuple[bool, bool]]:
    return {one.snapshot: (one.sound, one.read) for one in report.snapshots}


def test_a_sound_repository_has_no_findings() -> None:
    sound = Sound()
    report = checked(sound.made)
    assert report.findings == ()
    assert report.exit_code == 0
    assert standings(report) == {sound.old: (True, False), sound.young: (True, False)}
    assert (report.packs, report.packs_read, report.trees) == (3, 0, 3)


def test_all_data_read_proves_all_snapshots_read() -> None:
    sound = Sound()
    report = checked(sound.made, ReadAll())
    assert report.findings == ()
    assert report.snapshots == (SnapshotStanding(sound.old, True, True), SnapshotStanding(sound.young, True, True))
    assert report.packs_read == 3
    assert report.bytes_read == sum(len(sound.load(pack)) for pack in (sound.ab, sound.other, sound.trees))


def test_a_part_of_the_data_read_proves_only_what_needs_no_more() -> None:
    sound = Sound()
    parts = [checked(sound.made, ReadBucket(number, 256)) for number in (sound.ab.id[0] + 1, sound.other.id[0] + 1)]
    both = sound.ab.id[0] == sound.other.id[0]
    assert standings(parts[0]) == {sound.old: (True, True), sound.young: (True, both)}
    assert standings(parts[1]) == {sound.old: (True, both), sound.young: (True, both)}


def test_an_empty_repository_is_sound() -> None:
    report = checked(Crafted(), ReadAll())
    assert (report.findings, report.snapshots) == ((), ())


def test_progress_is_told() -> None:
    counters = Counters()
    check(Sound().made.reopened(), CheckRequest(ReadAll()), counters)
    step = counters.step()
    assert step.files_done == step.files_total == 6
    assert step.bytes_done == step.bytes_total > 0


def test_a_missing_pack_names_all_that_need_it() -> None:
    sound = Sound()
    sound.made.target.remove(sound.ab.key)
    report = checked(sound.made)
    finding = only(report, FindingKind.PACK_MISSING)
    assert finding.subject == sound.ab.id.hex()
    assert finding.severity is Severity.ERROR
    assert needs(finding) == {sound.old: {"/docs/a", "/docs/b"}, sound.young: {"/docs/a", "/docs/b", "/c"}}
    assert report.exit_code == 13
    assert standings(report) == {sound.old: (False, False), sound.young: (False, False)}


def test_a_missing_pack_leaves_snapshots_sound_that_do_not_need_it() -> None:
    sound = Sound()
    sound.made.target.remove(sound.other.key)
    report = checked(sound.made, ReadAll())
    assert needs(only(report, FindingKind.PACK_MISSING)) == {sound.young: {"/c"}}
    assert standings(report) == {sound.old: (True, True), sound.young: (False, False)}


def test_a_missing_pack_of_trees_names_the_folders() -> None:
    sound = Sound()
    sound.made.target.remove(sound.trees.key)
    finding = only(checked(sound.made), FindingKind.PACK_MISSING)
    assert needs(finding) == {sound.old: {"/"}, sound.young: {"/"}}


def test_a_missing_pack_that_nobody_needs_is_an_error_too() -> None:
    sound = Sound()
    unused = sound.made.indexed(data("unused"))
    sound.made.target.remove(unused.key)
    report = checked(sound.made)
    assert needs(only(report, FindingKind.PACK_MISSING)) == {}
    assert report.exit_code == 13
    assert standings(report) == {sound.old: (True, False), sound.young: (True, False)}


@pytest.mark.parametrize("change", [lambda content: content[:-1], lambda content: content + b"x"])
def test_a_pack_of_the_wrong_size(change: Callable[[bytes], bytes]) -> None:
    sound = Sound()
    sound.replace(sound.other, change(sound.load(sound.other)))
    finding = only(checked(sound.made), FindingKind.PACK_SIZE)
    assert finding.subject == sound.other.id.hex()
    assert needs(finding) == {sound.young: {"/c"}}


def test_a_flipped_blob_is_found_by_reading_and_names_the_files() -> None:
    sound = Sound()
    sound.flip(sound.ab, 0)
    assert checked(sound.made).findings == ()
    report = checked(sound.made, ReadAll())
    finding = only(report, FindingKind.PACK_DAMAGED)
    assert finding.subject == sound.ab.id.hex()
    assert f"1 of its 2 blobs are damaged: {sound.a.id.hex()[:16]}" in finding.message
    assert needs(finding) == {sound.old: {"/docs/a"}, sound.young: {"/docs/a", "/c"}}
    assert standings(report) == {sound.old: (False, False), sound.young: (False, False)}


def test_a_flipped_tree_is_found_without_reading_data() -> None:
    sound = Sound()
    sound.flip(sound.trees, 0)
    finding = only(checked(sound.made), FindingKind.TREE_UNREADABLE)
    assert finding.subject == sound.docs.id.hex()
    assert needs(finding) == {sound.old: {"/docs"}, sound.young: {"/docs"}}
    assert needs(only(checked(sound.made, ReadAll()), FindingKind.PACK_DAMAGED)) == needs(finding)


def test_a_damaged_header_is_found_by_reading() -> None:
    sound = Sound()
    content = sound.load(sound.other)
    sound.replace(sound.other, overwritten(content, len(content) - 10))
    finding = only(checked(sound.made, ReadAll()), FindingKind.PACK_DAMAGED)
    assert "its header cannot be read" in finding.message
    assert "its blobs are intact" in finding.message
    assert needs(finding) == {sound.young: {"/c"}}


def test_a_pack_in_the_place_of_another_is_found_by_reading() -> None:
    sound = Sound()
    finished, content = build([data("xyz", compressed=False)], sound.made.repository.box)
    assert finished.size == len(sound.load(sound.other))
    sound.replace(sound.other, content)
    finding = only(checked(sound.made, ReadAll()), FindingKind.PACK_DAMAGED)
    assert "its content does not match its name; its header does not list what the index lists" in finding.message


def test_a_damaged_copy_hurts_nobody_where_there_is_another() -> None:
    sound = Sound()
    sound.made.indexed(sound.a, sound.b, data("more"))
    sound.flip(sound.ab, 0)
    report = checked(sound.made, ReadAll())
    assert [finding.kind for finding in report.findings] == [FindingKind.PACK_DAMAGED, FindingKind.BLOB_DUPLICATE]
    assert needs(report.findings[0]) == {}
    assert standings(report) == {sound.old: (True, True), sound.young: (True, True)}


def test_damage_on_the_way_is_read_again() -> None:
    opened = Sound().made.reopened()
    target = FaultyTarget(opened.target, [Fault("load", effect=Effect.CORRUPT, prefix="data/")])
    repository = Repository(target, opened.master, opened.config, opened.clock)
    assert check(repository, CheckRequest(ReadAll())).findings == ()


def test_a_pack_that_the_target_does_not_give_is_named() -> None:
    sound = Sound()
    opened = sound.made.reopened()
    target = FaultyTarget(opened.target, [Fault("load", prefix=sound.other.key, times=9)])
    repository = Repository(target, opened.master, opened.config, opened.clock)
    finding = only(check(repository, CheckRequest(ReadAll())), FindingKind.PACK_UNREADABLE)
    assert needs(finding) == {sound.young: {"/c"}}


def test_a_pack_in_cold_storage_is_neither_damaged_nor_read() -> None:
    sound = Sound()
    opened = sound.made.reopened()
    frozen = Fault("load", prefix=sound.other.key, times=9, error=ObjectFrozen)
    repository = Repository(FaultyTarget(opened.target, [frozen]), opened.master, opened.config, opened.clock)
    report = check(repository, CheckRequest(ReadAll()))
    finding = only(report, FindingKind.PACKS_FROZEN)
    assert (finding.severity, needs(finding)) == (Severity.HINT, {})
    assert "thaw" in finding.message
    assert (report.packs_read, report.packs_frozen, report.exit_code) == (2, 1, ObjectFrozen.exit_code)
    assert standings(report) == {sound.old: (True, True), sound.young: (True, False)}


def test_a_target_that_does_not_answer_proves_nothing() -> None:
    opened = Sound().made.reopened()
    target = FaultyTarget(opened.target, [Fault("load", effect=Effect.DIE, prefix="data/")])
    repository = Repository(target, opened.master, opened.config, opened.clock)
    with pytest.raises(TargetUnavailable):
        check(repository, CheckRequest(ReadAll()))


def test_a_lost_index_names_blobs_and_files() -> None:
    sound = Sound()
    sound.made.target.remove(key_of(FileKind.INDEX, sound.second_index))
    report = checked(sound.made)
    assert [finding.kind for finding in report.findings] == [FindingKind.BLOB_NOT_INDEXED, FindingKind.PACK_ORPHANED]
    lost = report.findings[0]
    assert lost.subject == sound.c.id.hex()
    assert needs(lost) == {sound.young: {"/c"}}
    assert standings(report) == {sound.old: (True, False), sound.young: (False, False)}


def test_a_damaged_index_does_not_hide_the_others() -> None:
    sound = Sound()
    key = key_of(FileKind.INDEX, sound.second_index)
    sound.made.target.save(key, overwritten(sound.made.target.load(key), 40))
    report = checked(sound.made)
    assert {finding.kind for finding in report.findings} == {
        FindingKind.INDEX_UNREADABLE,
        FindingKind.BLOB_NOT_INDEXED,
        FindingKind.PACK_ORPHANED,
    }
    assert report.findings[0].subject == sound.second_index.hex()


def test_an_index_that_says_nonsense_is_unreadable() -> None:
    sound = Sound()
    nonsense = sound.made.repository.files.save(FileKind.INDEX, '{"packs":[{"id":"zz","blobs":[]}]}')
    assert only(checked(sound.made), FindingKind.INDEX_UNREADABLE).subject == nonsense.hex()


def test_a_damaged_snapshot_is_named_and_hides_no_other() -> None:
    sound = Sound()
    key = key_of(FileKind.SNAPSHOT, sound.old)
    sound.made.target.save(key, overwritten(sound.made.target.load(key), 40))
    report = checked(sound.made)
    assert only(report, FindingKind.SNAPSHOT_UNREADABLE).subject == sound.old.hex()
    assert standings(report) == {sound.young: (True, False)}


def test_a_damaged_key_file_is_named() -> None:
    sound = Sound()
    bad = bytes(range(32))
    sound.made.target.save(key_of(FileKind.KEY, bad), b"{}")
    assert only(checked(sound.made), FindingKind.KEY_DAMAGED).subject == bad.hex()


@dataclass(frozen=True, slots=True)
class Listing:
    """A pack of three blobs, and what index files say about it."""

    made: Crafted
    pack: SavedPack

    @staticmethod
    def new() -> "Listing":
        made = Crafted()
        blobs = [data("one"), data("two"), data("three")]
        pack = made.pack(*blobs)
        root = tree(file("f", *blobs))
        made.indexed(root)
        made.snapshot(root)
        return Listing(made, pack)

    def index(self, *blobs: PackedBlob) -> None:
        self.made.index(SavedPack(self.pack.id, blobs))


def test_a_pack_listed_twice_alike_is_a_hint() -> None:
    listing = Listing.new()
    first, second, third = listing.pack.blobs
    listing.index(first, second, third)
    listing.index(third, first, second, second)
    report = checked(listing.made, ReadAll())
    assert only(report, FindingKind.PACK_IN_SEVERAL_INDEXES).severity is Severity.HINT
    assert report.exit_code == 0


def test_a_pack_listed_twice_differently_is_an_error() -> None:
    listing = Listing.new()
    listing.index(*listing.pack.blobs[:2])
    listing.index(*listing.pack.blobs[2:])
    finding = only(checked(listing.made), FindingKind.PACK_DESCRIBED_DIFFERENTLY)
    assert finding.subject == listing.pack.id.hex()
    assert [need.paths for need in finding.needed_by] == [("/f",)]


def test_blobs_that_overlap_in_the_index() -> None:
    listing = Listing.new()
    first, second, third = listing.pack.blobs
    listing.index(first, replace(second, offset=second.offset - 5), third)
    assert only(checked(listing.made), FindingKind.PACK_OVERLAP).subject == listing.pack.id.hex()


def test_gaps_in_the_index_are_found_by_reading() -> None:
    listing = Listing.new()
    first, second, third = listing.pack.blobs
    listing.index(first, second, replace(third, offset=third.offset + 5))
    assert checked(listing.made).findings == ()
    kinds = {finding.kind for finding in checked(listing.made, ReadAll()).findings}
    assert kinds == {FindingKind.PACK_GAP, FindingKind.PACK_DAMAGED}


def test_a_blob_that_the_index_leaves_out_is_found_by_reading_or_by_size() -> None:
    listing = Listing.new()
    listing.index(*listing.pack.blobs[:2])
    kinds = [finding.kind for finding in checked(listing.made, ReadAll()).findings]
    assert kinds == [FindingKind.PACK_SIZE, FindingKind.PACK_DAMAGED, FindingKind.BLOB_NOT_INDEXED]


def test_mixed_packs_orphans_and_duplicates_are_hints() -> None:
    made = Crafted()
    blob = data("one")
    root = tree(file("f", blob))
    made.indexed(root, blob)
    made.indexed(blob)
    orphan = made.pack(data("orphan"))
    made.snapshot(root)
    report = checked(made, ReadAll())
    assert report.errors == ()
    assert [hint.kind for hint in report.hints] == [
        FindingKind.PACK_MIXED,
        FindingKind.BLOB_DUPLICATE,
        FindingKind.PACK_ORPHANED,
    ]
    assert orphan.id.hex()[:16] in report.hints[2].message
    assert report.exit_code == 0


def test_packs_that_another_client_is_about_to_delete_are_no_orphans() -> None:
    sound = Sound()
    leaving = sound.made.pack(data("leaving"))
    document = f'{{"packs":[],"packs_to_delete":[{{"id":"{leaving.id.hex()}","blobs":[]}}]}}'
    sound.made.repository.files.save(FileKind.INDEX, document)
    assert checked(sound.made).findings == ()


def test_a_stale_lock_is_a_hint() -> None:
    sound = Sound()
    clock = FakeClock()
    repository = Repository.open(sound.made.target, PASSWORD, clock)
    stale = repository.locks.write(exclusive=False)
    clock.advance(timedelta(hours=1).total_seconds())
    report = check(repository, CheckRequest())
    assert only(report, FindingKind.LOCK_STALE).subject == stale.hex()
    assert report.exit_code == 0


def test_a_lock_that_cannot_be_read_is_a_hint() -> None:
    sound = Sound()
    opened = sound.made.reopened()
    sound.made.target.save(key_of(FileKind.LOCK, os.urandom(32)), b"no lock")
    assert only(check(opened, CheckRequest()), FindingKind.LOCK_UNREADABLE).severity is Severity.HINT


def test_the_same_id_as_tree_and_as_data_is_fine() -> None:
    made = Crafted()
    root = tree(file("empty"))
    twin = replace(root, type=BlobType.DATA)
    above = tree(file("copy of a tree", twin), folder("x", root))
    made.indexed(root, above)
    made.indexed(twin)
    made.snapshot(above)
    assert checked(made, ReadAll()).findings == ()


def test_large_packs_are_read_in_pieces() -> None:
    made = Crafted(MemoryTarget())
    blobs = [noise(20 << 20), noise(30 << 20), noise(40 << 20), noise(10)]
    root = tree(file("f", *blobs))
    pack = made.indexed(*blobs)
    made.indexed(root)
    snapshot = made.snapshot(root)
    assert standings(checked(made, ReadAll())) == {snapshot: (True, True)}
    made.target.save(pack.key, overwritten(made.target.load(pack.key), pack.blobs[2].offset + 100))
    finding = only(checked(made, ReadAll()), FindingKind.PACK_DAMAGED)
    assert f"1 of its 4 blobs are damaged: {blobs[2].id.hex()[:16]}" in finding.message
