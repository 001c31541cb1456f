"""How old the newest snapshot gets where all goes well: the longest wait, and how long a run takes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from drorch.model.exposure import Shortfall, longest_wait, shortfall, usual_duration
from drorch.model.run import Run, RunKind
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable
from drorch.model.window import parse_window
from drorch.units import parse_duration

BERLIN = ZoneInfo("Europe/Berlin")
TUESDAY = datetime(2026, 6, 2, 12, tzinfo=UTC)
"""Clocks are not changed in the weeks that follow."""


def timetable(schedule: str, *allowed: str, blackout: str = "", jitter: str = "0s") -> Timetable:
    return Timetable(
        "homes",
        parse_schedule(schedule),
        BERLIN,
        parse_duration(jitter),
        tuple(map(parse_window, allowed)),
        (parse_window(blackout),) if blackout else (),
    )


@pytest.mark.parametrize(
    ("table", "wait"),
    [
        (timetable("30 2 * * *"), "24h"),
        (timetable("30 2 * * *", jitter="10m"), "24h10m"),
        (timetable("every 4h"), "4h"),
        (timetable("0 3 * * mon-fri"), "3d"),
        (timetable("0 3 * * 6"), "7d"),
        (timetable("0 0 1 * *"), "31d"),
        (timetable("@yearly"), "365d"),
        (timetable("*/15 8-17 * * 1-5"), "62h15m"),
        # The last of a night begins at 5, the next that may at 22.
        (timetable("every 1h", "22:00-06:00"), "17h"),
        (timetable("every 1h", "22:00-06:00", jitter="30m"), "17h"),
        # What is due on Monday begins at the first hour of Saturday.
        (timetable("0 12 * * *", "sat-sun"), "5d12h"),
        (timetable("30 2 * * *", blackout="mon 00:00-06:00"), "27h30m"),
        # At the turn of a day off, what was due is made up for at its end.
        (timetable("0 3 * * *", blackout="2026-06-20/2026-06-22"), "93h"),
        (timetable("0 3 * * *", blackout="2026-09-20/2026-09-22"), "24h"),
    ],
)
def test_the_longest_wait_is_from_one_beginning_to_the_next(table: Timetable, wait: str) -> None:
    assert longest_wait(table, TUESDAY) == parse_duration(wait)


def test_a_clock_change_makes_a_wait_longer() -> None:
    assert longest_wait(timetable("0 4 * * *"), datetime(2026, 10, 20, tzinfo=UTC)) == timedelta(hours=25)


def test_windows_that_end_leave_no_wait() -> None:
    over = timetable("30 2 * * *", "2026-06-01/2026-06-10")
    assert longest_wait(over, TUESDAY) is None
    assert shortfall(timedelta(days=365), over, None, TUESDAY) == Shortfall(timedelta(days=365), None, None)


@pytest.mark.parametrize(
    ("rpo", "usual", "kept"),
    [("24h", None, True), ("23h59m", None, False), ("26h", "2h", True), ("26h", "2h1s", False), ("26h", "0s", True)],
)
def test_an_rpo_is_kept_where_the_wait_and_the_run_fit_in(rpo: str, usual: str | None, kept: bool) -> None:
    takes = None if usual is None else parse_duration(usual)
    found = shortfall(parse_duration(rpo), timetable("30 2 * * *"), takes, TUESDAY)
    assert found == (None if kept else Shortfall(parse_duration(rpo), timedelta(hours=24), takes))


def test_what_usually_happens_is_the_median() -> None:
    def took(minutes: float | None) -> Run:
        ended = None if minutes is None else TUESDAY + timedelta(minutes=minutes)
        return Run("ab" * 16, "homes", RunKind.BACKUP, "web1", TUESDAY, "onsite", ended)

    assert usual_duration([took(minutes) for minutes in (3, None, 600, 5)]) == timedelta(minutes=5)
    assert usual_duration([took(3), took(4)]) == timedelta(minutes=3.5)
    assert usual_duration([took(None)]) is None
