"""Schedules beside a clock that is read minute by minute through a whole year, changes of clocks included."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.model.schedule import next_time, next_times, parse_schedule

YEAR = 2026
START, END = datetime(YEAR, 1, 1, tzinfo=UTC), datetime(YEAR + 1, 1, 1, tzinfo=UTC)
ZONES = ("Europe/Berlin", "America/New_York")
Matches = Callable[[datetime], bool]

FIXED: dict[str, Matches] = {
    "30 2 * * *": lambda wall: (wall.hour, wall.minute) == (2, 30),
    "0 3 * * *": lambda wall: (wall.hour, wall.minute) == (3, 0),
    "@daily": lambda wall: (wall.hour, wall.minute) == (0, 0),
    "*/20 2 * * *": lambda wall: wall.hour == 2 and wall.minute % 20 == 0,
    "15,45 1-3 * * sun": lambda wall: wall.weekday() == 6 and wall.hour in (1, 2, 3) and wall.minute in (15, 45),
    "5 1 1 * *": lambda wall: (wall.day, wall.hour, wall.minute) == (1, 1, 5),
    "0 12 8 3,11 *": lambda wall: wall.month in (3, 11) and (wall.day, wall.hour, wall.minute) == (8, 12, 0),
}
FLOWING: dict[str, Matches] = {
    "30 * * * *": lambda wall: wall.minute == 30,
    "@hourly": lambda wall: wall.minute == 0,
    "10 */3 * * *": lambda wall: wall.hour % 3 == 0 and wall.minute == 10,
    "*/30 * 29 3 *": lambda wall: (wall.month, wall.day) == (3, 29) and wall.minute % 30 == 0,
}


@cache
def minutes(zone: str) -> list[tuple[datetime, datetime]]:
    """Every minute of the year: the instant, and what a clock on the wall shows."""
    place, count = ZoneInfo(zone), int((END - START) / timedelta(minutes=1))
    instants = [START + timedelta(minutes=number) for number in range(count)]
    return [(instant, instant.astimezone(place).replace(tzinfo=None)) for instant in instants]


@cache
def expected(text: str, zone: str) -> list[datetime]:
    """When a schedule is due. A fixed hour is: when the clock first shows or passes a time that is named."""
    year = minutes(zone)
    if text in FLOWING:
        return [instant for instant, wall in year if FLOWING[text](wall)]
    due = []
    furthest = year[0][1] - timedelta(minutes=1)
    for instant, wall in year:
        passed = int((wall - furthest) / timedelta(minutes=1))
        if any(FIXED[text](wall - timedelta(minutes=back)) for back in range(passed)):
            due.append(instant)
        furthest = max(furthest, wall)
    return due


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("text", [*FIXED, *FLOWING])
def test_a_year_is_as_the_clock_on_the_wall_says(text: str, zone: str) -> None:
    due = expected(text, zone)
    found = next_times(parse_schedule(text), START - timedelta(seconds=1), ZoneInfo(zone), len(due) + 1)
    assert [instant.astimezone(UTC) for instant in found[:-1]] == due
    assert found[-1] >= END


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*FIXED, *FLOWING]),
    st.sampled_from(ZONES),
    st.one_of(
        st.integers(0, 364 * 86400 - 40 * 86400),
        st.integers(0, 4 * 86400).map(lambda seconds: seconds + 86 * 86400),
        st.integers(0, 86400 * 8).map(lambda seconds: seconds + 297 * 86400),
    ),
)
def test_from_any_instant_the_next_is_the_first_that_is_later(text: str, zone: str, seconds: int) -> None:
    after = START + timedelta(seconds=seconds)
    due = expected(text, zone)
    position = bisect_right(due, after)
    if position < len(due):
        for asked in (after, after.astimezone(ZoneInfo(zone)), after.astimezone(ZoneInfo("Asia/Tokyo"))):
            assert next_time(parse_schedule(text), asked, ZoneInfo(zone)).astimezone(UTC) == due[position]


@pytest.mark.parametrize("zone", ZONES)
def test_a_fixed_hour_comes_once_a_day_on_all_days(zone: str) -> None:
    for hour in range(4):
        times = next_times(parse_schedule(f"30 {hour} * * *"), START - timedelta(days=1), ZoneInfo(zone), 370)
        days = [instant.date() for instant in times]
        assert all(later - earlier == timedelta(days=1) for earlier, later in pairwise(days))


def test_what_falls_into_the_skipped_hour_comes_when_clocks_go_forward_and_the_first_of_two_counts() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = parse_schedule("30 2 * * *")
    spring = next_time(schedule, datetime(2026, 3, 28, 12, tzinfo=berlin), berlin)
    autumn = next_times(schedule, datetime(2026, 10, 24, 12, tzinfo=berlin), berlin, 2)
    assert spring.isoformat() == "2026-03-29T03:00:00+02:00"
    assert [one.isoformat() for one in autumn] == ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]


def test_a_change_of_half_an_hour_is_a_change_too() -> None:
    island = ZoneInfo("Australia/Lord_Howe")
    found = next_time(parse_schedule("15 2 * * *"), datetime(2026, 10, 3, 12, tzinfo=island), island)
    assert found.isoformat() == "2026-10-04T02:30:00+11:00"


@pytest.mark.parametrize(
    ("text", "hours"), [("every 4h", 4), ("every 36h", 36), ("every 1w", 168), ("every  1h30m", 1.5)]
)
def test_intervals_are_even_and_do_not_depend_on_when_one_asks(text: str, hours: float) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    schedule = parse_schedule(text)
    times = next_times(schedule, datetime(2026, 3, 20, tzinfo=UTC), berlin, 40)
    assert {later.astimezone(UTC) - earlier.astimezone(UTC) for earlier, later in pairwise(times)} == {
        timedelta(hours=hours)
    }
    assert next_time(schedule, times[5] + timedelta(seconds=1), berlin) == times[6]
    assert next_time(schedule, times[5], berlin) == times[6]
    assert next_time(schedule, times[5] - timedelta(microseconds=1), berlin) == times[5]


def test_what_runs_every_week_runs_on_mondays_at_midnight() -> None:
    found = next_time(parse_schedule("every 7d"), datetime(2026, 1, 1, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert found.isoformat() == "2026-01-05T00:00:00+01:00"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a schedule"),
        ("60 * * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 0 * * * *", "is not a schedule"),
        ("0 0 30 2 *", "bad day-of-month"),
        ("@reboot", "is not a schedule"),
        ("every", "is not a schedule"),
        ("every day", "is not a duration"),
        ("every 30s", "the shortest interval is one minute"),
        ("every 20y", "the longest interval is a year"),
        ("every 99999999999999d", "is too long a duration"),
    ],
)
def test_what_is_no_schedule_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_schedule(text)
