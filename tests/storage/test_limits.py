"""Which limit holds when: windows, midnight, zones, order."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from drorch.storage.limits import Limit, Limits, Rate, rate_at

BERLIN = ZoneInfo("Europe/Berlin")


def at(limits: list[Limit], moment: datetime) -> Rate:
    return rate_at(Limits(tuple(limits), BERLIN), moment)


def clock_shows(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 1, 2, hour, minute, tzinfo=BERLIN)


def test_without_limits_nothing_is_limited() -> None:
    assert at([], clock_shows(12)) == Rate(None, None)


def test_a_limit_without_a_window_always_holds() -> None:
    assert {at([Limit(upload=7)], clock_shows(hour)) for hour in range(24)} == {Rate(7, None)}


@pytest.mark.parametrize(
    ("hour", "minute", "holds"),
    [(7, 59, False), (8, 0, True), (12, 0, True), (17, 59, True), (18, 0, False), (0, 0, False)],
)
def test_a_window_has_its_start_and_not_its_end(hour: int, minute: int, holds: bool) -> None:
    limit = Limit(time(8), time(18), upload=7)
    assert at([limit], clock_shows(hour, minute)) == Rate(7 if holds else None, None)


@pytest.mark.parametrize(
    ("hour", "minute", "holds"),
    [(21, 59, False), (22, 0, True), (23, 59, True), (0, 0, True), (5, 59, True), (6, 0, False), (12, 0, False)],
)
def test_a_window_may_go_on_past_midnight(hour: int, minute: int, holds: bool) -> None:
    limit = Limit(time(22), time(6), download=9)
    assert at([limit], clock_shows(hour, minute)) == Rate(None, 9 if holds else None)


def test_a_window_may_end_at_midnight() -> None:
    limit = Limit(time(22), time(0), upload=1)
    assert at([limit], clock_shows(23)).upload == 1
    assert at([limit], clock_shows(0)).upload is None


def test_times_are_read_in_the_zone_of_the_limits() -> None:
    limit = Limit(time(8), time(18), upload=7)
    assert at([limit], datetime(2026, 1, 2, 7, 30, tzinfo=UTC)).upload == 7
    assert at([limit], datetime(2026, 1, 2, 17, 30, tzinfo=UTC)).upload is None
    assert at([limit], datetime(2026, 7, 2, 6, 30, tzinfo=UTC)).upload == 7


def test_the_first_that_holds_counts_for_each_direction() -> None:
    limits = [
        Limit(time(22), time(6), upload=50),
        Limit(time(8), time(18), upload=2, download=3),
        Limit(upload=10, download=20),
    ]
    assert at(limits, clock_shows(23)) == Rate(50, 20)
    assert at(limits, clock_shows(12)) == Rate(2, 3)
    assert at(limits, clock_shows(7)) == Rate(10, 20)


@pytest.mark.parametrize(
    ("start", "end", "rate"),
    [(time(8), None, 1), (None, time(8), 1), (time(8), time(8), 1), (None, None, 0), (None, None, -1)],
)
def test_limits_that_make_no_sense(start: time | None, end: time | None, rate: int) -> None:
    with pytest.raises(ValueError, match=r"window|limit"):
        Limit(start, end, upload=rate)
    with pytest.raises(ValueError, match=r"window|limit"):
        Limit(start, end, download=rate)
