"""Chunk boundaries are held still: a library that moves one would end deduplication with all that is stored."""

import hashlib
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.repository.chunker import MAX_BYTES, MIN_BYTES, Chunker, seed_of
from drorch.units import KIB, MIB

POLYNOMIAL = 0x3DA3358B4DC173
OTHER_POLYNOMIAL = 0x2B3D4E9A1C6F57


def noise(label: str, size: int) -> bytes:
    """Bytes that look random and are the same for ever."""
    pieces = (hashlib.shake_256(f"{label} {at}".encode()).digest(MIB) for at in range(-(-size // MIB)))
    return b"".join(pieces)[:size]


NOISE = noise("golden", 64 * MIB)


class ShortReads:
    """Gives at most so many bytes at once, as pipes do."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content = io.BytesIO(content)
        self._most = most

    def readinto(self, buffer: memoryview) -> int:
        return self._content.readinto(buffer[: self._most])


def lengths(content: bytes, polynomial: int = POLYNOMIAL) -> list[int]:
    return [len(chunk) for chunk in Chunker(polynomial).chunks(io.BytesIO(content))]


GOLDEN = [
    2112707, 1114589, 1171400, 1058095, 670447, 878114, 1053844, 1022333, 1539499, 751087, 1481893, 808007,
    1728467, 1629018, 1570730, 767633, 1159196, 1172654, 1686311, 1490846, 1860074, 3053089, 740861, 3036894,
    1450640, 1123262, 1074063, 875229, 1172242, 1277576, 1199558, 1103288, 1066041, 1176300, 1946915, 1987673,
    1398408, 1484770, 2356280, 1155603, 1628781, 676109, 1822305, 1429571, 1215979, 1099623, 2291543, 1214221,
    325096,
]  # fmt: skip
GOLDEN_OTHER = [
    1051047, 1596417, 1571302, 738128, 1531844, 734443, 1109065, 1336935, 1586276, 1061893, 1225435, 1400789,
    1177585, 1808686, 2960939, 2232938, 960738, 1081364,
]  # fmt: skip
TEXT_GOLDEN = [
    1156172, 1574752, 2320586, 1087967, 1094678, 562799, 1352503, 19429,
]  # fmt: skip


def test_boundaries_in_noise_do_not_move() -> None:
    assert lengths(NOISE) == GOLDEN


def test_boundaries_under_another_polynomial_do_not_move() -> None:
    assert lengths(NOISE[: 24 * MIB], OTHER_POLYNOMIAL) == GOLDEN_OTHER


def test_boundaries_in_text_do_not_move() -> None:
    text = b"".join(b"line %d of a log, %x\n" % (number, number * 2654435761 % (1 << 32)) for number in range(300_000))
    assert lengths(text) == TEXT_GOLDEN


def test_seeds_do_not_move() -> None:
    assert seed_of(POLYNOMIAL) == 5039343547441864976
    assert seed_of(OTHER_POLYNOMIAL) == 5113869476534570905
    assert seed_of((1 << 54) - 1) < 1 << 63


def test_two_polynomials_cut_differently() -> None:
    assert GOLDEN[:10] != GOLDEN_OTHER[:10]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, []),
        (1, [1]),
        (MIN_BYTES - 1, [MIN_BYTES - 1]),
        (MIN_BYTES, [MIN_BYTES]),
        (MAX_BYTES, [MAX_BYTES]),
        (MAX_BYTES + 1, [MAX_BYTES, 1]),
        (2 * MAX_BYTES + MIN_BYTES, [MAX_BYTES, MAX_BYTES, MIN_BYTES]),
    ],
)
def test_zeros_are_cut_at_the_largest_size(size: int, expected: list[int]) -> None:
    assert lengths(bytes(size)) == expected


EDGES = [0, 1, KIB, MIN_BYTES - 1, MIN_BYTES, MIN_BYTES + 1, MIB, 2 * MIB + 1, MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1]


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(EDGES),
    st.integers(0, 3),
    st.integers(0, 8 * MIB),
    st.sampled_from([4 * KIB, 100_003, 8 * MIB]),
)
def test_chunks_joined_are_the_input(size: int, more: int, start: int, most: int) -> None:
    content = NOISE[start : start + size + more]
    chunks = [bytes(chunk) for chunk in Chunker(POLYNOMIAL).chunks(ShortReads(content, most))]
    assert b"".join(chunks) == content
    assert all(MIN_BYTES <= len(chunk) <= MAX_BYTES for chunk in chunks[:-1])
    assert [len(chunk) for chunk in chunks] == lengths(content)


def test_an_insertion_moves_boundaries_only_near_it() -> None:
    before = set(map(bytes, Chunker(POLYNOMIAL).chunks(io.BytesIO(NOISE[: 32 * MIB]))))
    changed = NOISE[: 10 * MIB] + b"inserted" + NOISE[10 * MIB : 32 * MIB]
    after = {bytes(chunk) for chunk in Chunker(POLYNOMIAL).chunks(io.BytesIO(changed))}
    assert len(after - before) <= 4


def test_noise_is_cut_into_chunks_of_about_the_documented_mean() -> None:
    assert 1.1 * MIB < len(NOISE) / len(GOLDEN) < 1.8 * MIB


def test_a_reader_that_fails_is_heard() -> None:
    class Failing:
        def readinto(self, buffer: memoryview) -> int:
            raise OSError(5, f"input/output error before {len(buffer)} bytes")

    with pytest.raises(OSError, match="input/output"):
        list(Chunker(POLYNOMIAL).chunks(Failing()))
