"""Which snapshots of a job are kept, as the operator says it."""

from dataclasses import astuple, dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Retention:
    """A snapshot is kept where any of these rules keeps it.

    The counts keep the newest snapshot of so many hours, days, ISO weeks, months or years that have one; `last` the
    newest so many. The spans keep what lies within them before the newest snapshot: all of it, or the newest of each
    hour, day, week, month or year. Zero and None are rules that keep nothing.
    """

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: timedelta | None = None
    within_hourly: timedelta | None = None
    within_daily: timedelta | None = None
    within_weekly: timedelta | None = None
    within_monthly: timedelta | None = None
    within_yearly: timedelta | None = None

    def __post_init__(self) -> None:
        counts = (self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly)
        if any(count < 0 for count in counts):
            raise ValueError("a retention cannot keep fewer than no snapshots")

    @property
    def keeps_something(self) -> bool:
        """Whether any rule keeps any snapshot at all."""
        return any(astuple(self))
