"""Values of the daemon as tests need them, with what does not matter filled in."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from drorch.model.conduct import Conduct
from drorch.model.launch import Launch, Work, WorkKind
from drorch.model.names import JobName, TargetName
from drorch.model.run import Trigger
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable
from drorch.orchestrator.daemon.roster import Bounds, Entry, Roster

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
_NUMBERS = itertools.count(1)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def job(name: str, *targets: str, line: str = "") -> Work:
    return Work(WorkKind.JOB, name, line or name, tuple(map(TargetName, targets or ("here",))))


def check(target: str) -> Work:
    return Work(WorkKind.CHECK, target, f"check@{target}", (TargetName(target),))


def entry(work: Work, schedule: str = "", conduct: Conduct | None = None, after: str = "") -> Entry:
    timetable = Timetable(work.line, parse_schedule(schedule), ZoneInfo("UTC")) if schedule else None
    return Entry(work, conduct or Conduct(), timetable, JobName(after) if after else None)


def roster(*entries: Entry, overall: int = 2, **by_target: int) -> Roster:
    limits = {TargetName(name): limit for name, limit in by_target.items()}
    return Roster(entries, Bounds(overall, limits), NOON - timedelta(days=1), "digest")


def launch(work: Work, due: datetime | None = NOON, **other: object) -> Launch:
    """A launch by schedule, or by hand where nothing is due."""
    trigger = Trigger.HAND if due is None else Trigger.SCHEDULE
    made = Launch(f"{next(_NUMBERS):032x}", work, trigger, NOON, NOON, due)
    return replace(made, **other)  # type: ignore[arg-type]
