"""zstd frames: round trips, and no frame takes more memory than it was granted."""

import contextlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from drorch.errors import IntegrityError
from drorch.repository.compression import Compression, Compressor, decompress
from drorch.units import GIB, MIB
from tests.repository.children import python_child

UNSIZED = zstandard.ZstdCompressor(write_content_size=False)


@given(st.binary(max_size=4000), st.sampled_from(list(Compression)))
def test_what_is_compressed_comes_back(plaintext: bytes, setting: Compression) -> None:
    frame = Compressor(setting).compress(plaintext)
    assert decompress(frame, len(plaintext)) == plaintext
    assert decompress(memoryview(frame), len(plaintext) + 1) == plaintext


@given(st.binary(max_size=4000))
def test_a_frame_without_its_size_comes_back(plaintext: bytes) -> None:
    assert decompress(UNSIZED.compress(plaintext), len(plaintext)) == plaintext


@given(st.binary(min_size=1, max_size=4000), st.booleans())
def test_a_frame_longer_than_the_limit_is_refused(plaintext: bytes, sized: bool) -> None:
    frame = Compressor().compress(plaintext) if sized else UNSIZED.compress(plaintext)
    with pytest.raises(IntegrityError):
        decompress(frame, len(plaintext) - 1)


@pytest.mark.parametrize("size", [0, 1, 13, MIB, 3 * MIB + 1])
def test_sizes_around_the_pieces_a_frame_is_read_in(size: int) -> None:
    plaintext = bytes(range(251)) * (size // 251) + bytes(size % 251)
    assert decompress(UNSIZED.compress(plaintext), size) == plaintext


@given(st.binary(max_size=300))
def test_noise_is_refused_or_bounded(noise: bytes) -> None:
    with contextlib.suppress(IntegrityError):
        assert len(decompress(noise, 1000)) <= 1000


@given(st.binary(min_size=200, max_size=400), st.integers(1, 20))
def test_a_truncated_frame_is_no_whole_plaintext(plaintext: bytes, missing: int) -> None:
    frame = Compressor().compress(plaintext)
    with pytest.raises(IntegrityError):
        decompress(frame[:-missing], len(plaintext))


def test_a_window_that_is_too_large_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=28, write_content_size=0)
    frame = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    content = frame.compress(b"x" * 1000) + frame.flush()
    with pytest.raises(IntegrityError):
        decompress(content, 1000)


def test_a_bomb_is_refused_within_little_memory() -> None:
    """Three gibibytes of zeros in about 300 KB, with and without a size that admits it."""
    report = python_child(
        f"""
        import io, resource, zstandard
        from drorch.errors import IntegrityError
        from drorch.repository.compression import UNPACKED_LIMIT, decompress
        piece = bytes(1 << 24)
        def bomb(sized):
            out = zstandard.ZstdCompressor(level=1).compressobj(size={3 * GIB} if sized else -1)
            return b"".join([out.compress(piece) for _ in range({3 * GIB} >> 24)] + [out.flush()])
        for frame, limit in ((bomb(True), UNPACKED_LIMIT), (bomb(False), 1 << 26)):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                decompress(frame, limit)
                print("accepted")
            except IntegrityError:
                print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
        """
    )
    sized, unsized = map(int, report.split())
    assert sized < 32
    assert unsized < 200


def test_a_claim_of_a_gibibyte_costs_nothing_where_there_is_little() -> None:
    """Clients that stream write no size: what such a frame may hold at most is not set aside for it."""
    report = python_child(
        """
        import resource, zstandard
        from drorch.repository.compression import UNPACKED_LIMIT, decompress
        frame = zstandard.ZstdCompressor(write_content_size=False).compress(b'{"packs":[]}')
        resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
        print(decompress(frame, UNPACKED_LIMIT).decode())
        """
    )
    assert report.strip() == '{"packs":[]}'
