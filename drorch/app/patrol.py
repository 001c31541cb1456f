"""The daemon's round, once a minute: look for what is missing, and let the daemon's own monitor know how things are."""

from collections.abc import Callable, Sequence
from datetime import datetime

from drorch.app.standings import look
from drorch.catalog.open import Catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.model.event import Observer
from drorch.orchestrator.vigil import Judged, Vigil
from drorch.reporting.pings import Pinger

_REST = 500
"""A look is followed by so many times its duration without one: many jobs cost no more than few."""
_LONGEST_REST_SECONDS = 600.0


class Patrol:
    """Makes rounds. `configuration` gives the one in force, `open_catalog` None where it cannot be opened."""

    def __init__(
        self,
        configuration: Callable[[], Configuration],
        open_catalog: Callable[[], Catalog | None],
        observer: Observer,
        pinger: Pinger,
        clock: Clock,
    ) -> None:
        self._configuration = configuration
        self._pinger = pinger
        self._clock = clock
        self._next = clock.monotonic()
        self._trouble: tuple[str, ...] = ()
        self._vigil = Vigil(open_catalog, self._judged, observer, clock)

    def make_round(self) -> None:
        """Tell what has become overdue or well, and that the daemon lives. Waits for nobody outside."""
        began = self._clock.monotonic()
        if began >= self._next:
            self._trouble = self._vigil.look()
            took = self._clock.monotonic() - began
            self._next = began + min(took * _REST, _LONGEST_REST_SECONDS)
        self._pinger.beat(self._trouble)

    def _judged(self, catalog: Catalog, now: datetime) -> Sequence[Judged]:
        return look(self._configuration(), catalog, now, proof=False).judged
