"""A year of sleep, restarts and clocks that jump, beside an oracle; and when launches begin."""

import time
from bisect import bisect_right, insort
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.model.schedule import parse_schedule
from drorch.model.timetable import HORIZON, Timetable, begins, due, next_due
from drorch.model.window import Window, parse_window
from tests.model.histories import DAY, HOUR, LOOK, MINUTE, history
from tests.model.oracle import START, ZONES, Stretch, instant, launches, minute_of

BERLIN = ZoneInfo("Europe/Berlin")
RARE = ("30 2 * * *", "0 0 * * 0", "0 5 * * sun", "15 3 1 * *", "0 */4 * * *", "0 2,3 * * *", "@daily", "every 7d")
FREQUENT = ("30 * * * *", "every 4h", "every 90m")
# A due time of before the year, off the grid: the interval was another one then.
SERVED = {"every 4h": 83, "every 7d": 1500}


def timetable(
    text: str, zone: ZoneInfo = BERLIN, *, name: str = "homes", jitter: timedelta = timedelta(0), windows: str = ""
) -> Timetable:
    """`windows` are what is allowed and, behind a bar, what is blacked out."""
    allowed, _, blackout = windows.partition("|")
    return Timetable(name, parse_schedule(text), zone, jitter, _windows(allowed), _windows(blackout))


def _windows(texts: str) -> tuple[Window, ...]:
    return tuple(parse_window(text) for text in texts.split(";") if text)


@dataclass
class Claims:
    """What a catalog keeps of launches: their due times, each once."""

    due: list[datetime] = field(default_factory=list)
    launched: list[tuple[int, int]] = field(default_factory=list)

    def claim(self, due_at: datetime, now: datetime) -> bool:
        position = bisect_right(self.due, due_at)
        if position and self.due[position - 1] == due_at:
            return False
        insort(self.due, due_at)
        self.launched.append((minute_of(due_at), int((now - START).total_seconds())))
        return True

    def last_due(self, now: datetime) -> datetime | None:
        position = bisect_right(self.due, now)
        return self.due[position - 1] if position else None


@dataclass
class Waking:
    """A daemon for as long as nobody disturbs it. What it knows of before, the claims tell it."""

    timetable: Timetable
    since: datetime
    claims: Claims

    def look(self, now: datetime) -> datetime:
        """Claims what is due. Answers when the next time comes, the newest claim given."""
        found = due(self.timetable, self.claims.last_due(now), self.since, now)
        if found is not None:
            assert found <= now
            assert self.claims.claim(found, now)
            assert due(self.timetable, self.claims.last_due(now), self.since, now) is None
        return next_due(self.timetable, self.claims.last_due(now), self.since)


def lived_through(daemon: Waking, stretch: Stretch) -> None:
    """Looks at the clock every half a minute at first, and then whenever the next time has come."""
    now, last = START + timedelta(seconds=stretch.first), START + timedelta(seconds=stretch.last)
    looks = 0
    while now <= last:
        coming = daemon.look(now)
        assert coming > now
        looks += 1
        now = min(coming, now + timedelta(seconds=LOOK)) if looks < 4 else coming


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_of_sleep_jumps_and_restarts_launches_what_the_oracle_does(zone: str) -> None:
    dense = ["*/15 * * * *"] if zone == "Australia/Lord_Howe" else []
    for number, text in enumerate((*RARE, *FREQUENT, *dense)):
        stretches = history(zone, seed=number)
        served = SERVED.get(text)
        claims = Claims([] if served is None else [instant(served)])
        for stretch in stretches:
            lived_through(Waking(timetable(text, ZoneInfo(zone)), START - timedelta(seconds=1), claims), stretch)
        expected = launches(text, zone, stretches, served)
        assert claims.launched == expected, (text, zone)
        assert len({minute for minute, _ in expected}) == len(expected) > 5


@pytest.mark.parametrize("zone", ZONES)
def test_the_year_holds_what_it_is_to_show(zone: str) -> None:
    """Sleep, jumps both ways by little and much, over changes of clocks: else the oracle is asked nothing."""
    for number in range(len(RARE) + len(FREQUENT)):
        stretches = history(zone, seed=number)
        gaps = [later.first - earlier.last for earlier, later in pairwise(stretches)]
        assert sum(stretch.last - stretch.first for stretch in stretches) > 200 * DAY
        assert any(2 * DAY < gap < 4 * DAY for gap in gaps)
        assert any(-2 * HOUR < gap < -MINUTE for gap in gaps)
        assert any(-6 * DAY < gap < -DAY for gap in gaps)
        assert any(gap > 364 * DAY for gap in gaps)
        assert any(gap < -360 * DAY for gap in gaps)


