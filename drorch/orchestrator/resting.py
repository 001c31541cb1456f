"""Pauses where no daemon is asked: written down for the daemon that comes, and in the audit log."""

from collections.abc import Sequence

from drorch.catalog.open import Catalog
from drorch.clock import Clock
from drorch.model.audit import Deed
from drorch.model.launch import Pause
from drorch.model.names import JobName
from drorch.orchestrator.control.contract import PauseOrder
from drorch.orchestrator.deeds import CONFIGURATION, write_down
from drorch.orchestrator.findings import Hand

EVERYTHING = "all"
"""What the audit log calls all jobs together."""


class Rest:
    """Lets schedules rest, and ends that. Every method raises `CatalogError`."""

    def __init__(self, catalog: Catalog, hand: Hand, clock: Clock) -> None:
        self._catalog = catalog
        self._hand = hand
        self._clock = clock

    def pause(self, order: PauseOrder) -> list[Pause]:
        """Let jobs rest, or (none) all of them."""
        now = self._clock.now()
        pauses = [Pause(job, now, self._hand.doer.user, order.until, order.reason) for job in order.jobs or ("",)]
        for pause in pauses:
            self._did("pause", job=pause.job or EVERYTHING, until="" if pause.until is None else str(pause.until))
            self._catalog.launches.pause(pause)
        return pauses

    def resume(self, jobs: Sequence[JobName]) -> list[Pause]:
        """End pauses of jobs, or (none) all; those that were ended."""
        ended: list[Pause] = []
        for job in jobs or (None,):
            self._did("resume", job=job or EVERYTHING)
            ended += self._catalog.launches.resume(job, self._clock.now())
        return ended

    def _did(self, action: str, **detail: str) -> None:
        doer = self._hand.doer
        said = {CONFIGURATION: self._hand.configuration, **detail}
        write_down(self._catalog.audit, Deed(self._clock.now(), doer.user, doer.uid, doer.tty, action, said))
