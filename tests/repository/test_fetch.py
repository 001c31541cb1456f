import threading
from collections.abc import Iterator, Sequence

import pytest

from drorch.errors import IntegrityError, TargetUnavailable
from drorch.ids import BlobId
from drorch.repository.fetch import GAP_BYTES, RANGE_BYTES, FetchPlan, fetch, plan_fetch
from drorch.repository.index import Index
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.repository import Repository
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import StoredObject, Target
from drorch.units import KIB, MIB
from tests.doubles import CountingTarget, Effect, Fault, FaultyTarget
from tests.repository.blobs import Plain, pack_id
from tests.repository.crafted import Crafted, SavedPack, data, noise, overwritten, tree


class Received:
    """Takes what is delivered, from any thread."""

    def __init__(self) -> None:
        self.blobs: dict[BlobId, bytes] = {}
        self.faults: dict[BlobId, str] = {}
        self._guard = threading.Lock()

    def deliver(self, blob_id: BlobId, plaintext: bytes) -> None:
        with self._guard:
            assert blob_id not in self.blobs
            self.blobs[blob_id] = plaintext

    def fail(self, blob_id: BlobId, fault: IntegrityError) -> None:
        with self._guard:
            assert blob_id not in self.faults
            self.faults[blob_id] = fault.message


def plan_for(repository: Repository, blobs: Sequence[Plain]) -> FetchPlan:
    return plan_fetch(repository.index, [(blob.id, blob.type) for blob in blobs])


def received(repository: Repository, blobs: Sequence[Plain], workers: int | None = None) -> Received:
    result = Received()
    fetch(repository, plan_for(repository, blobs), result.deliver, failed=result.fail, workers=workers)
    return result


def seen_through(opened: Repository, target: Target) -> Repository:
    """The same repository, read by way of another target."""
    return Repository(target, opened.master, opened.config, opened.clock)


