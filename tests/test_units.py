"""Human units, in both directions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.units import GIB, KIB, MIB, format_duration, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "count"),
    [
        *(("0", 0), ("10485760", 10 * MIB), ("10 MiB", 10 * MIB), ("10M", 10 * MIB), ("10mb", 10 * MIB)),
        *(
            ("1.5k", 1536),
            ("1 B", 1),
            (" 3GiB ", 3 * GIB),
            ("2T", 2048 * GIB),
            ("1P", 1024 * 1024 * GIB),
            ("7 kib", 7 * KIB),
        ),
    ],
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1,5M", "10 X", "1e3", "ten", "10MM", ".5M", "1 0", "10 M iB"])
def test_what_is_no_size_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        *((0, "0 B"), (1023, "1023 B"), (1024, "1.000 KiB"), (1280 * KIB, "1.250 MiB"), (5 * GIB, "5.000 GiB")),
        *((1 << 40, "1.000 TiB"), (1 << 52, "4096.000 TiB")),
    ],
)
def test_sizes_are_written_as_restic_writes_them(count: int, text: str) -> None:
    assert format_size(count) == text


@given(st.integers(0, 1 << 45))
def test_a_written_size_reads_back_nearly(count: int) -> None:
    assert abs(parse_size(format_size(count)) - count) <= count / 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (60, "1:00"),
        (187.9, "3:07"),
        (3600, "1:00:00"),
        (7387, "2:03:07"),
        (400_000, "111:06:40"),
    ],
)
def test_durations_are_written(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
