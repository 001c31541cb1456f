"""Human units, in both directions: bytes, durations, shares; and how many there are of a thing."""

import re
from datetime import timedelta

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?b)?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def counted(count: int, thing: str) -> str:
    """How many there are of a thing, for instance "1 error" or "2 errors"."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def parse_size(text: str) -> int:
    """Bytes meant by "10 MiB", "10M" or "10485760"; every unit is a power of 1024, as in restic.

    Raises `ValueError` on anything else.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f'"{text}" is not a size; write for instance 10 MiB')
    number, unit, _ = match.groups()
    return int(float(number) * 1024 ** _POWERS[unit.lower()])


def format_size(count: int) -> str:
    """Bytes as people read them, for instance "1.250 MiB", as in restic."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{count} B" if unit == "B" else f"{value:.3f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


_SPAN = re.compile("".join(rf"(?:(\d+)\s*{unit}\s*)?" for unit in "ywdhms"))
_SPAN_SECONDS = (("y", 365 * 86400), ("w", 7 * 86400), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def parse_duration(text: str) -> timedelta:
    """The span meant by "90s", "1h30m" or "2w": years of 365 days, weeks, days, hours, minutes, seconds.

    Raises `ValueError` on anything else.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise ValueError(f'"{text}" is not a duration; write for instance 4h or 1h30m')
    counts = (int(group or 0) for group in match.groups())
    try:
        return timedelta(seconds=sum(count * size for count, (_, size) in zip(counts, _SPAN_SECONDS, strict=True)))
    except OverflowError:
        raise ValueError(f'"{text}" is too long a duration') from None


def duration_text(span: timedelta) -> str:
    """A span of whole seconds as `parse_duration` reads it, in the largest unit that fits: "26h", "90m", "14d"."""
    seconds = int(span.total_seconds())
    unit, size = next(
        (unit, size) for unit, size in _SPAN_SECONDS[2:] if seconds % size == 0 and (seconds or size == 1)
    )
    return f"{seconds // size}{unit}"


def rough_span(span: timedelta) -> str:
    """A span as people say it, rounded down: "3d", "26h", "15m", "40s"; two of a unit are the least it is used for."""
    seconds = max(0, int(span.total_seconds()))
    unit, size = next((unit, size) for unit, size in _SPAN_SECONDS[2:] if seconds >= 2 * size or size == 1)
    return f"{seconds // size}{unit}"


def size_text(count: int) -> str:
    """Bytes as `parse_size` reads them, exactly: "10 MiB", "1500 B"."""
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count and count % size == 0:
            return f"{count // size} {unit}"
    return f"{count} B"


def rate_text(bytes_per_second: int) -> str:
    """Bytes a second, exactly: "2 MiB/s", "1500 B/s"."""
    return f"{size_text(bytes_per_second)}/s"


def format_duration(seconds: float) -> str:
    """Seconds as "4.2 s", "3:07" or "2:03:07"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