class AskedTarget(MemoryTarget):
    """Records every load that is asked for, whether or not it succeeds."""

    def __init__(self, inner: Target) -> None:
        super().__init__()
        self.inner = inner
        self.loads: list[str] = []

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        self.loads.append(key)
        return self.inner.load(key, offset, length)

    def stat(self, key: str) -> StoredObject:
        return self.inner.stat(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return self.inner.list(prefix)


def contents(blobs: Sequence[Plain]) -> dict[BlobId, bytes]:
    return {blob.id: blob.content for blob in blobs}


@pytest.mark.parametrize("workers", [None, 1, 7])
def test_every_blob_is_delivered_once_and_whole(workers: int | None) -> None:
    made = Crafted()
    blobs = [data(f"{number} " * number, compressed=number % 2 == 0) for number in range(1, 60)] + [tree(), noise(MIB)]
    for start in range(0, len(blobs), 13):
        made.indexed(*blobs[start : start + 13])
    result = received(made.reopened(), blobs, workers)
    assert result.blobs == contents(blobs)
    assert result.faults == {}


def test_neighbours_come_in_one_request() -> None:
    made = Crafted(CountingTarget(MemoryTarget()))
    blobs = [noise(4 * KIB) for _ in range(1000)]
    pack = made.indexed(*blobs)
    repository = made.reopened()
    plan = plan_for(repository, blobs)
    assert plan.blob_count == 1000
    assert plan.bytes_to_fetch == 1000 * (4 * KIB + 32)
    assert isinstance(made.target, CountingTarget)
    received(repository, blobs)
    assert made.target.keys("load").count(pack.key) == 1


def test_what_is_wanted_twice_is_planned_once() -> None:
    made = Crafted()
    blobs = [data("one"), data("two")]
    made.indexed(*blobs)
    assert received(made.reopened(), [*blobs, *blobs]).blobs == contents(blobs)


def listed(*places: tuple[int, int]) -> list[PackedBlob]:
    return [
        PackedBlob(BlobId(bytes((number,)) * 32), BlobType.DATA, offset, length, 0)
        for number, (offset, length) in enumerate(places)
    ]


def ranges_for(blobs: Sequence[PackedBlob]) -> list[tuple[int, int, int]]:
    index = Index()
    index.add_pack(pack_id(1), blobs)
    plan = plan_fetch(index, [(blob.id, blob.type) for blob in reversed(blobs)])
    (pack,) = plan.packs
    assert [blob.offset for blob in pack.blobs] == sorted(blob.offset for blob in blobs)
    assert plan.bytes_to_fetch == sum(part.length for part in pack.ranges)
    return [(part.offset, part.length, len(part.blobs)) for part in pack.ranges]


def test_small_gaps_are_read_through() -> None:
    assert ranges_for(listed((0, 100), (100 + GAP_BYTES, 50))) == [(0, 150 + GAP_BYTES, 2)]


def test_large_gaps_are_left_out() -> None:
    far = 101 + GAP_BYTES
    assert ranges_for(listed((0, 100), (far, 50))) == [(0, 100, 1), (far, 50, 1)]


def test_ranges_are_bounded_but_for_single_blobs() -> None:
    half = RANGE_BYTES // 2
    blobs = listed((0, half), (half, half), (2 * half, 1), (2 * half + 1, 3 * half))
    assert ranges_for(blobs) == [(0, 2 * half, 2), (2 * half, 1, 1), (2 * half + 1, 3 * half, 1)]


def test_blobs_that_overlap_are_read_in_one_range() -> None:
    assert ranges_for(listed((0, 100), (50, 10), (90, 100))) == [(0, 190, 3)]


def test_unknown_blobs_are_planned_as_missing() -> None:
    made = Crafted()
    known, unknown = data("known"), data("unknown")
    made.indexed(known)
    repository = made.reopened()
    assert plan_for(repository, [unknown, known, unknown]).missing == ((unknown.id, BlobType.DATA),)
    result = received(repository, [unknown, known])
    assert result.blobs == contents([known])
    assert result.faults == {unknown.id: f"data blob {unknown.id.hex()[:16]} is not in the index"}


def test_a_blob_of_the_other_type_is_not_what_was_wanted() -> None:
    made = Crafted()
    blob = data("known")
    made.indexed(blob)
    assert plan_fetch(made.reopened().index, [(blob.id, BlobType.TREE)]).missing == ((blob.id, BlobType.TREE),)


def flip(made: Crafted, pack: SavedPack, blob: PackedBlob) -> None:
    content = made.target.load(pack.key)
    made.target.save(pack.key, overwritten(content, blob.offset + blob.length // 2))


def test_a_damaged_blob_fails_alone() -> None:
    made = Crafted()
    blobs = [data(f"blob {number}") for number in range(5)]
    pack = made.indexed(*blobs)
    flip(made, pack, pack.blobs[2])
    result = received(made.reopened(), blobs)
    assert result.blobs == contents([*blobs[:2], *blobs[3:]])
    assert list(result.faults) == [blobs[2].id]
    assert "authentication code" in result.faults[blobs[2].id]


def test_a_blob_that_is_sealed_well_and_is_another_one_is_not_delivered() -> None:
    made = Crafted()
    pack = made.pack(data("aaaa", compressed=False), data("bbbb", compressed=False))
    first, second = pack.blobs
    swapped = [
        PackedBlob(second.id, first.type, first.offset, first.length, 0),
        PackedBlob(first.id, second.type, second.offset, second.length, 0),
    ]
    made.index(SavedPack(pack.id, tuple(swapped)))
    result = received(made.reopened(), [data("aaaa"), data("bbbb")])
    assert result.blobs == {}
    assert all("does not match its id" in fault for fault in result.faults.values())
    assert len(result.faults) == 2


@pytest.mark.parametrize("damage", ["flipped", "truncated", "missing"])
def test_another_copy_takes_the_place_of_a_damaged_one(damage: str) -> None:
    made = Crafted()
    blobs = [data("first"), data("second"), data("third")]
    packs = [made.indexed(*blobs), made.indexed(noise(10), *blobs)]
    first = min(packs, key=lambda pack: made.reopened().index.packs.index(pack.id))
    if damage == "flipped":
        flip(made, first, next(blob for blob in first.blobs if blob.id == blobs[1].id))
    elif damage == "truncated":
        made.target.save(first.key, made.target.load(first.key)[: first.blobs[-1].offset + 3])
    else:
        made.target.remove(first.key)
    result = received(made.reopened(), blobs)
    assert result.blobs == contents(blobs)
    assert result.faults == {}


def test_what_a_truncated_pack_still_holds_is_delivered() -> None:
    made = Crafted()
    blobs = [data("first"), data("second"), data("third")]
    pack = made.indexed(*blobs)
    made.target.save(pack.key, made.target.load(pack.key)[: pack.blobs[-1].offset + 3])
    result = received(made.reopened(), blobs)
    assert result.blobs == contents(blobs[:2])
    assert "is truncated" in result.faults[blobs[2].id]


def test_a_missing_pack_costs_one_request() -> None:
    made = Crafted()
    blobs = [data(f"blob {number}") for number in range(50)]
    pack = made.indexed(*blobs)
    opened = made.reopened()
    made.target.remove(pack.key)
    asked = AskedTarget(made.target)
    result = received(seen_through(opened, asked), blobs)
    assert len(result.faults) == 50
    assert all("is missing" in fault for fault in result.faults.values())
    assert asked.loads.count(pack.key) == 1


def test_damage_on_the_way_is_read_again() -> None:
    made = Crafted()
    blobs = [data("first"), data("second"), data("third")]
    made.indexed(*blobs)
    broken_once = FaultyTarget(made.target, [Fault("load", effect=Effect.CORRUPT, prefix="data/")])
    result = received(seen_through(made.reopened(), broken_once), blobs)
    assert result.blobs == contents(blobs)


def test_a_target_that_fails_stops_everything() -> None:
    made = Crafted()
    blobs = [noise(100) for _ in range(40)]
    for blob in blobs:
        made.indexed(blob)
    opened = made.reopened()
    dead = FaultyTarget(made.target, [Fault("load", number=3, effect=Effect.DIE, prefix="data/")])
    result = Received()
    with pytest.raises(TargetUnavailable):
        fetch(seen_through(opened, dead), plan_for(opened, blobs), result.deliver, failed=result.fail, workers=3)
    assert len(result.blobs) <= 2
    assert result.faults == {}


def test_what_the_receiver_raises_stops_everything() -> None:
    made = Crafted()
    blobs = [noise(100) for _ in range(40)]
    for blob in blobs:
        made.indexed(blob)
    repository = made.reopened()
    calls: list[BlobId] = []

    def full(blob_id: BlobId, _: bytes) -> None:
        calls.append(blob_id)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        fetch(repository, plan_for(repository, blobs), full, failed=Received().fail, workers=4)
    assert len(calls) <= 4
