"""The only place that tells the time, so that tests can tell another."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations, and a way to wait."""

    def now(self) -> datetime:
        """The present instant, with a time zone (UTC)."""
        ...

    def monotonic(self) -> float:
        """Seconds since some fixed point; never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """The present instant in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed point."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        time.sleep(seconds)


def local_offset_seconds(epoch_seconds: int) -> int:
    """Offset of the machine's time zone from UTC at an instant, in seconds.

    restic writes file times in the zone of the backup host at that very instant (docs/FORMAT.md, "Trees").
    """
    try:
        return time.localtime(epoch_seconds).tm_gmtoff
    except (OverflowError, OSError, ValueError):
        return 0
