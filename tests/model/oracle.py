"""When schedules are due, by brute force: the clock of a zone is read minute by minute, and cron's fields are sets.

Nothing here knows of `drorch.model.schedule`, nor of the library it asks. Minutes are counted from `START`, in UTC.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

START = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = 365 * 1440
# So far the walk goes: a clock that is a year ahead in February shows it.
END = YEAR + 75 * 1440

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Santiago")
FIXED = (
    "30 2 * * *",
    "0 2,3 * * *",
    "*/20 2 * * *",
    "15,45 1-3 * * sun",
    "0 0 * * 0",
    "0 5 * * sun",
    "15 3 1 * *",
    "5 1-23/11 1 mar-apr,9-11 *",
    "0 6 13 * fri",
    "0 4 */2 * mon",
    "@daily",
)
FLOWING = ("*/15 * * * *", "30 * * * *", "0 */4 * * *", "0,15 */2 * * 6,7", "*/30 * 29 3 *")
INTERVALS = {"every 4h": 240, "every 7d": 7 * 1440, "every 90m": 90}

_ALIASES = {"@daily": "0 0 * * *"}
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = {name: number for number, name in enumerate(_WEEKDAYS)} | {
    name: number for number, name in enumerate(_MONTHS, 1)
}


def instant(minute: int) -> datetime:
    """The instant of a minute of the walk."""
    return START + timedelta(minutes=minute)


def minute_of(moment: datetime) -> int:
    """The minute of the walk in which a moment lies."""
    return (moment - START) // timedelta(minutes=1)


class Clock:
    """By the minute of a day: when clocks show it, as the minute of the walk and the day's number in the calendar."""

    def __init__(self) -> None:
        self._of_day: list[list[tuple[int, int]]] = [[] for _ in range(1440)]

    def note(self, minute: int, wall: int) -> None:
        """Clocks show a time, given in minutes since day 0 of the calendar, at a minute of the walk."""
        self._of_day[wall % 1440].append((minute, wall // 1440))

    def at(self, minutes: Iterable[int]) -> Iterator[tuple[int, int]]:
        """When clocks show these minutes of a day, and on which days."""
        return (found for minute in minutes for found in self._of_day[minute])


@dataclass(frozen=True)
class Walk:
    """What the clocks of a zone show.

    `shown` has it for every minute of the walk. `reached` has each time at the minute at which clocks first came to it
    or skipped it: a time that comes twice is there once.
    """

    shown: Clock
    reached: Clock


@lru_cache(maxsize=1)
def walk(zone: str) -> Walk:
    place, first = ZoneInfo(zone), int(START.timestamp())
    known = Walk(Clock(), Clock())
    furthest = -1
    for minute in range(END):
        clock = datetime.fromtimestamp(first + 60 * minute, place)
        wall = clock.toordinal() * 1440 + clock.hour * 60 + clock.minute
        known.shown.note(minute, wall)
        if furthest < 0:
            furthest = wall - 1
        while furthest < wall:
            furthest += 1
            known.reached.note(minute, furthest)
    return known


def _numbers(field: str, lowest: int, highest: int) -> set[int]:
    """The numbers a field of cron means."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        if first == "*":
            bounds = lowest, highest
        elif dash:
            bounds = _number(first), _number(last)
        else:
            bounds = _number(first), highest if step else _number(first)
        found.update(range(bounds[0], bounds[1] + 1, int(step or 1)))
    return found


def _number(text: str) -> int:
    return _NAMES[text] if text in _NAMES else int(text)


def _matcher(cron: str) -> tuple[set[int], Callable[[int], bool]]:
    """The minutes of a day that cron names, and whether it names a day, by its number in the calendar."""
    fields = cron.split()
    minutes, hours, days, months, weekdays = (
        _numbers(field, *bounds) for field, bounds in zip(fields, _RANGES, strict=True)
    )

    @cache
    def names(number: int) -> bool:
        day = date.fromordinal(number)
        by_date = day.day in days
        # A week of cron begins with Sunday: 0, and 7 as well.
        by_week = bool({day.isoweekday(), day.isoweekday() % 7} & weekdays)
        both = fields[2].startswith("*") or fields[4].startswith("*")
        return day.month in months and (by_date and by_week if both else by_date or by_week)

    return {60 * hour + minute for hour in hours for minute in minutes}, names


@lru_cache(maxsize=128)
def due_minutes(text: str, zone: str) -> list[int]:
    """The minutes of the walk at which a schedule is due, an interval by the grid from Monday 2000-01-03."""
    if text in INTERVALS:
        zero = minute_of(datetime(2000, 1, 3, tzinfo=ZoneInfo(zone)))
        return [minute for minute in range(END) if (minute - zero) % INTERVALS[text] == 0]
    cron = _ALIASES.get(text, text)
    of_day, names = _matcher(cron)
    clock = walk(zone).shown if cron.split()[1].startswith("*") else walk(zone).reached
    return sorted({minute for minute, day in clock.at(of_day) if names(day)})


@dataclass(frozen=True)
class Stretch:
    """A time during which the daemon was awake, as its clock on the wall had it: whole seconds since `START`.

    It looked first at `first`, and last at `last`.
    """

    first: int
    last: int


def launches(text: str, zone: str, history: Iterable[Stretch], served: int | None) -> list[tuple[int, int]]:
    """What is to be launched in a history: the minute it was due, and the second of its launch.

    `served` is a due time of before. At the first look of a stretch, only the newest of what was missed counts, and
    only if nothing newer, or it itself, was launched already. While the daemon is awake, whatever is due is launched,
    unless it was when the clock showed this time before.
    """
    step = INTERVALS.get(text)
    grid = due_minutes(text, zone)
    named = frozenset(grid)
    claimed = set() if served is None else {served}
    found: list[tuple[int, int]] = []

    def is_due(minute: int, anchor: int | None) -> bool:
        return minute in named if step is None or anchor is None else (minute - anchor) % step == 0

    for stretch in history:
        now = stretch.first // 60
        last = max((minute for minute in claimed if minute <= now), default=None)
        for minute in range(now, -1 if last is None else last, -1):
            if is_due(minute, last):
                claimed.add(minute)
                found.append((minute, stretch.first))
                last = minute
                break
        for minute in range(now + 1, stretch.last // 60 + 1):
            if minute in claimed:
                last = minute
            elif is_due(minute, last):
                claimed.add(minute)
                found.append((minute, 60 * minute))
                last = minute
    return found
