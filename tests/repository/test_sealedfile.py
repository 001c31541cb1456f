"""Sealed files: both versions are read, and a damaged, foreign or explosive one is refused."""

import hashlib

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.errors import IntegrityError, ObjectMissing
from drorch.repository.layout import FileKind, key_of, stored_ids
from drorch.repository.sealedfile import SealedFiles, decode
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import StoredObject
from tests.doubles import CountingTarget, Effect, Fault, FaultyTarget
from tests.repository.blobs import BOX
from tests.repository.children import python_child

DOCUMENT = {"packs": [], "text": "ä<&>\u2028"}
TEXT = '{"packs":[],"text":"ä<&>\u2028"}'
FRAME = zstandard.ZstdCompressor().compress(TEXT.encode())
UNSIZED = zstandard.ZstdCompressor(write_content_size=False).compress(TEXT.encode())


@pytest.mark.parametrize("version", [1, 2])
def test_a_document_round_trips_under_the_hash_of_what_is_stored(version: int) -> None:
    target = MemoryTarget()
    files = SealedFiles(target, BOX, version)
    storage_id = files.save(FileKind.INDEX, TEXT)
    assert files.load(FileKind.INDEX, storage_id) == DOCUMENT
    stored = target.load(key_of(FileKind.INDEX, storage_id))
    assert hashlib.sha256(stored).digest() == storage_id
    assert BOX.open(stored)[:1] == (b"\x02" if version == 2 else b"{")
    files.remove(FileKind.INDEX, storage_id)
    files.remove(FileKind.INDEX, storage_id)
    assert files.load_if_there(FileKind.INDEX, storage_id) is None
    with pytest.raises(ObjectMissing):
        files.load(FileKind.INDEX, storage_id)


@pytest.mark.parametrize(
    "plaintext", [TEXT.encode(), b"\x02" + FRAME, b"\x02" + UNSIZED], ids=["plain", "sized", "unsized"]
)
def test_version_2_reads_plain_json_and_frames_with_and_without_a_size(plaintext: bytes) -> None:
    assert decode(plaintext, 2) == DOCUMENT


def test_version_1_reads_plain_json_only() -> None:
    assert decode(TEXT.encode(), 1) == DOCUMENT
    assert decode(b"[1]", 1) == [1]
    with pytest.raises(IntegrityError):
        decode(b"\x02" + FRAME, 1)


@pytest.mark.parametrize(
    "plaintext",
    [
        b"",
        b"\x02",
        b"\x00" + FRAME,
        b"\x01" + FRAME,
        b"\x03" + FRAME,
        FRAME,
        b' {"packs":[]}',
        b'"packs"',
        b"{",
        b"[1",
        b"\x02" + FRAME[:-1],
        b"\x02" + UNSIZED[:-2],
        b"\x02" + b"noise",
        b"\x02" + TEXT.encode(),
        b'{"a":1}{"b":2}',
        b"\x02" + zstandard.ZstdCompressor().compress(b""),
        b"\x02" + zstandard.ZstdCompressor().compress(b"no json"),
        b"[" * 200000 + b"]" * 200000,
        b'{"a":\xff}',
    ],
    ids=lambda plaintext: repr(plaintext[:12]),
)
def test_an_encoding_that_is_none_is_refused(plaintext: bytes) -> None:
    with pytest.raises(IntegrityError):
        decode(plaintext, 2)


@given(st.binary(max_size=100))
def test_noise_is_no_document_or_json(noise: bytes) -> None:
    try:
        decode(b"\x02" + noise, 2)
    except IntegrityError:
        return
    assert zstandard.frame_content_size(noise) is not None


@settings(max_examples=50)
@given(st.data())
def test_a_flipped_or_truncated_file_is_refused(data: st.DataObject) -> None:
    target = MemoryTarget()
    files = SealedFiles(target, BOX, 2)
    key = key_of(FileKind.SNAPSHOT, storage_id := files.save(FileKind.SNAPSHOT, TEXT))
    stored = bytearray(target.load(key))
    bit = data.draw(st.integers(0, len(stored) * 8 - 1))
    target.save(key, bytes(stored[: bit // 8]))
    with pytest.raises(IntegrityError, match="snapshot"):
        files.load(FileKind.SNAPSHOT, storage_id)
    stored[bit // 8] ^= 1 << bit % 8
    target.save(key, bytes(stored))
    with pytest.raises(IntegrityError, match="snapshot"):
        files.load(FileKind.SNAPSHOT, storage_id)


def test_a_file_whose_name_agrees_but_whose_box_does_not_is_refused() -> None:
    target = MemoryTarget()
    content = bytearray(BOX.seal(b"\x02" + FRAME))
    content[20] ^= 1
    storage_id = hashlib.sha256(content).digest()
    target.save(key_of(FileKind.INDEX, storage_id), bytes(content))
    with pytest.raises(IntegrityError, match="index"):
        SealedFiles(target, BOX, 2).load(FileKind.INDEX, storage_id)


def test_a_file_that_was_half_written_when_first_read_is_read_once_more() -> None:
    inner = MemoryTarget()
    storage_id = SealedFiles(inner, BOX, 2).save(FileKind.INDEX, TEXT)
    once = FaultyTarget(inner, [Fault("load", effect=Effect.CORRUPT)])
    assert SealedFiles(once, BOX, 2).load(FileKind.INDEX, storage_id) == DOCUMENT
    twice = FaultyTarget(inner, [Fault("load", effect=Effect.CORRUPT, times=2)])
    with pytest.raises(IntegrityError):
        SealedFiles(twice, BOX, 2).load(FileKind.INDEX, storage_id)


def test_names_that_are_no_ids_are_skipped() -> None:
    target = MemoryTarget()
    for name in ("README", "a" * 63, "a" * 65, "g" * 64, "A" * 64, "ab" * 32):
        target.save(f"index/{name}", b"x")
    assert [found for found, _ in stored_ids(target, FileKind.INDEX)] == [b"\xab" * 32]


def test_a_file_beyond_all_reason_is_not_loaded() -> None:
    class Boasting(MemoryTarget):
        """Says that everything is a gibibyte long."""

        def stat(self, key: str) -> StoredObject:
            return StoredObject(key, 1 << 30)

    target = CountingTarget(Boasting())
    files = SealedFiles(target, BOX, 2)
    storage_id = files.save(FileKind.INDEX, TEXT)
    with pytest.raises(IntegrityError, match="too large"):
        files.load(FileKind.INDEX, storage_id)
    assert target.keys("load") == []


def test_a_bomb_in_a_sealed_file_is_refused_within_little_memory() -> None:
    """One and a half gibibytes of zeros in 150 KB, once with a size that admits it and once without a size."""
    report = python_child(
        """
        import resource, zstandard
        from drorch.errors import IntegrityError
        from drorch.repository.sealedfile import decode
        def bomb(size):
            out = zstandard.ZstdCompressor(level=1).compressobj(size=size)
            return b"\\x02" + b"".join([out.compress(bytes(1 << 24)) for _ in range(96)] + [out.flush()])
        for size in (96 << 24, -1):
            plaintext = bomb(size)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                decode(plaintext, 2)
                print("accepted")
            except IntegrityError:
                print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
        """
    )
    sized, unsized = map(int, report.split())
    assert sized < 32
    assert unsized <= 1100, "the limit itself is a gibibyte"
