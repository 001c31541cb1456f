"""Packs: headers and whole packs round trip, and one that does not add up is refused."""

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import IntegrityError
from drorch.ids import BlobId
from drorch.repository import pack as packs
from drorch.repository.pack import (
    BlobType,
    PackBuilder,
    PackedBlob,
    decode_header,
    encode_header,
    pack_size,
    split_pack,
)
from drorch.repository.repository import open_blob
from tests.repository.blobs import BOX, Plain, build, packed_blobs, plain_blobs


@given(st.lists(packed_blobs(), max_size=20))
def test_a_header_round_trips(blobs: list[PackedBlob]) -> None:
    header = encode_header(blobs)
    assert len(header) == sum(blob.header_entry_size for blob in blobs)
    offset = 0
    for before, after in zip(blobs, decode_header(header), strict=True):
        assert (after.id, after.type, after.length) == (before.id, before.type, before.length)
        assert (after.uncompressed_length, after.offset) == (before.uncompressed_length, offset)
        offset += before.length


def test_a_header_is_what_the_format_says() -> None:
    blob_id = BlobId(bytes(range(32)))
    header = encode_header(
        [
            PackedBlob(blob_id, BlobType.DATA, 0, 0x01020304, 0),
            PackedBlob(blob_id, BlobType.TREE, 0, 5, 0),
            PackedBlob(blob_id, BlobType.DATA, 0, 6, 0x0A0B0C0D),
            PackedBlob(blob_id, BlobType.TREE, 0, 7, 8),
        ]
    )
    assert header == b"".join(
        (
            b"\0\x04\x03\x02\x01" + blob_id,
            b"\1\5\0\0\0" + blob_id,
            b"\2\6\0\0\0\x0d\x0c\x0b\x0a" + blob_id,
            b"\3\7\0\0\0\x08\0\0\0" + blob_id,
        )
    )


@given(st.lists(plain_blobs(), min_size=1, max_size=8))
def test_a_whole_pack_round_trips(blobs: list[Plain]) -> None:
    pack, content = build(blobs)
    assert hashlib.sha256(content).digest() == pack.id
    assert len(content) == pack.size == pack_size(pack.blobs)
    found = split_pack(content, BOX)
    assert found == pack.blobs
    for blob, plain in zip(found, blobs, strict=True):
        sealed = memoryview(content)[blob.offset : blob.offset + blob.length]
        assert blob.type is plain.type
        assert blob.plaintext_length == len(plain.content)
        assert open_blob(BOX, blob, sealed) == plain.content


@given(st.lists(plain_blobs(), min_size=1, max_size=3), st.data())
def test_a_pack_cut_short_or_grown_is_refused(blobs: list[Plain], data: st.DataObject) -> None:
    _, content = build(blobs)
    with pytest.raises(IntegrityError):
        split_pack(content[: data.draw(st.integers(0, len(content) - 1))], BOX)
    with pytest.raises(IntegrityError):
        split_pack(content[1:], BOX)
    with pytest.raises(IntegrityError):
        split_pack(b"x" + content, BOX)


@given(st.binary(max_size=200))
def test_noise_is_no_pack(noise: bytes) -> None:
    with pytest.raises(IntegrityError):
        split_pack(noise, BOX)


@pytest.mark.parametrize("length", [0, 31, packs.MAX_HEADER_BYTES + 1, (1 << 32) - 1])
def test_an_impossible_header_length_is_refused(length: int) -> None:
    _, content = build([Plain(BlobType.DATA, b"content", False)])
    with pytest.raises(IntegrityError):
        split_pack(content[:-4] + struct.pack("<I", length), BOX)


@given(st.binary(max_size=200))
def test_a_header_of_noise_is_decoded_or_refused(noise: bytes) -> None:
    try:
        blobs = decode_header(noise)
    except IntegrityError:
        return
    assert len(blobs) <= len(noise) // 37 + 1


@pytest.mark.parametrize("kind", [4, 5, 255])
def test_an_unknown_blob_type_is_refused(kind: int) -> None:
    with pytest.raises(IntegrityError):
        decode_header(bytes([kind]) + bytes(40))


def test_a_pack_is_full_by_size_and_its_largest_header_is_one_that_readers_allow() -> None:
    builder = PackBuilder()
    piece = bytes(packs.PACK_TARGET_BYTES // 2 - 1)
    builder.add(BlobId(bytes(32)), BlobType.DATA, piece, 0)
    assert not builder.full
    builder.add(BlobId(bytes(32)), BlobType.DATA, piece, 0)
    assert not builder.full
    builder.add(BlobId(bytes(32)), BlobType.DATA, b"xx", 0)
    assert builder.full
    builder.discard()
    assert packs.MAX_BLOBS * 41 + 32 <= packs.MAX_HEADER_BYTES


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_a_pack_that_is_discarded_gives_its_descriptor_back() -> None:
    before = open_descriptors()
    builder = PackBuilder()
    assert open_descriptors() == before + 1
    builder.discard()
    assert open_descriptors() == before
