"""RFC 3339 times with nanoseconds, as Go writes and reads them. docs/FORMAT.md, "Trees".

An instant is an int: nanoseconds since 1970-01-01 UTC. Python's datetime knows microseconds only.
"""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from drorch.clock import local_offset_seconds

_PATTERN = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|z|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BILLION = 1_000_000_000
_FIRST_SECOND = int((datetime(1, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
_LAST_SECOND = int((datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds())


@lru_cache(maxsize=1024)
def parse(text: str) -> int:
    """The instant a timestamp names, in nanoseconds. Digits beyond the ninth are dropped; years are clamped to 1..9999.

    Raises `ValueError` where the text is not RFC 3339 with a zone.
    """
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not an RFC 3339 time")
    second, fraction, zone = match.groups()
    nanoseconds = int(fraction[:9].ljust(9, "0")) if fraction else 0
    return _parse_second(second, zone) * _BILLION + nanoseconds


@lru_cache(maxsize=8192)
def _parse_second(second: str, zone: str) -> int:
    if second.startswith("0000"):
        return _FIRST_SECOND
    parsed = datetime.fromisoformat(second.upper()).replace(tzinfo=UTC)
    offset = timedelta(0)
    if zone not in "Zz":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
        offset = -offset if zone[0] == "-" else offset
    # A zone may push a time over the edge of the calendar, where it could not be shown any more.
    return min(max((parsed - _EPOCH - offset) // timedelta(seconds=1), _FIRST_SECOND), _LAST_SECOND)


def format_local(instant: int) -> str:
    """An instant in the zone of this machine at that instant, as restic writes file times.

    Years outside 1 to 9999 are clamped; trailing zeros of the fraction are dropped.
    """
    seconds, nanoseconds = divmod(instant, _BILLION)
    head, zone = _format_second(seconds)
    if nanoseconds == 0:
        return head + zone
    return f"{head}.{nanoseconds:09}".rstrip("0") + zone


@lru_cache(maxsize=8192)
def _format_second(seconds: int) -> tuple[str, str]:
    seconds = min(max(seconds, _FIRST_SECOND), _LAST_SECOND)
    offset = local_offset_seconds(seconds)
    offset -= offset % 60
    if not _FIRST_SECOND <= seconds + offset <= _LAST_SECOND:
        offset = 0
    local = _EPOCH + timedelta(seconds=seconds + offset)
    return local.strftime("%Y").rjust(4, "0") + local.strftime("-%m-%dT%H:%M:%S"), _zone(offset)


def _zone(offset: int) -> str:
    if offset == 0:
        return "Z"
    hours, minutes = divmod(abs(offset) // 60, 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}:{minutes:02}"


def from_datetime(moment: datetime) -> int:
    """The instant of an aware datetime."""
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


def to_datetime(instant: int) -> datetime:
    """An instant as an aware datetime in UTC, cut to microseconds."""
    return _EPOCH + timedelta(microseconds=instant // 1000)
