"""One wait of the loop: until something can be read, something is due, or half a minute has passed."""

import selectors
from collections.abc import Iterable
from datetime import datetime

from drorch.clock import Clock

LONGEST_WAIT_SECONDS = 30.0
"""The wall clock is looked at so often at least: neither sleep nor a clock that jumps is told by a timer."""


def wait_for(descriptors: Iterable[int], moments: Iterable[datetime | None], most: float, clock: Clock) -> list[int]:
    """Which descriptors can be read; none where one of the moments came first (None: it never comes).

    `most` is how many seconds to wait at most, also where nothing happens.
    """
    now = clock.now()
    seconds = min([most, *((moment - now).total_seconds() for moment in moments if moment is not None)])
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        return [key.fd for key, _ in selector.select(max(seconds, 0.0))]
