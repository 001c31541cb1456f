"""Spans of the week, of the day and of the calendar in which runs may begin, or may not.

Promise: a window is what clocks show. In an hour that comes twice it holds twice, and of an hour that is skipped it
holds nothing.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from drorch.model.clockchanges import showings, shown

WINDOW_RULE = 'write for instance "22:00-06:00", "mon-fri 08:00-18:00", "sat,sun" or "2026-12-24/2026-12-27"'
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EVERY_DAY = frozenset(range(7))
_DAY = timedelta(days=1)
_WINDOW = re.compile(
    r"(?:(?P<dates>\d{4}-\d\d-\d\d(?:/\d{4}-\d\d-\d\d)?)(?:\s+|$))?"
    r"(?:(?P<days>[a-z]+(?:[,-][a-z]+)*)(?:\s+|$))?"
    r"(?P<times>\d\d?:\d\d-\d\d?:\d\d)?",
    re.ASCII,
)
_LOOSE = re.compile(r"\s*([,/-])\s*")


@dataclass(frozen=True, slots=True)
class Window:
    """A span that comes again: on these days of the week (Monday is 0), from `start` until `end` on the clock.

    Where `end` is not later than `start`, it is the next day's; equal ones are a whole day. `first` and `last`, where
    they are given, are the days of the calendar between which it begins, both included. `text` is how it was written.
    """

    text: str
    days: frozenset[int] = _EVERY_DAY
    start: time = time(0)
    end: time = time(0)
    first: date | None = None
    last: date | None = None

    def __str__(self) -> str:
        return self.text

    def holds(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether an instant lies in it, as clocks in `zone` show it."""
        wall = shown(moment, zone)
        clock, today = wall.time(), wall.date()
        if self.start < self.end:
            return self._is_day(today) and self.start <= clock < self.end
        began_today = self._is_day(today) and clock >= self.start
        return began_today or (self._is_day(today - _DAY) and clock < self.end)

    def edges(self, day: date, zone: ZoneInfo) -> Iterator[datetime]:
        """The instants of a day at which clocks show its start or its end, in UTC.

        Between these, and the instants at which clocks are changed, it holds throughout or not at all.
        """
        for clock in {self.start, self.end}:
            yield from showings(datetime.combine(day, clock), zone)

    def _is_day(self, day: date) -> bool:
        since, until = self.first or day, self.last or day
        return day.weekday() in self.days and since <= day <= until


def parse_window(text: str) -> Window:
    """The window that is written as dates, days of the week and times, in this order; each may be left out.

    Dates are a day or two with a slash between, both included; a day of the week that comes before the one it begins
    with is next week's ("fri-mon"), and so with times ("22:00-06:00"). Raises `ValueError` with what is wrong.
    """
    said = _LOOSE.sub(r"\1", text.strip().lower())
    match = _WINDOW.fullmatch(said)
    if match is None or not said:
        raise ValueError(f'"{text}" is not a window; {WINDOW_RULE}')
    dates, days, times = match["dates"], match["days"], match["times"]
    first, last = _dates(text, dates) if dates else (None, None)
    start, end = _times(text, times) if times else (time(0), time(0))
    window = Window(text.strip(), _days(text, days) if days else _EVERY_DAY, start, end, first, last)
    if first and last and (last - first).days < len(_WEEKDAYS) and not window.days & set(_weekdays(first, last)):
        raise ValueError(f'"{text}" never comes: its dates have none of its days of the week')
    return window


def _weekdays(first: date, last: date) -> Iterator[int]:
    return ((first + number * _DAY).weekday() for number in range((last - first).days + 1))


def _dates(text: str, dates: str) -> tuple[date, date]:
    try:
        first, *rest = (date.fromisoformat(one) for one in dates.split("/"))
    except ValueError:
        raise ValueError(f'"{text}" names a date that does not exist') from None
    last = rest[0] if rest else first
    if last < first:
        raise ValueError(f'"{text}" ends before it begins; write the earlier date first')
    return first, last


def _days(text: str, days: str) -> frozenset[int]:
    found: set[int] = set()
    for part in days.split(","):
        ends = [_weekday(text, name) for name in part.split("-")]
        if len(ends) > 2:
            raise ValueError(f'"{text}" is not a window: "{part}" is not a span of days; {WINDOW_RULE}')
        found.update((ends[0] + number) % 7 for number in range((ends[-1] - ends[0]) % 7 + 1))
    return frozenset(found)


def _weekday(text: str, name: str) -> int:
    if name not in _WEEKDAYS:
        raise ValueError(f'"{text}" is not a window: "{name}" is not one of {", ".join(_WEEKDAYS)}')
    return _WEEKDAYS.index(name)


def _times(text: str, times: str) -> tuple[time, time]:
    start, end = times.split("-")
    return _time(text, start), time(0) if end == "24:00" else _time(text, end)


def _time(text: str, clock: str) -> time:
    hour, minute = map(int, clock.split(":"))
    if hour > 23 or minute > 59:
        raise ValueError(f'"{text}" is not a window: "{clock}" is not a time of day')
    return time(hour, minute)
