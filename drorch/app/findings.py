"""Findings and holds of an installation, read and answered for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from drorch.app.catalogs import opened_catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import UsageError
from drorch.model.finding import Finding
from drorch.model.hold import Hold, HoldSubject, Lineage
from drorch.model.names import JobName
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.findings import Desk, Hand


def findings(configuration: Configuration, *, everything: bool = False) -> list[Finding]:
    """The open findings, or every one there ever was; oldest first. Raises `CatalogError`."""
    with opened_catalog(configuration) as catalog:
        return catalog.queries.findings(only_open=not everything)


def holds(configuration: Configuration, *, everything: bool = False) -> list[Hold]:
    """The holds in force, or every one there ever was; oldest first. Raises `CatalogError`."""
    with opened_catalog(configuration) as catalog:
        return catalog.queries.holds(only_in_force=not everything)


@contextmanager
def desk(configuration: Configuration, clock: Clock) -> Iterator[Desk]:
    """Where the user of this process deals with findings and holds. Raises `CatalogError`."""
    with opened_catalog(configuration) as catalog:
        yield Desk(catalog, Hand(Doer.here(), configuration.digest), clock)


@dataclass(frozen=True, slots=True)
class Held:
    """What is to be held, as the operator names it: a job (of a host), or a snapshot by the beginning of its id."""

    job: str | None = None
    host: str | None = None
    snapshot: str | None = None


def subject_of(held: Held, configuration: Configuration, at: Desk) -> HoldSubject:
    """What a hold is on. Raises `UsageError` where nothing is known of it."""
    if held.snapshot is not None:
        return at.snapshot(held.snapshot, list(configuration.targets))
    lineage = Lineage(held.host or configuration.host, held.job or "")
    configured = lineage.host == configuration.host and JobName(lineage.job) in configuration.jobs
    if not configured and lineage not in at.lineages():
        raise UsageError(
            f"nothing is known of job {lineage.job} of host {lineage.host}",
            hint="Look for both in: drorch snapshots, or drorch config show",
        )
    return lineage
