"""How fast a target may be talked to, by the time of day: values and one pure function."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, tzinfo


@dataclass(frozen=True, slots=True)
class Limit:
    """Most bytes a second to (`upload`) and from (`download`) a target between two times of day; None: says nothing.

    `start` is included and `end` is not; a window whose end comes before its start goes on past midnight. Without
    both it holds at any time. Raises `ValueError` where it can never hold, or holds everything up.
    """

    start: time | None = None
    end: time | None = None
    upload: int | None = None
    download: int | None = None

    def __post_init__(self) -> None:
        if (self.start is None) != (self.end is None):
            raise ValueError("a window needs both its start and its end")
        if self.start is not None and self.start == self.end:
            raise ValueError("a window ends when it starts")
        if any(rate is not None and rate <= 0 for rate in (self.upload, self.download)):
            raise ValueError("a limit of nothing a second would hold everything up for ever")

    def holds_at(self, moment: time) -> bool:
        """Whether a time of day lies in its window."""
        if self.start is None or self.end is None:
            return True
        if self.start < self.end:
            return self.start <= moment < self.end
        return moment >= self.start or moment < self.end


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one target in the order in which they are written, and the zone their times are read in."""

    windows: tuple[Limit, ...]
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class Rate:
    """Most bytes a second at one moment; None: as fast as it goes."""

    upload: int | None
    download: int | None


def rate_at(limits: Limits, moment: datetime) -> Rate:
    """What holds at a moment (with any zone).

    For each direction that is the first limit that names it and holds then. So "by night 50, else 2" is written in
    that order, and "else" needs no window of its own. Where clocks are changed, what they show counts.
    """
    shown = moment.astimezone(limits.zone).time()
    holding = [limit for limit in limits.windows if limit.holds_at(shown)]
    return Rate(_first([limit.upload for limit in holding]), _first([limit.download for limit in holding]))


def _first(rates: Sequence[int | None]) -> int | None:
    return next((rate for rate in rates if rate is not None), None)
