"""Whether what is due has begun: intervals by the last due time, jitter, windows, queues, pauses, jobs that follow."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from drorch.model.launch import Launch, Pause, Work, WorkKind
from drorch.model.names import job_name, target_name
from drorch.model.punctuality import LEEWAY, LONGEST_WAIT, Course, Expected, Punctuality, Timing, timing
from drorch.model.run import Trigger
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable, begins
from drorch.model.window import parse_window

BERLIN = ZoneInfo("Europe/Berlin")
DUE = datetime(2026, 3, 10, 1, 30, tzinfo=UTC)
"""02:30 in Berlin."""
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


def table(schedule: str = "30 2 * * *", jitter: timedelta = timedelta(0), allowed: str | None = None) -> Timetable:
    windows = () if allowed is None else (parse_window(allowed),)
    return Timetable("homes", parse_schedule(schedule), BERLIN, jitter, windows)


def expected(timetable: Timetable | None = None, since: datetime = DUE - 30 * DAY) -> Expected:
    return Expected(since, BERLIN, timetable or table())


def queued(due: datetime | None, asked: datetime) -> Launch:
    work = Work(WorkKind.JOB, "homes", "homes", (target_name("onsite"),))
    return Launch("ab" * 16, work, Trigger.SCHEDULE, asked, asked, due)


SERVED = Course(begun=DUE + timedelta(seconds=1), last_due=DUE, served=DUE)


def how(asked: Expected, course: Course, now: datetime) -> Punctuality:
    return timing(asked, course, now).punctuality


def test_an_interval_is_counted_from_the_last_due_time_and_a_run_by_hand_shifts_nothing() -> None:
    asked = expected(table("every 4h"))
    odd = DUE + timedelta(minutes=17)
    course = Course(begun=odd + HOUR, last_due=odd, served=odd)
    standing = timing(asked, course, odd + 2 * HOUR)
    assert standing.next_due == standing.next_begin == odd + 4 * HOUR
    assert how(asked, course, odd + 4 * HOUR + LEEWAY - timedelta(seconds=1)) is Punctuality.ON_TIME
    late = timing(asked, course, odd + 4 * HOUR + LEEWAY)
    assert late == Timing(
        Punctuality.LATE,
        "it was due 2026-03-10 06:47 CET, and last began 2026-03-10 03:47 CET",
        odd + 4 * HOUR + LEEWAY,
        odd + 8 * HOUR,
        odd + 8 * HOUR,
    )
    by_hand = replace(course, begun=odd + 9 * HOUR)
    assert how(asked, by_hand, odd + 11 * HOUR) is Punctuality.ON_TIME
    assert timing(asked, by_hand, odd + 13 * HOUR).since == odd + 12 * HOUR + LEEWAY


def test_what_was_due_while_nothing_ran_is_late_since_the_first_time() -> None:
    late = timing(expected(), SERVED, DUE + 3 * DAY)
    assert (late.punctuality, late.since) == (Punctuality.LATE, DUE + DAY + LEEWAY)
    assert late.next_due == DUE + 4 * DAY


def test_jitter_is_waited_for_to_the_second() -> None:
    timetable = table(jitter=2 * HOUR)
    begin = begins(timetable, DUE + DAY)
    assert begin is not None
    assert begin > DUE + DAY
    assert how(expected(timetable), SERVED, begin + LEEWAY - timedelta(seconds=1)) is Punctuality.ON_TIME
    assert how(expected(timetable), SERVED, begin + LEEWAY) is Punctuality.LATE
    standing = timing(expected(timetable), SERVED, DUE + HOUR)
    assert (standing.next_due, standing.next_begin) == (DUE + DAY, begin)


def test_a_window_is_waited_for() -> None:
    asked = expected(table("30 14 * * *", allowed="22:00-06:00"))
    due = DUE + 12 * HOUR
    course = Course(begun=due - DAY + 8 * HOUR, last_due=due - DAY, served=due - DAY)
    opens = datetime(2026, 3, 10, 21, tzinfo=UTC)
    assert how(asked, course, opens) is Punctuality.ON_TIME
    assert how(asked, course, opens + LEEWAY) is Punctuality.LATE


def test_windows_that_never_open_are_no_reason_to_be_calm() -> None:
    asked = expected(replace(table(), allowed=(parse_window("22:00-06:00"),), blackout=(parse_window("00:00-00:00"),)))
    standing = timing(asked, SERVED, DUE + 5 * DAY)
    assert standing.punctuality is Punctuality.UNKNOWN
    assert "none of its windows lets it begin" in standing.reason


def test_what_waits_for_its_turn_is_late_only_when_it_is_due_again_or_waits_for_a_day() -> None:
    due = DUE + DAY
    course = replace(SERVED, last_due=due, waiting=queued(due, due))
    waiting = timing(expected(), course, due + 20 * HOUR)
    assert waiting.punctuality is Punctuality.WAITING
    assert waiting.reason == "it was due 2026-03-11 02:30 CET, and waits for its turn"
    assert how(expected(), course, due + DAY + LEEWAY) is Punctuality.LATE
    weekly = expected(table("30 2 * * 3"))
    assert how(weekly, course, due + LONGEST_WAIT) is Punctuality.WAITING
    assert how(weekly, course, due + LONGEST_WAIT + LEEWAY) is Punctuality.LATE


def test_what_was_missed_and_waits_outside_its_window_is_late() -> None:
    asked = expected(table(allowed="02:00-04:00"))
    due, noon = DUE + DAY, DUE + DAY + 10 * HOUR
    course = replace(SERVED, last_due=due, waiting=queued(due, noon - HOUR))
    assert how(asked, course, noon) is Punctuality.LATE


def test_what_goes_on_still_when_it_is_due_again_is_late_after_a_day() -> None:
    course = replace(SERVED, under_way=SERVED.begun)
    going_on = timing(expected(), course, DUE + DAY + HOUR)
    assert going_on.punctuality is Punctuality.WAITING
    assert going_on.reason == "it was due 2026-03-11 02:30 CET, and what began 2026-03-10 02:30 CET goes on still"
    assert how(expected(), course, DUE + DAY + LONGEST_WAIT + LEEWAY) is Punctuality.LATE


def test_a_pause_excuses_from_what_is_due_meanwhile_and_not_from_what_was_late_before() -> None:
    due, now = DUE + DAY, DUE + 3 * DAY
    before = replace(SERVED, pause=Pause("homes", due - HOUR, "joe"))
    assert how(expected(), before, now) is Punctuality.ON_TIME
    assert how(expected(), replace(SERVED, pause=Pause("homes", due + HOUR, "joe")), now) is Punctuality.LATE


def test_a_job_that_follows_another_is_due_when_that_one_ends_well() -> None:
    asked = Expected(DUE - DAY, BERLIN, after=job_name("dump"))
    never = timing(asked, Course(), DUE)
    assert (never.punctuality, never.reason) == (Punctuality.UNKNOWN, "it never ran; it runs after dump")
    assert how(asked, Course(begun=DUE - HOUR), DUE) is Punctuality.ON_TIME
    ended = Course(begun=DUE - HOUR, followed=DUE)
    assert how(asked, ended, DUE + LEEWAY - timedelta(seconds=1)) is Punctuality.ON_TIME
    late = timing(asked, ended, DUE + LEEWAY)
    assert late.punctuality is Punctuality.LATE
    assert late.reason == "it was due when dump ended 2026-03-10 02:30 CET, and last began 2026-03-10 01:30 CET"
    assert how(asked, replace(ended, waiting=queued(DUE, DUE)), DUE + HOUR) is Punctuality.WAITING
    assert how(asked, replace(ended, begun=DUE + MINUTE, served=DUE), DUE + DAY) is Punctuality.ON_TIME
    assert how(asked, Course(followed=DUE - 2 * DAY), DUE) is Punctuality.UNKNOWN


@pytest.mark.parametrize("schedule", ["30 2 * * *", "every 1h", "*/5 * * * *"])
def test_a_clock_that_was_put_back_makes_nothing_late_and_nothing_sure(schedule: str) -> None:
    standing = timing(expected(table(schedule)), SERVED, DUE - 2 * DAY)
    assert standing.punctuality is Punctuality.UNKNOWN
    assert "still to come" in standing.reason


def test_by_hand_only_is_never_late() -> None:
    by_hand = Expected(DUE - DAY, BERLIN)
    assert how(by_hand, Course(), DUE) is Punctuality.UNKNOWN
    assert how(by_hand, Course(begun=DUE - 300 * DAY), DUE) is Punctuality.ON_TIME
