"""The index against a dict that says the same, and hostile index files."""

import json
import tracemalloc
from collections import Counter, defaultdict
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from drorch.errors import IntegrityError
from drorch.ids import BlobId, PackId
from drorch.repository.index import Index, decode_index, encode_index
from drorch.repository.pack import BlobType, PackedBlob
from tests.repository.blobs import blob_ids, pack_id, packed_blobs

Packs = dict[PackId, list[PackedBlob]]

some_packs: st.SearchStrategy[Packs] = st.dictionaries(
    st.integers(0, 5).map(pack_id), st.lists(packed_blobs(), max_size=6, unique=True), max_size=4
)


def taken_in(*documents: Any) -> Index:
    index = Index()
    index.take_in(documents)
    return index


@given(some_packs)
def test_an_index_file_round_trips(content: Packs) -> None:
    text = encode_index(content.items())
    assert text.endswith("]}\n")
    assert dict(decode_index(orjson.loads(text))) == content
    index = taken_in(json.loads(text))
    assert sorted(index.packs) == sorted(content)
    for pack, blobs in content.items():
        for blob in blobs:
            copies = index.locations(blob.id, blob.type)
            assert any(found.pack == pack and found.blob == blob for found in copies)


class IndexAgainstADict(RuleBasedStateMachine):
    """Whatever is taken in, added and frozen in whatever order, the index knows what a list of facts knows."""

    def __init__(self) -> None:
        super().__init__()
        self.index = Index()
        self.facts: list[tuple[PackId, PackedBlob]] = []

    @rule(files=st.lists(some_packs, max_size=3))
    def take_in(self, files: list[Packs]) -> None:
        self.index.take_in([orjson.loads(encode_index(content.items())) for content in files])
        # What two files say alike counts once.
        self.facts += {(pack, blob) for content in files for pack, blobs in content.items() for blob in blobs}

    @rule(number=st.integers(0, 5), blobs=st.lists(packed_blobs(), max_size=6))
    def add_pack(self, number: int, blobs: list[PackedBlob]) -> None:
        self.index.add_pack(pack_id(number), blobs)
        self.facts += [(pack_id(number), blob) for blob in blobs]

    @rule()
    def freeze(self) -> None:
        self.index.freeze()

    @rule(blob_id=blob_ids(), blob_type=st.sampled_from(BlobType))
    def look_up(self, blob_id: BlobId, blob_type: BlobType) -> None:
        expected = Counter(fact for fact in self.facts if (fact[1].id, fact[1].type) == (blob_id, blob_type))
        found = self.index.locations(blob_id, blob_type)
        assert Counter((location.pack, location.blob) for location in found) == expected
        assert self.index.has(blob_id, blob_type) == bool(expected)

    @rule(kept=st.sets(st.integers(0, 5)))
    def go_pack_by_pack(self, kept: set[int]) -> None:
        wanted = set(map(pack_id, kept))
        expected: dict[PackId, list[PackedBlob]] = defaultdict(list)
        for pack, blob in self.facts:
            if pack in wanted:
                expected[pack].append(blob)
        seen: Packs = {}
        for pack, blobs in self.index.by_pack(wanted.__contains__):
            assert pack not in seen
            assert [blob.offset for blob in blobs] == sorted(blob.offset for blob in blobs)
            seen[pack] = blobs
        assert {pack: Counter(blobs) for pack, blobs in seen.items()} == {
            pack: Counter(blobs) for pack, blobs in expected.items()
        }

    @rule(blobs=st.lists(packed_blobs(), min_size=10, max_size=12))
    def add_and_freeze_often(self, blobs: list[PackedBlob]) -> None:
        for number, blob in enumerate(blobs):
            self.add_pack(number % 6, [blob])
            self.freeze()

    @rule()
    def count_superfluous_copies(self) -> None:
        distinct = {(blob.id, blob.type) for _, blob in self.facts}
        assert self.index.superfluous_copies() == len(self.facts) - len(distinct)

    @invariant()
    def counts_and_lists_all(self) -> None:
        assert len(self.index) == len(self.facts)
        assert Counter((location.pack, location.blob) for location in self.index) == Counter(self.facts)


TestIndexAgainstADict = IndexAgainstADict.TestCase


def document(**changed: object) -> dict[str, Any]:
    """An index file with one blob, some of its fields changed; None takes a field away."""
    blob = {"id": "ab" * 32, "type": "data", "offset": 0, "length": 40, "uncompressed_length": 9, **changed}
    return {"packs": [{"id": "cd" * 32, "blobs": [{key: value for key, value in blob.items() if value is not None}]}]}


def test_the_document_itself_is_sound() -> None:
    (location,) = taken_in(document())
    assert location.blob == PackedBlob(BlobId(b"\xab" * 32), BlobType.DATA, 0, 40, 9)


@pytest.mark.parametrize("absent", [None, 0])
def test_a_blob_that_is_not_compressed_may_say_so_or_be_silent(absent: int | None) -> None:
    (location,) = taken_in(document(uncompressed_length=absent))
    assert location.blob.uncompressed_length == 0
    assert location.blob.plaintext_length == 8


@pytest.mark.parametrize("packs", [{}, {"packs": None}, {"packs": []}, {"supersedes": ["ab" * 32], "packs": []}])
def test_an_index_without_packs_is_one(packs: dict[str, Any]) -> None:
    assert len(taken_in(packs)) == 0


def test_a_superseded_index_is_not_acted_on() -> None:
    index = taken_in(document(), {"supersedes": ["ee" * 32, "ab" * 32], "packs": []})
    assert index.has(b"\xab" * 32, BlobType.DATA)


@pytest.mark.parametrize(
    "field",
    [
        {"id": "ab" * 31},
        {"id": "zz" * 32},
        {"id": None},
        {"id": 7},
        {"type": "metadata"},
        {"type": None},
        {"type": ["data"]},
        {"offset": -1},
        {"offset": 1 << 32},
        {"offset": None},
        {"offset": 1.5},
        {"offset": "0"},
        {"length": 1 << 32},
        {"length": 2.0},
        {"length": [40]},
        {"uncompressed_length": -1},
        {"uncompressed_length": 1 << 32},
        {"uncompressed_length": 0.5},
    ],
    ids=repr,
)
def test_a_blob_that_cannot_be_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(IntegrityError):
        taken_in(document(**field))


@pytest.mark.parametrize(
    "hostile",
    [[], "packs", 7, None, {"packs": 7}, {"packs": [7]}, {"packs": {"id": 1}}, {"packs": [{"id": "cd" * 32}]}]
    + [{"packs": [{"id": "cd" * 32, "blobs": blobs}]} for blobs in (7, None, [None], ["x"])]
    + [{"packs": [{"id": "cd", "blobs": []}]}],
    ids=repr,
)
def test_what_is_no_index_is_refused(hostile: Any) -> None:
    with pytest.raises(IntegrityError):
        taken_in(hostile)


def test_a_blob_takes_about_fifty_bytes() -> None:
    count = 50_000
    tracemalloc.start()
    try:
        index = Index()
        index.take_in([many_blobs(count)])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(index) == count
    assert held < 60 * count


def many_blobs(count: int) -> dict[str, Any]:
    blobs = [{"id": f"{at:064x}", "type": "data", "offset": at, "length": 40} for at in range(count)]
    return {"packs": [{"id": "cd" * 32, "blobs": blobs}]}
