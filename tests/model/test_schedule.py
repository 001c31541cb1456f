"""Schedules beside an oracle that reads a clock minute by minute through a whole year, changes of clocks included."""

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.model.schedule import last_time, next_time, next_times, parse_schedule
from tests.model.oracle import FIXED, FLOWING, INTERVALS, START, YEAR, ZONES, due_minutes, instant

# Those that are due so often that the year is gone through in one direction only, and the first not in every zone.
DENSE = ("*/15 * * * *", "30 * * * *")


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_is_as_the_clock_on_the_wall_says(zone: str) -> None:
    place = ZoneInfo(zone)
    left_out = DENSE[:1] if zone in ("America/New_York", "Asia/Kathmandu") else ()
    for text in sorted({*FIXED, *FLOWING, *INTERVALS} - {*left_out}):
        minutes = due_minutes(text, zone)
        year = [instant(minute) for minute in minutes[: bisect_left(minutes, YEAR)]]
        schedule = parse_schedule(text)
        found = next_times(schedule, START - timedelta(seconds=1), place, len(year))
        assert [one.astimezone(UTC) for one in found] == year, text
        assert next_time(schedule, year[-1], place) > instant(YEAR - 1)
        if text not in DENSE:
            back = [instant(YEAR - 1)]
            for _ in year:
                back.append(last_time(schedule, back[-1] - timedelta(seconds=len(back) > 1), place).astimezone(UTC))
            assert back[:0:-1] == year, text


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*FIXED, *FLOWING]),
    st.one_of(
        st.integers(60 * 86400 * 1000, 364 * 86400 * 1000),
        st.integers(0, 4 * 86400 * 1000).map(lambda milliseconds: milliseconds + 86 * 86400 * 1000),
        st.integers(0, 86400 * 8 * 1000).map(lambda milliseconds: milliseconds + 297 * 86400 * 1000),
    ),
)
def test_from_any_instant_the_next_is_the_first_that_is_later_and_the_last_is_not(text: str, milliseconds: int) -> None:
    zone, asked = ZoneInfo(ZONES[0]), START + timedelta(milliseconds=milliseconds)
    minutes, schedule = due_minutes(text, ZONES[0]), parse_schedule(text)
    position = bisect_right(minutes, asked, key=instant)
    for named in (asked, asked.astimezone(zone), asked.astimezone(ZoneInfo("Asia/Tokyo"))):
        if position < len(minutes):
            assert next_time(schedule, named, zone).astimezone(UTC) == instant(minutes[position])
        if position > 0:
            assert last_time(schedule, named, zone).astimezone(UTC) == instant(minutes[position - 1])


@pytest.mark.parametrize("zone", ZONES[:2])
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


def test_a_midnight_that_is_skipped_is_no_hour_of_those_that_follow_the_clock() -> None:
    santiago = ZoneInfo("America/Santiago")
    evening = datetime(2026, 9, 5, 20, tzinfo=santiago)
    found = next_times(parse_schedule("0 */2 * * sun"), evening, santiago, 2)
    assert [one.isoformat() for one in found] == ["2026-09-06T02:00:00-03:00", "2026-09-06T04:00:00-03:00"]
    assert next_time(parse_schedule("@daily"), evening, santiago).isoformat() == "2026-09-06T01:00:00-03:00"


def test_nothing_is_lost_behind_a_change_of_half_an_hour() -> None:
    island = ZoneInfo("Australia/Lord_Howe")
    found = next_times(parse_schedule("15 */2 * * *"), datetime(2026, 4, 5, 1, tzinfo=island), island, 2)
    assert [one.isoformat() for one in found] == ["2026-04-05T02:15:00+10:30", "2026-04-05T04:15:00+10:30"]


@pytest.mark.parametrize("sunday", ["0", "7", "sun", "SUN"])
def test_numbers_of_weekdays_are_those_of_cron(sunday: str) -> None:
    days = {number: one for number, one in enumerate([sunday, *"123456"])}
    for number, written in days.items():
        found = next_time(parse_schedule(f"0 5 * * {written}"), START, ZoneInfo("Europe/Berlin"))
        assert found.isoweekday() % 7 == number


@pytest.mark.parametrize(
    ("text", "cron"),
    [
        ("@hourly", "0 * * * *"),
        ("@Daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
    ],
)
def test_short_names_are_those_of_cron(text: str, cron: str) -> None:
    assert parse_schedule(text).cron == cron


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
