"""When schedules are due, by brute force: the clock of a zone is read minute by minute, and cron's fields are sets.

Nothing here knows of `drorch.model.schedule`, nor of the library it asks. Minutes are counted from `START`, in UTC.
"""

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import compress
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
    """Times that clocks show."""

    def __init__(self) -> None:
        self.days = array("q")
        self.minutes = array("q")

    def append(self, wall: int) -> None:
        """Notes a time, as minutes since day 0 of the calendar."""
        self.days.append(wall // 1440)
        self.minutes.append(wall % 1440)


@dataclass(frozen=True)
class Walk:
    """What the clocks of a zone show: the day, by its number in the calendar, and the minute of the day.

    `shown` has it for every minute of the walk. `reached` has each time in the order in which clocks came to it or
    skipped it, and `reached_at` the minute of the walk at which they did: a time that comes twice is there once.
    """

    shown: Clock
    reached: Clock
    reached_at: "array[int]"


@lru_cache(maxsize=2)
def walk(zone: str) -> Walk:
    place, first = ZoneInfo(zone), int(START.timestamp())
    shown, reached, reached_at = Clock(), Clock(), array("q")
    furthest = -1
    for minute in range(END):
        clock = datetime.fromtimestamp(first + 60 * minute, place)
        wall = clock.toordinal() * 1440 + clock.hour * 60 + clock.minute
        shown.append(wall)
        if furthest < 0:
            furthest = wall - 1
        while furthest < wall:
            furthest += 1
            reached.append(furthest)
            reached_at.append(minute)
    return Walk(shown, reached, reached_at)


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

    def names(number: int) -> bool:
        day = date.fromordinal(number)
        by_date = day.day in days
        # A week of cron begins with Sunday: 0, and 7 as well.
        by_week = bool({day.isoweekday(), day.isoweekday() % 7} & weekdays)
        both = fields[2].startswith("*") or fields[4].startswith("*")
        return day.month in months and (by_date and by_week if both else by_date or by_week)

    return {60 * hour + minute for hour in hours for minute in minutes}, names


@lru_cache(maxsize=64)
def due_minutes(text: str, zone: str) -> list[int]:
    """The minutes of the walk at which a schedule is due, an interval by the grid from Monday 2000-01-03."""
    if text in INTERVALS:
        zero = minute_of(datetime(2000, 1, 3, tzinfo=ZoneInfo(zone)))
        return [minute for minute in range(END) if (minute - zero) % INTERVALS[text] == 0]
    cron = _ALIASES.get(text, text)
    of_day, names = _matcher(cron)
    known = walk(zone)
    flows = cron.split()[1].startswith("*")
    clock = known.shown if flows else known.reached
    minutes: Iterable[int] = range(END) if flows else known.reached_at
    days = {number for number in set(clock.days) if names(number)}
    timely = map([minute in of_day for minute in range(1440)].__getitem__, clock.minutes)
    found = [minute for minute, day in compress(zip(minutes, clock.days, strict=True), timely) if day in days]
    return list(dict.fromkeys(found))


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
