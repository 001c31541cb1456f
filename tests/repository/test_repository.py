"""A repository that lies or is damaged: every lie is found, and what can still be read is read."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.errors import IntegrityError, TargetUnavailable, UsageError
from drorch.ids import BlobId, SnapshotId, TreeId
from drorch.repository.compression import Compressor
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.repository import Repository
from drorch.repository.snapshot import Snapshot, decode_snapshot, encode_snapshot
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import StoredObject
from tests.doubles import Fault, FaultyTarget
from tests.repository.blobs import Plain, pack_id
from tests.repository.fresh import fresh, fresh_folder, reopened, store_index, store_pack
from tests.restic import Restic, restic

CONTENT = b"what the blob holds, " * 40
PLAIN = Plain(BlobType.DATA, CONTENT, compressed=False)
COMPRESSED = Plain(BlobType.DATA, CONTENT, compressed=True)


def changed(blob: PackedBlob, **fields: int) -> PackedBlob:
    return PackedBlob(
        blob.id,
        blob.type,
        fields.get("offset", blob.offset),
        fields.get("length", blob.length),
        fields.get("uncompressed_length", blob.uncompressed_length),
    )


def lying(plain: Plain, **fields: int) -> Repository:
    """A repository whose index says something untrue of its only blob."""
    repository = fresh()
    pack, (blob,) = store_pack(repository, [plain])
    store_index(repository, pack, [changed(blob, **fields)])
    return reopened(repository)


@pytest.mark.parametrize("plain", [PLAIN, COMPRESSED], ids=["plain", "compressed"])
def test_a_blob_is_read(plain: Plain) -> None:
    assert lying(plain).load_blob(plain.id, plain.type) == CONTENT


@pytest.mark.parametrize(
    ("plain", "lie"),
    [
        (PLAIN, {"offset": 1}),
        (PLAIN, {"offset": 1 << 31}),
        (PLAIN, {"length": 0}),
        (PLAIN, {"length": 31}),
        (PLAIN, {"length": len(CONTENT) + 31}),
        (PLAIN, {"length": len(CONTENT) + 33}),
        (PLAIN, {"length": (1 << 32) - 1}),
        (PLAIN, {"uncompressed_length": len(CONTENT)}),
        (COMPRESSED, {"uncompressed_length": 0}),
        (COMPRESSED, {"uncompressed_length": 1}),
        (COMPRESSED, {"uncompressed_length": len(CONTENT) - 1}),
        (COMPRESSED, {"offset": (1 << 32) - 1, "length": (1 << 32) - 1}),
    ],
)
def test_an_index_that_lies_is_caught(plain: Plain, lie: dict[str, int]) -> None:
    with pytest.raises(IntegrityError, match="data blob"):
        lying(plain, **lie).load_blob(plain.id, plain.type)


def test_a_length_that_is_claimed_too_large_costs_nothing_and_the_content_decides() -> None:
    repository = lying(COMPRESSED, uncompressed_length=(1 << 32) - 1)
    assert repository.load_blob(COMPRESSED.id, BlobType.DATA) == CONTENT


def test_another_blob_under_the_id_is_refused() -> None:
    repository = fresh()
    pack, (blob,) = store_pack(repository, [PLAIN])
    other = BlobId(hashlib.sha256(b"another").digest())
    store_index(repository, pack, [PackedBlob(other, blob.type, blob.offset, blob.length, 0)])
    with pytest.raises(IntegrityError, match="id"):
        reopened(repository).load_blob(other, BlobType.DATA)


def test_a_blob_of_one_type_is_not_found_under_the_other() -> None:
    with pytest.raises(IntegrityError, match=r"tree blob .* not in the index"):
        lying(PLAIN).load_blob(PLAIN.id, BlobType.TREE)


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing", "empty"])
def test_another_copy_is_read_where_one_is_damaged(damage: str) -> None:
    repository = fresh()
    packs = []
    for number in range(2):
        pack, blobs = store_pack(repository, [Plain(BlobType.DATA, bytes([number]), False), COMPRESSED])
        store_index(repository, pack, blobs)
        packs.append(pack)
    for number, broken in enumerate(packs):
        key = key_of(FileKind.PACK, broken)
        content = repository.target.load(key)
        if damage == "missing":
            repository.target.remove(key)
        else:
            flipped = content[:40] + bytes([content[40] ^ 1]) + content[41:]
            repository.target.save(key, {"flipped": flipped, "truncated": content[:50], "empty": b""}[damage])
        if number == 0:
            assert reopened(repository).load_blob(COMPRESSED.id, BlobType.DATA) == CONTENT
            repository.target.save(key, content)
            continue
        assert reopened(repository).load_blob(COMPRESSED.id, BlobType.DATA) == CONTENT
        repository.target.remove(key_of(FileKind.PACK, packs[0]))
        with pytest.raises(IntegrityError, match="cannot be read") as caught:
            reopened(repository).load_blob(COMPRESSED.id, BlobType.DATA)
        assert caught.value.hint


def test_a_target_that_fails_is_not_called_damage() -> None:
    repository = lying(PLAIN)
    faulty = FaultyTarget(repository.target, [Fault("load", prefix="data/", times=5)])
    again = Repository(faulty, repository.master, repository.config, repository.clock)
    with pytest.raises(TargetUnavailable):
        again.load_blob(PLAIN.id, BlobType.DATA)


def test_a_tree_that_is_none_is_named() -> None:
    repository = fresh()
    pack, blobs = store_pack(repository, [Plain(BlobType.TREE, b'{"nodes":7}', True)])
    store_index(repository, pack, blobs)
    with pytest.raises(IntegrityError, match=blobs[0].id.hex()[:16]):
        reopened(repository).load_tree(TreeId(blobs[0].id))


def test_a_damaged_index_file_is_an_error() -> None:
    repository = lying(PLAIN)
    key = key_of(FileKind.INDEX, bytes(32))
    repository.target.save(key, b"damaged")
    with pytest.raises(IntegrityError, match="index"):
        len(reopened(repository).index)
    repository.target.remove(key)
    repository.files.save(FileKind.INDEX, '{"packs":7}')
    with pytest.raises(IntegrityError, match="index"):
        len(reopened(repository).index)


class Vanishing(MemoryTarget):
    """Lists an index file and a snapshot that are gone when they are read."""

    at_work = False

    def list(self, prefix: str) -> Iterator[StoredObject]:
        yield from super().list(prefix)
        if self.at_work and prefix in ("index", "snapshots"):
            yield StoredObject(f"{prefix}/{'ab' * 32}", 100)


def test_what_vanishes_between_listing_and_reading_is_not_missed() -> None:
    target = Vanishing()
    repository = fresh(target)
    target.at_work = True
    assert len(repository.index) == 0
    assert repository.list_snapshots().snapshots == ()
    assert repository.list_snapshots().faults == ()


SNAPSHOT = Snapshot(
    time=1_700_000_000 * 10**9 + 1,
    tree=TreeId(b"\x11" * 32),
    paths=("/home/ä<&>",),
    hostname="host",
    username="user",
    uid=1000,
    gid=1000,
    excludes=("*.tmp",),
    tags=("drorch:job=homes",),
    parent=SnapshotId(b"\x22" * 32),
    original=SnapshotId(b"\x33" * 32),
    program_version="drorch 0",
    summary={"files_new": 1, "backup_duration": 1.25},
    extra={"label": "of rustic", "delete": {"at": [1, 2.5]}},
)


def save_snapshot(repository: Repository, snapshot: Snapshot) -> SnapshotId:
    return SnapshotId(repository.files.save(FileKind.SNAPSHOT, encode_snapshot(snapshot)))


def test_a_snapshot_round_trips_with_fields_of_others() -> None:
    repository = fresh()
    assert repository.load_snapshot(save_snapshot(repository, SNAPSHOT)) == SNAPSHOT


def test_a_damaged_snapshot_hides_no_other_and_each_is_named() -> None:
    repository = fresh()
    good = save_snapshot(repository, SNAPSHOT)
    bad = [
        SnapshotId(repository.files.save(FileKind.SNAPSHOT, text))
        for text in ("[]", "7", "{}", '{"time":"2024-01-01T00:00:00Z","tree":"ab","paths":[]}', '{"time":7}')
    ]
    repository.target.save(key_of(FileKind.SNAPSHOT, bytes(32)), b"")
    repository.target.save("snapshots/notes.txt", b"mine")
    listing = reopened(repository).list_snapshots()
    assert [named.id for named in listing.snapshots] == [good]
    assert {snapshot_id for snapshot_id, _ in listing.faults} == {*bad, bytes(32)}
    assert all(snapshot_id.hex()[:8] in fault.message for snapshot_id, fault in listing.faults)


@pytest.mark.parametrize(
    "hostile",
    [
        *(
            {"tree": None},
            {"tree": 7},
            {"time": None},
            {"time": 7},
            {"paths": "x"},
            {"tags": {"a": 1}},
            {"uid": "root"},
        ),
        *({"uid": [1]}, {"parent": "ab"}, {"original": 7}, {"excludes": 7}, {"summary": [1]}, {"summary": "x"}),
    ],
    ids=repr,
)
def test_a_snapshot_field_that_is_not_what_it_should_be_is_refused(hostile: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        decode_snapshot({"time": "2024-01-01T00:00:00Z", "tree": "ab" * 32, "paths": ["/x"], **hostile})


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.9-23:59", "0000-01-01T00:00:00Z"])
def test_a_snapshot_from_beyond_the_calendar_can_be_shown(time: str) -> None:
    assert decode_snapshot({"time": time, "tree": "ab" * 32, "paths": None}).moment.year in (1, 9999)


def test_snapshots_are_listed_oldest_first_and_found_by_the_beginning_of_their_ids() -> None:
    repository = fresh()
    ids = [save_snapshot(repository, Snapshot(at, TreeId(b"\x11" * 32), ())) for at in (3, 1, 2)]
    assert [named.snapshot.time for named in repository.list_snapshots().snapshots] == [1, 2, 3]
    assert repository.find_snapshot_id(ids[0].hex()) == ids[0]
    assert repository.find_snapshot_id(ids[0].hex()[:20].upper()) == ids[0]
    for prefix in ("", "xyz", "0" * 64, "../config"):
        with pytest.raises(UsageError):
            repository.find_snapshot_id(prefix)


def test_a_pack_that_drorch_builds_is_sound_to_restic(tmp_path: Path) -> None:
    repository = fresh_folder(tmp_path)
    contents = [Plain(BlobType.DATA, bytes([number]) * 1000, number % 2 == 0) for number in range(4)]
    tree = Plain(BlobType.TREE, b'{"nodes":[]}\n', compressed=True)
    for blobs in (contents, [tree]):
        pack, packed = store_pack(repository, blobs)
        store_index(repository, pack, packed)
    save_snapshot(repository, Snapshot(10**18, TreeId(tree.id), ("/",)))
    checked = restic(Restic.DEBIAN, tmp_path, "check", "--read-data")
    assert b"no errors were found" in checked.stdout
    for plain in contents:
        assert restic(Restic.DEBIAN, tmp_path, "cat", "blob", plain.id.hex()).stdout == plain.content


def test_a_frame_that_holds_more_than_its_blob_says_is_refused() -> None:
    repository = fresh()
    frame = Compressor().compress(b"x" * 100_000)
    sealed = repository.box.seal(frame)
    repository.target.save(key_of(FileKind.PACK, pack_id(1)), sealed)
    blob_id = BlobId(hashlib.sha256(b"x" * 100_000).digest())
    store_index(repository, pack_id(1), [PackedBlob(blob_id, BlobType.DATA, 0, len(sealed), 50)])
    with pytest.raises(IntegrityError, match="100000"):
        reopened(repository).load_blob(blob_id, BlobType.DATA)
