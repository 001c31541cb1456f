"""How everything stands: read from the catalog, judged by the model. No target is touched."""

from dataclasses import dataclass
from datetime import datetime

from drorch.app.catalogs import opened_catalog, place_of
from drorch.app.standings import look
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import Problem
from drorch.model.finding import Finding
from drorch.model.hold import Hold
from drorch.model.launch import Pause
from drorch.model.standing import CheckStanding, Condition, Standing


@dataclass(frozen=True, slots=True)
class Status:
    """One look at everything: how jobs stand on their targets, in the operator's order, and what is open besides.

    `maintenance` is how the scheduled checks of targets stand. `findings` are all open ones, `holds` and `pauses`
    those in force. `spooled` records of runs still wait to be written to the catalog: what they tell is not in here.
    `refused` are files that were to be records and are none; they were set aside just now.
    """

    at: datetime
    host: str
    standings: tuple[Standing, ...]
    findings: tuple[Finding, ...]
    holds: tuple[Hold, ...]
    spooled: int
    refused: tuple[Problem, ...] = ()
    maintenance: tuple[CheckStanding, ...] = ()
    pauses: tuple[Pause, ...] = ()

    @property
    def overdue(self) -> bool:
        """Whether anything is overdue."""
        conditions = [*(one.condition for one in self.standings), *(one.condition for one in self.maintenance)]
        return Condition.OVERDUE in conditions


def status(configuration: Configuration, clock: Clock, only: str | None = None) -> Status:
    """How everything stands now, on all targets or on `only` one.

    Raises `CatalogError`, and `ConfigError` where there is no such target.
    """
    target = None if only is None else configuration.target(only).name
    with opened_catalog(configuration) as catalog:
        now = clock.now()
        seen = look(configuration, catalog, now, only=target)
        holds = tuple(catalog.queries.holds())
    spooled = len(place_of(configuration).spool.waiting())
    return Status(
        at=now,
        host=configuration.host,
        standings=seen.standings,
        findings=seen.findings,
        holds=holds,
        spooled=spooled,
        refused=catalog.replayed.refused,
        maintenance=seen.checks,
        pauses=seen.pauses,
    )
