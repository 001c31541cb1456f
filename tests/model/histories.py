"""Years of machines that sleep, are restarted and have their clocks set: what clocks showed while daemons looked."""

from collections.abc import Iterator
from datetime import datetime
from random import Random
from zoneinfo import ZoneInfo

from drorch.model.clockchanges import first_change
from tests.model.oracle import START, YEAR, Stretch, instant, minute_of

MINUTE, HOUR, DAY = 60, 3600, 86400
# A daemon looks at its clock at least so often.
LOOK = 30


def history(zone: str, seed: int) -> list[Stretch]:
    """A year of a machine: what its clock on the wall showed while its daemon looked at it.

    It sleeps three days, is restarted, its clock is put forth and back by minutes, an hour, days, and once to the next
    year and back. Around the changes of clocks all of this happens more often.
    """
    random = Random(seed)  # noqa: S311 - a history to be told again
    changes = [minute_of(change) * MINUTE for change in _changes(ZoneInfo(zone))]
    found, now = [], float(DAY)
    ahead = {random.randrange(5, 9)}
    while now < YEAR * MINUTE:
        near = any(abs(now - change) < DAY for change in changes)
        calm = random.expovariate(1 / (2 * HOUR if near else 4 * DAY))
        coming = min((change - DAY / 2 for change in changes if change - DAY / 2 > now), default=float(YEAR * MINUTE))
        first = int(now) + random.randrange(LOOK)
        last = max(first, int(min(now + calm, coming)))
        found.append(Stretch(first, last))
        if len(found) in ahead:
            found.append(Stretch(last + 365 * DAY, last + 365 * DAY + random.randrange(3 * DAY)))
            now = last + random.randrange(MINUTE)
        else:
            now = max(float(DAY), last + _event(random))
    return found


def _event(random: Random) -> float:
    """What happens to the clock on the wall while nobody looks: seconds."""
    return random.choice(
        [
            0,
            random.uniform(1, 20 * MINUTE),
            random.uniform(2, 8) * HOUR,
            3 * DAY,
            *(sign * span for sign in (1, -1) for span in (random.uniform(1, 15) * MINUTE, HOUR)),
            random.uniform(1, 9) * DAY,
            -random.uniform(1, 5) * DAY,
        ]
    )


def _changes(zone: ZoneInfo) -> Iterator[datetime]:
    change = first_change(START, instant(YEAR), zone)
    while change is not None:
        yield change
        change = first_change(change, instant(YEAR), zone)
