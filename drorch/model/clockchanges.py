"""When the clocks of a zone are changed, and at which instants they show a time.

Promise: every change that the zone's rules name is found, to the second. All instants are in UTC: within one zone,
Python compares and hashes times by what clocks show, which tells nothing in the hour that comes twice.
"""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)


def shown(instant: datetime, zone: ZoneInfo) -> datetime:
    """What clocks in `zone` show at an instant, without a time zone."""
    return instant.astimezone(zone).replace(tzinfo=None)


def first_change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    """The first instant later than `after`, at the latest `until`, from which clocks follow another offset from UTC."""
    return next((change for change in _changes_within(after, until, zone) if after < change <= until), None)


def last_change(after: datetime, until: datetime, zone: ZoneInfo) -> datetime | None:
    """The last such instant that is later than `after` and at the latest `until`."""
    return next((change for change in reversed(_changes_within(after, until, zone)) if after < change <= until), None)


def showings(wall: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """The instants, one after the other, at which clocks show a time: none where they skip it, two where it recurs."""
    readings = sorted({wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})
    return tuple(instant for instant in readings if shown(instant, zone) == wall)


def first_reached(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which clocks show a time or, where they skip it, the one at which they skip it."""
    for instant in showings(wall, zone):
        return instant
    # PEP 495: of a skipped time, the two readings lie before and behind the moment at which clocks are changed.
    before, behind = sorted(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    change = first_change(before, behind, zone)
    assert change is not None
    return change


def _changes_within(after: datetime, until: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """All changes of the years that a span touches, in order."""
    years = range(after.astimezone(UTC).year, until.astimezone(UTC).year + 1)
    return tuple(change for year in years for change in _changes(zone, year))


@lru_cache(maxsize=512)
def _changes(zone: ZoneInfo, year: int) -> tuple[datetime, ...]:
    """The changes in a year of UTC. No zone's rules change its clocks twice within a day."""
    start, end = datetime(year, 1, 1, tzinfo=UTC) - _SECOND, datetime(year + 1, 1, 1, tzinfo=UTC) - _SECOND
    found = []
    while start < end:
        behind = min(start + _DAY, end)
        if _offset(start, zone) != _offset(behind, zone):
            found.append(_change_between(start, behind, zone))
        start = behind
    return tuple(found)


def _change_between(before: datetime, behind: datetime, zone: ZoneInfo) -> datetime:
    """The first second of the offset that clocks follow at `behind`, and did not at `before`."""
    offset = _offset(behind, zone)
    while behind - before > _SECOND:
        middle = before + (behind - before) // (2 * _SECOND) * _SECOND
        if _offset(middle, zone) == offset:
            behind = middle
        else:
            before = middle
    return behind


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta | None:
    return instant.astimezone(zone).utcoffset()
