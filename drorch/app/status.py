"""How every job stands: read from the catalog, judged by the model. No target is touched."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from drorch.app.books import opened_catalog, place_of
from drorch.catalog.open import Catalog
from drorch.catalog.queries import RunQuery
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import Problem
from drorch.model.finding import Finding
from drorch.model.hold import Hold, Lineage
from drorch.model.job import Job
from drorch.model.names import TargetName
from drorch.model.proof import Proof, highest
from drorch.model.run import RunKind, RunOutcome
from drorch.model.standing import Condition, Duty, Record, Standing, judge
from drorch.orchestrator.joblock import is_run_now

_SAVING = (RunKind.BACKUP, RunKind.COPY)
"""What brings a job's snapshots to a target."""
_BEGUN = (RunOutcome.RUNNING, RunOutcome.OK, RunOutcome.INCOMPLETE, RunOutcome.FAILED)


@dataclass(frozen=True, slots=True)
class Status:
    """One look at everything: how jobs stand on their targets, in the operator's order, and what is open besides.

    `findings` are all open ones, `holds` those in force. `spooled` records of runs still wait to be written to the
    catalog: what they tell is not in here. `refused` are files that were to be records and are none; they were set
    aside just now.
    """

    at: datetime
    host: str
    standings: tuple[Standing, ...]
    findings: tuple[Finding, ...]
    holds: tuple[Hold, ...]
    spooled: int
    refused: tuple[Problem, ...] = ()

    @property
    def overdue(self) -> bool:
        """Whether anything is overdue."""
        return any(standing.condition is Condition.OVERDUE for standing in self.standings)


def status(configuration: Configuration, clock: Clock, only: str | None = None) -> Status:
    """How the jobs stand now, on all targets or on `only` one.

    Raises `CatalogError`, and `ConfigError` where there is no such target.
    """
    targets = set(configuration.targets) if only is None else {configuration.target(only).name}
    since = _in_force_since(configuration)
    with opened_catalog(configuration) as catalog:
        reader = _Reader(configuration, catalog, tuple(catalog.queries.findings()))
        now = clock.now()
        standings = [
            judge(Duty(job, target, configuration.zone, since), record, now)
            for job in configuration.jobs.values()
            for target, record in reader.records(job)
            if target in targets
        ]
        holds = tuple(catalog.queries.holds())
    spooled = len(place_of(configuration).spool.waiting())
    refused = catalog.replayed.refused
    return Status(now, configuration.host, tuple(standings), reader.findings, holds, spooled, refused)


def _in_force_since(configuration: Configuration) -> datetime:
    """When the file was last written: what it asks for has been asked since then, or longer."""
    try:
        return datetime.fromtimestamp(configuration.file.stat().st_mtime, UTC)
    except OSError:
        return datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class _Reader:
    configuration: Configuration
    catalog: Catalog
    findings: tuple[Finding, ...]

    def records(self, job: Job) -> Iterator[tuple[TargetName, Record]]:
        """What is known of a job on each of its targets."""
        queries, host = self.catalog.queries, self.configuration.host
        stored = queries.known_of(Lineage(host, job.name))
        under_way = self._under_way(job)
        for target in job.targets:
            here = [one.snapshot for one in stored if one.target == target and one.snapshot.tree is not None]
            newest = max(here, key=lambda one: one.taken, default=None)
            proofs = queries.proofs(target, [one.id for one in here])
            begun = RunQuery(job=job.name, target=target, host=host, kinds=_SAVING, outcomes=_BEGUN, limit=1)
            yield (
                target,
                Record(
                    last_run=next(iter(queries.runs(begun)), None),
                    under_way=under_way,
                    newest=newest,
                    proof=None if newest is None else highest(_of(proofs, newest.id)),
                    best=highest(proofs),
                    findings=tuple(one for one in self.findings if _concerns(one, job, target)),
                ),
            )

    def _under_way(self, job: Job) -> datetime | None:
        """When the run began that goes on now: of several that never ended, only the newest can be it."""
        unfinished = RunQuery(
            job=job.name, host=self.configuration.host, kinds=_SAVING, outcomes=(RunOutcome.RUNNING,), limit=1
        )
        run = next(iter(self.catalog.queries.runs(unfinished)), None)
        return run.started if run is not None and is_run_now(job.name, self.configuration.state_dir) else None


def _of(proofs: Iterable[Proof], snapshot: bytes) -> list[Proof]:
    return [proof for proof in proofs if proof.snapshot == snapshot]


def _concerns(finding: Finding, job: Job, target: TargetName) -> bool:
    """Whether a finding is about this job on this target, or about the target itself or a snapshot on it."""
    subject = finding.subject
    return subject in (f"{job.name}@{target}", target) or subject.startswith(f"{target}:")
