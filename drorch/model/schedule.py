"""When a job is due: pure functions from an instant to the next.

Promise: a job that names its hours runs exactly once for each time it names, on the days when clocks change too. What
falls into the hour that is skipped runs when the clocks have been put forward; of the hour that comes twice, the first
counts. A job that runs every hour, or every so many, follows the hours as they pass.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

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
    if schedule.interval is not None:
        anchor = _ANCHOR.replace(tzinfo=zone).astimezone(UTC)
        elapsed = (after - anchor) // schedule.interval
        return (anchor + (elapsed + 1) * schedule.interval).astimezone(zone)
    assert schedule.cron is not None
    if schedule.cron.split()[1].startswith("*"):
        return next(CronSim(schedule.cron, after.astimezone(zone)))
    since = after.astimezone(UTC)
    return next(instant for instant in _fixed_hours(schedule.cron, since, zone) if instant > since).astimezone(zone)


def next_times(schedule: Schedule, after: datetime, zone: ZoneInfo, count: int) -> tuple[datetime, ...]:
    """The next `count` instants later than `after`."""
    return tuple(islice(_following(schedule, after, zone), count))


def _following(schedule: Schedule, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    while True:
        after = next_time(schedule, after, zone)
        yield after


def _fixed_hours(cron: str, since: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    # cronsim is asked on a clock without a zone: left to its own, it goes back within the hour that comes twice.
    for wall in CronSim(cron, since.astimezone(zone).replace(tzinfo=None)):
        yield _instant(wall, zone)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, at which clocks show a time or, where they skip it, the one they skip it at."""
    readings = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    for instant in readings:
        if instant.astimezone(zone).replace(tzinfo=None) == wall:
            return instant
    # PEP 495: of a skipped time, the two readings lie before and behind the moment at which clocks are changed.
    before, behind = (int(instant.timestamp()) for instant in readings)
    offset = readings[1].astimezone(zone).utcoffset()
    while behind - before > 1:
        middle = (before + behind) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == offset:
            behind = middle
        else:
            before = middle
    return datetime.fromtimestamp(behind, UTC)
