"""Spans of the week, of the day and of the calendar in which runs may begin, or may not."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """A span that comes again: on these days of the week (Monday is 0), from `start` until `end` on the clock.

    Where `end` is not later than `start`, it is the next day's; equal ones are a whole day. `first` and `last`, where
    they are given, are the days of the calendar between which it holds, both included. `text` is how it was written.
    """

    text: str
    days: frozenset[int] = frozenset(range(7))
    start: time = time(0)
    end: time = time(0)
    first: date | None = None
    last: date | None = None

    def holds(self, moment: datetime, zone: ZoneInfo) -> bool:
        """Whether an instant lies in it, as clocks in `zone` show it."""
        wall = moment.astimezone(zone)
        clock, today = wall.time(), wall.date()
        if self.start < self.end:
            return self._is_day(today) and self.start <= clock < self.end
        began_today = self._is_day(today) and clock >= self.start
        return began_today or (self._is_day(today - _DAY) and clock < self.end)

    def _is_day(self, day: date) -> bool:
        since, until = self.first or day, self.last or day
        return day.weekday() in self.days and since <= day <= until
