"""What fetching takes, in words and as a record: bytes, packs, time at the measured speed, money."""

from typing import Any, Protocol

from drorch.model.estimate import Fetching, Price, Speed
from drorch.units import counted, format_duration, format_size


class Terms(Protocol):
    """On which terms a target gives back what it holds; None: nothing is known."""

    @property
    def speed(self) -> Speed | None:
        """How fast it went."""
        ...

    @property
    def price(self) -> Price | None:
        """What it costs."""
        ...


def fetching_text(fetching: Fetching, terms: Terms | None) -> str:
    """In one line; what is not known is said to be unknown."""
    packs, requests = counted(fetching.packs, "pack"), counted(fetching.requests, "request")
    what = f"to fetch: {format_size(fetching.bytes)} from {packs} in {requests}"
    if terms is None:
        return f"{what}; name the target with -t to learn how long that takes and what it costs"
    return f"{what}; {_time_text(fetching, terms.speed)}; {_cost_text(fetching, terms.price)}"


def _time_text(fetching: Fetching, speed: Speed | None) -> str:
    if speed is None:
        return "how long that takes is not known yet: a restore or a check --read-data measures it"
    rate = f"{format_size(int(speed.bytes_per_second))}/s"
    return f"about {format_duration(fetching.seconds(speed))} at the {rate} measured {speed.measured:%Y-%m-%d}"


def _cost_text(fetching: Fetching, price: Price | None) -> str:
    if price is None:
        return "what it costs is not configured (price)"
    return f"about {fetching.cost(price):.2f} {price.currency}"


def fetching_record(fetching: Fetching, terms: Terms | None) -> dict[str, Any]:
    """The same for --json; null is unknown."""
    speed, price = (terms.speed, terms.price) if terms else (None, None)
    return {
        "bytes_to_fetch": fetching.bytes,
        "packs_to_fetch": fetching.packs,
        "requests": fetching.requests,
        "seconds_to_fetch": None if speed is None else round(fetching.seconds(speed), 1),
        "bytes_per_second": None if speed is None else round(speed.bytes_per_second),
        "cost": None if price is None else round(fetching.cost(price), 4),
        "currency": None if price is None else price.currency,
    }
