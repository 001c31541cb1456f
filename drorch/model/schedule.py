"""When a job is due: pure functions from an instant to the next.

Promise: a job that names its hours runs exactly once for each time it names, on the days when clocks change too. What
falls into the hour that is skipped runs when the clocks have been put forward; of the hour that comes twice, the first
counts. A job whose field of hours begins with a star runs whenever clocks show a time it names, be it never or twice,
and an interval follows time as it passes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from drorch.model.clockchanges import first_change, first_reached, last_change, shown
from drorch.units import parse_duration

SCHEDULE_RULE = 'write cron, for instance "30 2 * * *", or "every 4h", or "@daily"'
_ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_EVERY = re.compile(r"every\s+(\S.*)")
_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=366)
# A Monday: what runs "every 7d" runs on Mondays.
_ANCHOR = datetime(2000, 1, 3)  # noqa: DTZ001 - midnight of whichever zone schedules are read in
_CRON_FIELDS = 5
_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due. `text` is how it was written; it is either `cron` or an `interval`."""

    text: str
    cron: str | None = None
    interval: timedelta | None = None

    def __str__(self) -> str:
        return self.text


def parse_schedule(text: str) -> Schedule:
    """The schedule that is written as cron (five fields, or @daily and its like) or as "every 4h".

    Raises `ValueError` with what is wrong and what to write.
    """
    said = text.strip()
    every = _EVERY.fullmatch(said)
    if every is not None:
        interval = parse_duration(every[1])
        if interval < _SHORTEST:
            raise ValueError(f'"{text}" is too often: the shortest interval is one minute')
        if interval > _LONGEST:
            raise ValueError(f'"{text}" is too rare: the longest interval is a year')
        return Schedule(said, interval=interval)
    cron = _ALIASES.get(said.lower(), said)
    if len(cron.split()) != _CRON_FIELDS:
        raise ValueError(f'"{text}" is not a schedule; {SCHEDULE_RULE}')
    try:
        next(CronSim(cron, _ANCHOR))
    except CronSimError as fault:
        raise ValueError(f'"{text}" is not a schedule: {str(fault).lower()}; {SCHEDULE_RULE}') from None
    except StopIteration:
        raise ValueError(f'"{text}" is a day that never comes') from None
    return Schedule(said, cron=cron)


def next_time(schedule: Schedule, after: datetime, zone: ZoneInfo) -> datetime:
    """The first instant later than `after` at which the schedule is due, in `zone`.

    `after` has a time zone. Intervals are counted, as time passes, from midnight of Monday 2000-01-03 in `zone`.
    """
    since = after.astimezone(UTC)
    if schedule.interval is not None:
        anchor = _anchor(zone)
        return (anchor + ((since - anchor) // schedule.interval + 1) * schedule.interval).astimezone(zone)
    cron = _cron(schedule)
    found = _flowing_from(cron, _whole(since) + _SECOND, zone) if _flows(cron) else _fixed_after(cron, since, zone)
    return found.astimezone(zone)


def last_time(schedule: Schedule, until: datetime, zone: ZoneInfo) -> datetime:
    """The last instant, at the latest `until`, at which the schedule was due, in `zone`: `next_time` the other way."""
    latest = until.astimezone(UTC)
    if schedule.interval is not None:
        anchor = _anchor(zone)
        return (anchor + (latest - anchor) // schedule.interval * schedule.interval).astimezone(zone)
    cron = _cron(schedule)
    found = _flowing_until(cron, _whole(latest), zone) if _flows(cron) else _fixed_until(cron, latest, zone)
    return found.astimezone(zone)


def next_times(schedule: Schedule, after: datetime, zone: ZoneInfo, count: int) -> tuple[datetime, ...]:
    """The next `count` instants later than `after`."""
    return tuple(islice(_following(schedule, after, zone), count))


def _following(schedule: Schedule, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    while True:
        after = next_time(schedule, after, zone)
        yield after


def _anchor(zone: ZoneInfo) -> datetime:
    return _ANCHOR.replace(tzinfo=zone).astimezone(UTC)


def _whole(instant: datetime) -> datetime:
    return instant.replace(microsecond=0)


def _cron(schedule: Schedule) -> str:
    """The five fields of a schedule that is no interval."""
    assert schedule.cron is not None
    return schedule.cron


def _flows(cron: str) -> bool:
    """Whether it follows the hours as they pass: its field of hours begins with a star."""
    return cron.split()[1].startswith("*")


# cronsim is asked on a clock without a zone: left to its own, it goes back within an hour that comes twice, loses times
# after a change of half an hour, and names a midnight that is skipped.


def _flowing_from(cron: str, earliest: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, at the earliest this one, at which clocks show a time that is named."""
    while True:
        wall = shown(earliest, zone)
        instant = earliest + (next(CronSim(cron, wall - _SECOND)) - wall)
        change = first_change(earliest, instant, zone)
        if change is None:
            return instant
        earliest = change


def _flowing_until(cron: str, latest: datetime, zone: ZoneInfo) -> datetime:
    """The last instant, at the latest this one, at which clocks showed a time that is named."""
    while True:
        wall = shown(latest, zone)
        instant = latest - (wall - next(CronSim(cron, wall + _SECOND, reverse=True)))
        change = last_change(instant, latest, zone)
        if change is None:
            return instant
        latest = change - _SECOND


def _fixed_after(cron: str, since: datetime, zone: ZoneInfo) -> datetime:
    """The first instant later than this one at which clocks first reach a time that is named."""
    reached = (first_reached(wall, zone) for wall in CronSim(cron, shown(since, zone)))
    return next(instant for instant in reached if instant > since)


def _fixed_until(cron: str, latest: datetime, zone: ZoneInfo) -> datetime:
    """The last instant, at the latest this one, at which clocks first reached a time that is named."""
    # Clocks that were put back had shown more than they show now: a day ago they were ahead by as much.
    furthest = max(shown(latest, zone), shown(latest - _DAY, zone) + _DAY)
    reached = (first_reached(wall, zone) for wall in CronSim(cron, _whole(furthest) + _SECOND, reverse=True))
    return next(instant for instant in reached if instant <= latest)
