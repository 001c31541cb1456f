"""Adoption as the operator asks for it: planned on every target of the job, then carried out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from drorch.actions.snapshots import SnapshotFilter
from drorch.app.catalogs import opened_catalog
from drorch.app.door import opened
from drorch.app.targets import access_of
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import ConfigError, UsageError
from drorch.model.audit import Deed
from drorch.model.hold import Lineage
from drorch.model.job import Job, paths_of
from drorch.model.names import NAME_RULE, JobName, TargetName, is_name
from drorch.orchestrator.adopting import Adoption, AdoptionPlan, adopt, plan_adoption
from drorch.orchestrator.deeds import CONFIGURATION, write_down
from drorch.orchestrator.doer import Doer
from drorch.repository.repository import NamedSnapshot


@dataclass(frozen=True, slots=True)
class AdoptRequest:
    """What is to become whose history. No hosts mean the configuration's own; `former` is the name a job had.

    Without paths and tags, and without `former`, only snapshots of just the job's own paths are meant.
    """

    job: str
    chosen: SnapshotFilter
    former: str | None = None
    target: str | None = None
    retry_lock: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Adopted:
    """What an adoption did on a target: each snapshot as it was, and as it is now."""

    target: str
    snapshots: tuple[tuple[NamedSnapshot, NamedSnapshot], ...]


def planned(configuration: Configuration, request: AdoptRequest) -> Iterator[AdoptionPlan]:
    """What an adoption would do, target by target.

    Raises `ConfigError` and `UsageError` for a job or a target that does not exist, and what opening a repository does.
    """
    adoption = _adoption(configuration, request)
    for target in _targets(configuration.job(request.job), request.target):
        with opened(access_of(configuration, target)) as repository:
            yield plan_adoption(target, repository.list_snapshots(), adoption)


def carried_out(configuration: Configuration, request: AdoptRequest, clock: Clock) -> Iterator[Adopted]:
    """Adopt, target by target. Raises as `planned` does, `RepositoryLocked`, and `CatalogError`."""
    adoption = _adoption(configuration, request)
    doer = Doer.here()
    with opened_catalog(configuration) as catalog:
        for target in _targets(configuration.job(request.job), request.target):
            detail = {"job": request.job, "from": adoption.former, "target": target}
            detail |= {CONFIGURATION: configuration.digest}
            write_down(catalog.audit, Deed(clock.now(), doer.user, doer.uid, doer.tty, "adopt", detail))
            with opened(access_of(configuration, target), lock=False) as repository:
                done = adopt(repository, target, adoption, catalog, request.retry_lock)
            yield Adopted(target, tuple(done))
        if adoption.former:
            for host in _hosts(configuration, request).hosts:
                catalog.ledger.renamed(Lineage(host, adoption.former), Lineage(host, adoption.job))


def _adoption(configuration: Configuration, request: AdoptRequest) -> Adoption:
    job = configuration.job(request.job)
    chosen = _hosts(configuration, request)
    if request.former is not None:
        _require_former(configuration, request.former)
        return Adoption(job.name, chosen.accepts, request.former)
    if chosen.paths or chosen.tags:
        return Adoption(job.name, chosen.accepts)
    own = set(paths_of(job.source))
    return Adoption(job.name, lambda named: chosen.accepts(named) and set(named.snapshot.paths) == own)


def _hosts(configuration: Configuration, request: AdoptRequest) -> SnapshotFilter:
    return request.chosen if request.chosen.hosts else replace(request.chosen, hosts=(configuration.host,))


def _require_former(configuration: Configuration, former: str) -> None:
    if not is_name(former):
        raise UsageError(f'"{former}" is not the name of a job: {NAME_RULE}')
    if JobName(former) in configuration.jobs:
        raise UsageError(
            f"job {former} is still in {configuration.file}, and would lose its history",
            hint="Rename it there first.",
        )


def _targets(job: Job, only: str | None) -> tuple[TargetName, ...]:
    if only is None:
        return job.targets
    if only not in job.targets:
        raise ConfigError(f"job {job.name} has no target {only}", hint=f"Its targets: {', '.join(job.targets)}.")
    return (TargetName(only),)
