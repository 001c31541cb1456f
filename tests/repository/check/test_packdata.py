from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drorch.ids import BlobId
from drorch.repository.check.packdata import PIECE_BYTES, pieces_of, read_pack
from drorch.repository.pack import MAX_HEADER_BYTES, BlobType, PackedBlob
from drorch.units import MIB
from tests.repository.crafted import Crafted, data

_PLACES = st.lists(st.tuples(st.integers(0, 200 * MIB), st.integers(0, 90 * MIB)), max_size=12)


def placed(places: list[tuple[int, int]]) -> list[PackedBlob]:
    return [PackedBlob(BlobId(bytes(32)), BlobType.DATA, offset, length, 0) for offset, length in places]


@given(_PLACES, st.integers(0, 300 * MIB))
def test_pieces_are_end_to_end_and_hold_their_blobs(places: list[tuple[int, int]], size: int) -> None:
    pieces = list(pieces_of(size, placed(places)))
    assert pieces[0].start == 0
    assert pieces[-1].end == size
    assert all(before.end == after.start for before, after in pairwise(pieces))
    for piece in pieces:
        assert all(piece.start <= blob.offset and blob.offset + blob.length <= piece.end for blob in piece.blobs)
        longest = max([PIECE_BYTES, *(blob.length for blob in piece.blobs)])
        assert piece.end - piece.start <= longest + PIECE_BYTES + MAX_HEADER_BYTES


@given(st.lists(st.integers(32, 40 * MIB), max_size=12), st.integers(0, 20 * MIB))
def test_blobs_that_lie_end_to_end_are_all_read(lengths: list[int], tail: int) -> None:
    places, end = [], 0
    for length in lengths:
        places.append((end, length))
        end += length
    pieces = pieces_of(end + tail, placed(places))
    assert sum(len(piece.blobs) for piece in pieces) == len(lengths)


def test_any_flipped_bit_is_noticed() -> None:
    made = Crafted()
    pack = made.pack(data("one"), data("two", compressed=False))
    content = made.target.load(pack.key)
    assert read_pack(made.repository, pack.id, len(content), pack.blobs).good
    for place in range(len(content)):
        made.target.save(pack.key, content[:place] + bytes((content[place] ^ 4,)) + content[place + 1 :])
        reading = read_pack(made.repository, pack.id, len(content), pack.blobs)
        assert not reading.good, place
        inside = [blob.id for blob in pack.blobs if blob.offset <= place < blob.offset + blob.length]
        assert list(reading.damaged) == inside, place


def test_any_length_it_is_cut_to_is_noticed() -> None:
    made = Crafted()
    pack = made.pack(data("one"), data("two"))
    content = made.target.load(pack.key)
    for length in range(len(content)):
        made.target.save(pack.key, content[:length])
        reading = read_pack(made.repository, pack.id, length, pack.blobs)
        assert not reading.good, length
        whole = {blob.id for blob in pack.blobs if blob.offset + blob.length <= length}
        assert {blob.id for blob in pack.blobs} - set(reading.damaged) == whole, length