@pytest.mark.parametrize("text", ["* * * * *", "*/15 * * * *", "30 2 * * *", "* 2 * * *", "every 1m", "0 0 29 2 *"])
def test_three_years_of_sleep_cost_no_more_than_a_night(text: str) -> None:
    now = datetime(2026, 10, 25, 1, 17, 30, tzinfo=UTC)
    asked, since = timetable(text), now - timedelta(days=2000)
    found = due(asked, now - timedelta(days=1100), since, now)
    assert found is not None
    assert found <= now < next_due(asked, found, since)
    began = time.thread_time()
    for _ in range(100):
        due(asked, now - timedelta(days=1100), since, now)
    assert time.thread_time() - began < 1


def test_what_was_never_served_is_due_once_it_came_after_the_beginning() -> None:
    since = datetime(2026, 5, 4, 12, tzinfo=UTC)
    daily = timetable("30 2 * * *")
    assert due(daily, None, since, since + timedelta(hours=12)) is None
    assert due(daily, None, since, since + timedelta(hours=13)) == datetime(2026, 5, 5, 0, 30, tzinfo=UTC)
    assert due(daily, None, since, since + timedelta(days=9)) == datetime(2026, 5, 13, 0, 30, tzinfo=UTC)
    assert due(daily, None, since, since - timedelta(days=9)) is None


def test_intervals_are_counted_from_the_last_due_time() -> None:
    last = datetime(2026, 10, 24, 23, 17, tzinfo=UTC)
    often = timetable("every 4h")
    assert next_due(often, last, START) == last + timedelta(hours=4)
    assert due(often, last, START, last + timedelta(hours=4, seconds=-1)) is None
    assert due(often, last, START, last + timedelta(hours=4)) == last + timedelta(hours=4)
    assert due(often, last, START, last + timedelta(days=3, hours=1)) == last + timedelta(days=3)
    assert due(often, last, START, last - timedelta(hours=5)) is None
    assert next_due(often, None, last).astimezone(BERLIN).isoformat() == "2026-10-25T04:00:00+01:00"


def test_in_the_hour_that_comes_twice_due_times_are_two() -> None:
    quarterly = timetable("*/15 * * * *")
    last: datetime | None = datetime(2026, 10, 24, 23, 45, tzinfo=UTC).astimezone(BERLIN)
    found = []
    for number in range(12):
        now = datetime(2026, 10, 25, 0, tzinfo=UTC) + timedelta(minutes=15 * number)
        last = due(quarterly, last, START, now.astimezone(BERLIN))
        assert last == now
        found.append(last)
    assert len(set(found)) == 12


def spread(count: int, jitter: timedelta, name: str = "homes") -> list[timedelta]:
    dues = [START + timedelta(days=number) for number in range(count)]
    begun = [begins(timetable("@daily", name=name, jitter=jitter), one) for one in dues]
    return [one - day for one, day in zip(begun, dues, strict=True) if one is not None]


