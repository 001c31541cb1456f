"""What is due is claimed once, whatever becomes of the process and its clock."""

from dataclasses import replace
from datetime import datetime, timedelta

from drorch.model.launch import Launch, WorkKind
from drorch.model.window import parse_window
from drorch.orchestrator.daemon.agenda import Agenda, is_late, launched_after
from tests.orchestrator.daemon.making import NOON, entry, job, launch, minutes, roster


class Claims:
    """Launches as a catalog keeps them."""

    def __init__(self) -> None:
        self.claimed: dict[tuple[str, datetime | None, int], Launch] = {}
        self.asked = 0

    def last_due(self, kind: WorkKind, line: str, now: datetime) -> datetime | None:
        self.asked += 1
        return max(
            (due for name, due, _ in self.claimed if kind is WorkKind.JOB and name == line and due and due <= now),
            default=None,
        )

    def claim(self, one: Launch) -> bool:
        return self.claimed.setdefault((one.work.line, one.due, one.attempt), one) is one


HOURLY = roster(entry(job("homes"), "0 * * * *"))


def test_what_is_due_is_launched_once() -> None:
    claims = Claims()
    agenda = Agenda(HOURLY, claims)
    assert [one.due for one in agenda.look(NOON + minutes(1))] == [NOON]
    assert agenda.look(NOON + minutes(2)) == []
    assert Agenda(HOURLY, claims).look(NOON + minutes(3)) == []
    assert agenda.next_look == NOON + minutes(60)
    assert [one.due for one in agenda.look(NOON + minutes(60))] == [NOON + minutes(60)]


def test_a_look_at_which_nothing_is_due_asks_nobody() -> None:
    claims = Claims()
    agenda = Agenda(HOURLY, claims)
    agenda.look(NOON)
    asked = claims.asked
    for minute in range(1, 60):
        assert agenda.look(NOON + minutes(minute)) == []
    assert claims.asked == asked


def test_days_that_were_slept_through_are_made_up_for_once() -> None:
    claims = Claims()
    agenda = Agenda(HOURLY, claims)
    agenda.look(NOON)
    woken = NOON + timedelta(days=3, minutes=20)
    (made_up,) = agenda.look(woken)
    assert made_up.due == NOON + timedelta(days=3)
    assert is_late(made_up)
    assert agenda.look(woken + minutes(1)) == []


def test_a_clock_that_was_a_year_ahead_keeps_nothing_from_being_launched() -> None:
    claims = Claims()
    agenda = Agenda(HOURLY, claims)
    agenda.look(NOON)
    assert len(agenda.look(NOON + timedelta(days=365))) == 1
    assert agenda.look(NOON + minutes(30)) == []
    assert [one.due for one in agenda.look(NOON + minutes(60))] == [NOON + minutes(60)]


def test_a_clock_that_was_put_back_launches_nothing_twice() -> None:
    claims = Claims()
    agenda = Agenda(HOURLY, claims)
    agenda.look(NOON)
    assert len(agenda.look(NOON + minutes(60))) == 1
    assert agenda.look(NOON + minutes(30)) == []
    assert agenda.look(NOON + minutes(61)) == []
    assert len(agenda.look(NOON + minutes(120))) == 1


def test_what_waits_for_its_window_is_launched_once_and_for_the_newest_time() -> None:
    claims = Claims()
    nightly = entry(job("homes"), "0 * * * *")
    assert nightly.timetable is not None
    timetable = replace(nightly.timetable, allowed=(parse_window("22:00-06:00"),))
    agenda = Agenda(roster(replace(nightly, timetable=timetable)), claims)
    for hour in range(10):
        assert agenda.look(NOON + minutes(60 * hour)) == []
    assert agenda.next_look == NOON + minutes(600)
    (one,) = agenda.look(NOON + minutes(600))
    assert (one.due, is_late(one)) == (NOON + minutes(600), False)
    assert len(claims.claimed) == 1


def test_a_time_that_was_slept_through_waits_for_the_next_window() -> None:
    daily = entry(job("homes"), "0 5 * * *")
    assert daily.timetable is not None
    timetable = replace(daily.timetable, allowed=(parse_window("04:00-06:00"),))
    agenda = Agenda(roster(replace(daily, timetable=timetable)), Claims())
    assert agenda.look(NOON) == []
    assert agenda.next_look == NOON + minutes(16 * 60)
    (made_up,) = agenda.look(NOON + minutes(16 * 60))
    assert is_late(made_up)


def test_jitter_longer_than_the_interval_starves_nobody() -> None:
    claims = Claims()
    often = entry(job("homes"), "every 5m")
    assert often.timetable is not None
    agenda = Agenda(roster(replace(often, timetable=replace(often.timetable, jitter=minutes(20)))), claims)
    launched = [one for second in range(0, 7200, 10) for one in agenda.look(NOON + minutes(second / 60))]
    assert len(launched) >= 6
    assert all(one.due is not None and one.begins - one.due < minutes(20) for one in launched)


def test_what_another_process_claimed_is_left_to_it() -> None:
    claims = Claims()
    first, second = Agenda(HOURLY, claims), Agenda(HOURLY, claims)
    assert len(first.look(NOON)) + len(second.look(NOON)) == 1


def test_a_job_that_follows_another_is_due_when_that_has_ended() -> None:
    ended = launch(job("dump"), ended=NOON + minutes(7))
    follower = launched_after(entry(job("homes"), after="dump"), ended, NOON + minutes(8))
    assert (follower.due, follower.work.name) == (NOON + minutes(7), "homes")
