"""Windows beside a clock that is read minute by minute, and how they are written."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.model.window import Window, parse_window

WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALL = frozenset(range(7))
ZONES = ("Europe/Berlin", "America/Santiago", "Australia/Lord_Howe", "Asia/Kathmandu")
# Each span of days holds a change of clocks in one of the zones.
SPANS = (date(2026, 3, 28), date(2026, 4, 4), date(2026, 9, 5), date(2026, 10, 3), date(2026, 10, 24))
LENGTH = 3


@cache
def walked(zone: str, first: date) -> list[tuple[datetime, int]]:
    """Every minute of some days: the instant, and what clocks show, as minutes since day 0 of the calendar."""
    start, place = datetime(first.year, first.month, first.day, tzinfo=UTC), ZoneInfo(zone)
    instants = [start + timedelta(minutes=number) for number in range(LENGTH * 1440)]
    walls = [instant.astimezone(place) for instant in instants]
    shown = [wall.toordinal() * 1440 + wall.hour * 60 + wall.minute for wall in walls]
    return list(zip(instants, shown, strict=True))


def minutes_of(window: Window, first: date) -> set[int]:
    """All minutes that clocks may show within a window around some days, one by one."""
    found: set[int] = set()
    start, end = (clock.hour * 60 + clock.minute for clock in (window.start, window.end))
    for number in range(first.toordinal() - 3, first.toordinal() + LENGTH + 3):
        day = date.fromordinal(number)
        in_time = (window.first is None or window.first <= day) and (window.last is None or day <= window.last)
        if in_time and day.weekday() in window.days:
            length = end - start if end > start else end + 1440 - start
            found.update(number * 1440 + start + minute for minute in range(length))
    return found


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.sampled_from(SPANS),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.one_of(st.none(), st.integers(-2, 3)),
    st.one_of(st.none(), st.integers(0, 3)),
    st.tuples(st.times(), st.times()),
)
def test_a_window_holds_in_the_minutes_that_it_names(
    zone: str, span: date, days: frozenset[int], first: int | None, length: int | None, clocks: tuple[time, time]
) -> None:
    start, end = (clock.replace(second=0, microsecond=0) for clock in clocks)
    begins = None if first is None else span + timedelta(days=first)
    ends = None if length is None else (begins or span) + timedelta(days=length)
    window = Window("", days, start, end, begins, ends)
    named, place = minutes_of(window, span), ZoneInfo(zone)
    wrong = [
        instant
        for instant, shown in walked(zone, span)
        if window.holds(instant + timedelta(seconds=59, microseconds=999999), place) != (shown in named)
    ]
    assert wrong == []


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), st.sampled_from(SPANS), st.tuples(st.times(), st.times()))
def test_between_its_edges_a_window_holds_throughout_or_not_at_all(
    zone: str, span: date, clocks: tuple[time, time]
) -> None:
    start, end = (clock.replace(second=0, microsecond=0) for clock in clocks)
    window, place = Window("", frozenset({0, 5, 6}), start, end), ZoneInfo(zone)
    days = [span + timedelta(days=number) for number in range(-1, LENGTH + 2)]
    edges = {edge for day in days for edge in window.edges(day, place)}
    before = None
    for instant, _ in walked(zone, span):
        now = (window.holds(instant, place), instant.astimezone(place).utcoffset())
        if before is not None and now[0] != before[0]:
            assert instant in edges or now[1] != before[1]
        before = now


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("22:00-06:00", (ALL, time(22), time(6), None, None)),
        (" 22:00 - 6:00 ", (ALL, time(22), time(6), None, None)),
        ("mon-fri 08:00-18:00", (frozenset(range(5)), time(8), time(18), None, None)),
        ("sat,sun", (frozenset({5, 6}), time(0), time(0), None, None)),
        ("Sat, SUN 12:30-24:00", (frozenset({5, 6}), time(12, 30), time(0), None, None)),
        ("fri-mon,wed", (frozenset({4, 5, 6, 0, 2}), time(0), time(0), None, None)),
        ("mon-sun", (ALL, time(0), time(0), None, None)),
        ("sun-sun", (frozenset({6}), time(0), time(0), None, None)),
        ("2026-12-24", (ALL, time(0), time(0), date(2026, 12, 24), date(2026, 12, 24))),
        ("2026-12-24/2026-12-27", (ALL, time(0), time(0), date(2026, 12, 24), date(2026, 12, 27))),
        ("2026-12-24/2026-12-27 00:00-24:00", (ALL, time(0), time(0), date(2026, 12, 24), date(2026, 12, 27))),
        (
            "2026-12-01/2026-12-31 sat 1:00-2:00",
            (frozenset({5}), time(1), time(2), date(2026, 12, 1), date(2026, 12, 31)),
        ),
    ],
)
def test_windows_are_written_as_dates_days_and_times(
    text: str, window: tuple[frozenset[int], time, time, date | None, date | None]
) -> None:
    found = parse_window(text)
    assert found == Window(text.strip(), *window)
    assert str(found) == text.strip()


@given(st.frozensets(st.sampled_from(WEEK), min_size=1), st.times(), st.times(), st.dates(), st.dates())
def test_what_is_written_is_what_is_meant(days: frozenset[str], start: time, end: time, one: date, other: date) -> None:
    first, last = min(one, other), max(one, other) + timedelta(days=0)
    start, end = start.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    clocks = f"{start:%H:%M}-{end:%H:%M}"
    assert parse_window(clocks) == Window(clocks, ALL, start, end)
    named = f"{','.join(days)} {clocks}"
    assert parse_window(named) == Window(named, frozenset(WEEK.index(day) for day in days), start, end)
    dated = f"{first.isoformat()}/{last.isoformat()} {clocks}"
    assert parse_window(dated) == Window(dated, ALL, start, end, first, last)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is not a window; write"),
        ("  ", "is not a window; write"),
        ("always", '"always" is not one of mon, tue'),
        ("monday", '"monday" is not one of mon, tue'),
        ("mon-", "is not a window; write"),
        ("mon-wed-fri", '"mon-wed-fri" is not a span of days'),
        ("mon 22:00", "is not a window; write"),
        ("22:00", "is not a window; write"),
        ("22:00-06:00 mon", "is not a window; write"),
        ("22-06", "is not a window; write"),
        ("25:00-06:00", '"25:00" is not a time of day'),
        ("22:00-06:60", '"06:60" is not a time of day'),
        ("24:00-06:00", '"24:00" is not a time of day'),
        ("2026-02-30", "names a date that does not exist"),
        ("2026-12-24/2026-13-01", "names a date that does not exist"),
        ("2026-12-27/2026-12-24", "ends before it begins"),
        ("2026-12-24/2026-12-27 mon-wed", "never comes"),
        ("24.12.2026", "is not a window; write"),
        ("２２:00-06:00", "is not a window; write"),  # noqa: RUF001 - digits, but none that people type
    ],
)
def test_what_is_no_window_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_window(text)