def test_jitter_is_spread_evenly_and_the_same_whoever_asks() -> None:
    delays = spread(2000, timedelta(minutes=10))
    assert delays == spread(2000, timedelta(minutes=10))
    assert min(delays) < timedelta(seconds=10)
    assert timedelta(seconds=590) < max(delays) < timedelta(minutes=10)
    for part in range(10):
        within = [one for one in delays if timedelta(minutes=part) <= one < timedelta(minutes=part + 1)]
        assert 140 < len(within) < 260
    assert all(one == timedelta(seconds=one.total_seconds() // 1) for one in delays)


def test_jitter_is_another_for_another_job_and_none_where_none_is_asked_for() -> None:
    assert spread(20, timedelta(hours=1), "homes") != spread(20, timedelta(hours=1), "orders")
    assert set(spread(20, timedelta(0))) == {timedelta(0)}
    night = datetime(2026, 7, 1, tzinfo=UTC)
    jittered = timetable("@daily", jitter=timedelta(hours=1))
    assert begins(jittered, night) == begins(jittered, night.astimezone(BERLIN))


@pytest.mark.parametrize(
    ("windows", "due_at", "begun"),
    [
        ("22:00-06:00", "2026-05-04T12:00:00+02:00", "2026-05-04T22:00:00+02:00"),
        ("22:00-06:00", "2026-05-04T05:59:59+02:00", "2026-05-04T05:59:59+02:00"),
        ("22:00-06:00;sat,sun", "2026-05-08T12:00:00+02:00", "2026-05-08T22:00:00+02:00"),
        ("22:00-06:00;sat,sun", "2026-05-09T12:00:00+02:00", "2026-05-09T12:00:00+02:00"),
        ("|mon-fri 08:00-18:00", "2026-05-08T08:00:00+02:00", "2026-05-08T18:00:00+02:00"),
        ("|2026-12-24/2026-12-27", "2026-12-24T00:00:00+01:00", "2026-12-28T00:00:00+01:00"),
        ("22:00-06:00|2026-12-24/2026-12-27", "2026-12-24T12:00:00+01:00", "2026-12-28T00:00:00+01:00"),
        ("2026-12-24", "2026-05-04T12:00:00+02:00", "2026-12-24T00:00:00+01:00"),
        # The hour from 02:00 is skipped: what may only begin then waits a day, what may not then waits until 03:00.
        ("02:00-03:00", "2026-03-29T01:30:00+01:00", "2026-03-30T02:00:00+02:00"),
        ("|01:30-02:30", "2026-03-29T01:30:00+01:00", "2026-03-29T03:00:00+02:00"),
        # It comes twice: each time, it is what clocks show.
        ("02:00-02:30", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"),
        ("02:15-02:30", "2026-10-25T02:30:00+02:00", "2026-10-25T02:15:00+01:00"),
        # On a Saturday's evening, the day after tomorrow is a day away.
        ("sat 23:45-23:50", "2026-03-28T23:30:00+01:00", "2026-03-28T23:45:00+01:00"),
        ("|02:30-03:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"),
        ("|02:00-03:00", "2026-10-25T02:00:00+02:00", "2026-10-25T03:00:00+01:00"),
    ],
)
def test_a_launch_begins_at_the_first_instant_that_its_windows_permit(windows: str, due_at: str, begun: str) -> None:
    found = begins(timetable("* * * * *", windows=windows), datetime.fromisoformat(due_at))
    assert found is not None
    assert found.astimezone(BERLIN).isoformat() == begun


def test_a_midnight_that_comes_twice_is_an_edge_both_times() -> None:
    """In 2010 St. John's put its clocks back when they showed 00:01, so that Sunday ended after a minute."""
    city = ZoneInfo("America/St_Johns")
    sundays = timetable("@daily", city, windows="sun")
    first, second = (datetime(2010, 11, 7, tzinfo=city, fold=fold).astimezone(UTC) for fold in (0, 1))
    assert second - first == timedelta(hours=1)
    assert begins(sundays, first - timedelta(hours=23, minutes=30)) == first
    assert begins(sundays, first + timedelta(minutes=1)) == second


CLOCKS = st.integers(0, 95).map(lambda quarter: f"{quarter // 4:02}:{quarter % 4 * 15:02}")
DAYS = st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1).map(",".join)
DATES = st.sampled_from(["", "2026-03-28/2026-04-05 ", "2026-09-04/2026-09-10 ", "2026-10-01/2026-10-26 "])
WINDOWS = st.builds("{}{} {}-{}".format, DATES, DAYS, CLOCKS, CLOCKS)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/Santiago", "America/Havana"]),
    st.sampled_from([date(2026, 3, 6), date(2026, 3, 27), date(2026, 4, 3), date(2026, 9, 4), date(2026, 10, 2)]),
    st.integers(0, 3 * 86400),
    st.lists(WINDOWS, max_size=2),
    st.lists(WINDOWS, max_size=2),
)
def test_no_minute_before_it_begins_is_permitted(
    zone: str, day: date, second: int, allowed: list[str], blackout: list[str]
) -> None:
    asked = timetable("* * * * *", ZoneInfo(zone), windows=f"{';'.join(allowed)}|{';'.join(blackout)}")
    earliest = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=second)
    found = begins(asked, earliest)
    minute, walked = earliest, 0
    while not asked.permits(minute) and walked < 3 * 1440:
        minute = minute.replace(second=0) + timedelta(minutes=1)
        walked += 1
    if asked.permits(minute):
        assert found == minute
    else:
        assert found is None or found > minute


def test_windows_that_let_nothing_begin_are_found_out() -> None:
    now = datetime(2026, 5, 4, tzinfo=UTC)
    for windows in ("|00:00-24:00", "sat,sun|fri-mon", "2026-05-01/2026-05-03"):
        assert begins(timetable("@daily", windows=windows), now) is None
    assert begins(timetable("@daily", windows="2026-05-01/2026-05-03"), now - timedelta(days=2)) is not None
    assert begins(timetable("@daily", windows="22:00-06:00|22:00-05:59"), now) == now + timedelta(hours=3, minutes=59)
    far = now + HORIZON - timedelta(days=1)
    assert begins(timetable("@daily", windows=f"|2026-01-01/{far.date()}"), now) is not None
    assert begins(timetable("@daily", windows=f"|2026-01-01/{far.date() + timedelta(days=2)}"), now) is None
