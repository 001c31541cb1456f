"""The agenda through a year of sleep, restarts and clocks that are set, beside the oracle of schedules."""

from bisect import bisect_right, insort
from datetime import datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from drorch.model.conduct import Conduct
from drorch.model.launch import Launch, WorkKind
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable
from drorch.orchestrator.daemon.agenda import Agenda
from drorch.orchestrator.daemon.roster import Bounds, Entry, Roster
from tests.model.histories import LOOK, history
from tests.model.oracle import START, Stretch, launches, minute_of
from tests.orchestrator.daemon.making import job


class Kept:
    """Due times as the catalog keeps them: each once."""

    def __init__(self) -> None:
        self._due: list[datetime] = []

    def last_due(self, kind: WorkKind, line: str, now: datetime) -> datetime | None:
        assert (kind, line) == (WorkKind.JOB, "homes")
        position = bisect_right(self._due, now)
        return self._due[position - 1] if position else None

    def claim(self, launch: Launch) -> bool:
        assert launch.due is not None
        if launch.due in self._due[-1:] or launch.due in self._due:
            return False
        insort(self._due, launch.due)
        return True


def looked(agenda: Agenda, stretch: Stretch) -> list[tuple[int, int]]:
    """What an agenda launches: the minute it was due, and the second of its launch."""
    now, last = START + timedelta(seconds=stretch.first), START + timedelta(seconds=stretch.last)
    found, looks = [], 0
    while now <= last:
        second = int((now - START).total_seconds())
        found += [(minute_of(launch.due), second) for launch in agenda.look(now) if launch.due]
        coming = agenda.next_look
        assert coming is not None
        assert coming > now
        looks += 1
        now = min(coming, now + timedelta(seconds=LOOK)) if looks < 4 else coming
    return found


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("text", ["30 2 * * *", "0 */4 * * *", "every 4h", "0 0 * * 0"])
def test_a_year_of_an_agenda_is_what_the_oracle_says(text: str, zone: str) -> None:
    timetable = Timetable("homes", parse_schedule(text), ZoneInfo(zone))
    roster = Roster((Entry(job("homes"), Conduct(), timetable),), Bounds(2), START - timedelta(seconds=1), "")
    kept, restarts = Kept(), Random(text + zone)  # noqa: S311 - restarts to be told again
    agenda, found, stretches = Agenda(roster, kept), [], history(zone, seed=100)
    for stretch in stretches:
        if restarts.random() < 0.4:
            agenda = Agenda(roster, kept)
        found += looked(agenda, stretch)
    assert found == launches(text, zone, stretches, None)
