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
        self._vigil = Vigil(open_catalog, self._judged, observer, clock)

    def make_round(self) -> None:
        """Tell what has become overdue or well, and that the daemon lives. Waits for nobody outside."""
        self._pinger.beat(self._vigil.look())

    def _judged(self, catalog: Catalog, now: datetime) -> Sequence[Judged]:
        return look(self._configuration(), catalog, now, proof=False).judged
