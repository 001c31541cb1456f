"""Durations and exact sizes as they are written in a configuration."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.units import duration_text, parse_duration, parse_size, rough_span, size_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), (" 26 h ", 93600), ("2w", 1209600), ("1y", 31536000), ("1d 2h", 93600)],
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "4", "4x", "-4h", "1.5h", "h", "4 hours", "30m1h", "1M"])
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write for instance"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_what_is_written_is_read_back(number: int) -> None:
    assert parse_duration(duration_text(timedelta(seconds=number))) == timedelta(seconds=number)
    assert parse_size(size_text(number)) == number


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (93600, "26h"), (86400, "1d"), (5400, "90m"), (93661, "93661s")]
)
def test_durations_are_written_briefly(seconds: int, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 B"), (1500, "1500 B"), (10485760, "10 MiB"), (1024, "1 KiB")])
def test_sizes_are_written_exactly(count: int, text: str) -> None:
    assert size_text(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (47 * 3600, "47h"), (2e5, "2d")],
)
def test_rough_spans_are_rounded_down(seconds: float, text: str) -> None:
    assert rough_span(timedelta(seconds=seconds)) == text
