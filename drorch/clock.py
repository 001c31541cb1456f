"""The only place that tells the time, so that tests can tell another."""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

_GLANCE_SECONDS = 0.25


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

    def wait(self, seconds: float, ended: threading.Event) -> bool:
        """Wait for so many seconds, or until the event is set or the process is asked to stop; whether it was cut."""
        ...


class Interruption:
    """Whether this process was asked to stop: its system clocks' `wait` ends then, in every thread.

    A plain flag and no event, since a signal comes to the main thread whatever locks that holds.
    """

    def __init__(self) -> None:
        self.came = False
        self.wanted = False
        """Whether somebody wants it to end who knows what is being done: then that is no fault."""
        self.reason = ""
        """Why it was asked, in words; empty where nobody said."""


INTERRUPTION = Interruption()
"""Set by whoever receives the process's signals."""


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

    def wait(self, seconds: float, ended: threading.Event) -> bool:
        """Wait for so many seconds, or until the event is set or the process is asked to stop; whether it was cut."""
        deadline = time.monotonic() + seconds
        while not (INTERRUPTION.came or ended.is_set()):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            ended.wait(min(left, _GLANCE_SECONDS))
        return True


def local_offset_seconds(epoch_seconds: int) -> int:
    """Offset of the machine's time zone from UTC at an instant, in seconds.

    restic writes file times in the zone of the backup host at that very instant (docs/FORMAT.md, "Trees").
    """
    try:
        return time.localtime(epoch_seconds).tm_gmtoff
    except (OverflowError, OSError, ValueError):
        return 0
