"""How jobs and checks stand, read from an open catalog and judged by the model. No target is touched.

Imports nothing of the engine: the daemon asks for it every minute.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from drorch.app.roster import in_force_since
from drorch.catalog.open import Catalog
from drorch.catalog.queries import RunQuery
from drorch.config.configuration import Configuration
from drorch.model.finding import Finding
from drorch.model.hold import Lineage
from drorch.model.job import Job
from drorch.model.launch import Launch, LaunchState, Pause, WorkKind
from drorch.model.maintenance import Maintenance
from drorch.model.names import TargetName
from drorch.model.proof import Proof, highest
from drorch.model.punctuality import LEEWAY
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.model.standing import CheckRecord, CheckStanding, Duty, Launched, Record, Standing, judge, judge_check
from drorch.orchestrator.joblock import is_run_now

_SAVING = (RunKind.BACKUP, RunKind.COPY)
"""What brings a job's snapshots to a target."""
_UNCANCELLED = (RunOutcome.RUNNING, RunOutcome.OK, RunOutcome.INCOMPLETE, RunOutcome.FAILED)
_BEGUN = (*_UNCANCELLED, RunOutcome.CANCELLED)
_LAUNCHES = 12
"""How many launches of a job are looked at: the newest tell what is to be known."""
_UNFINISHED = 1000
"""How many runs that never ended are looked at."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the catalog: what is judged, and what it was judged by."""

    standings: tuple[Standing, ...]
    checks: tuple[CheckStanding, ...]
    findings: tuple[Finding, ...]
    pauses: tuple[Pause, ...]

    @property
    def judged(self) -> Sequence[Standing | CheckStanding]:
        """All that is judged."""
        return (*self.standings, *self.checks)


def look(
    configuration: Configuration,
    catalog: Catalog,
    now: datetime,
    *,
    only: TargetName | None = None,
    proof: bool = True,
) -> Look:
    """How everything stands now, on all targets or on one. Without `proof`, nothing is asked of what is proven.

    Raises `CatalogError`.
    """
    findings, pauses = tuple(catalog.queries.findings()), tuple(catalog.launches.pauses(now))
    since = in_force_since(configuration, now)
    begun = RunQuery(host=configuration.host, kinds=_SAVING, outcomes=(RunOutcome.RUNNING,), limit=_UNFINISHED)
    unfinished = tuple(catalog.queries.runs(begun))
    reader = _Reader(configuration, catalog, now, (findings, pauses, unfinished), proof)
    standings = tuple(
        judge(Duty(job, target, configuration.zone, since), record, now)
        for job in configuration.jobs.values()
        for target, record in reader.records(job)
        if only in (None, target)
    )
    checks = tuple(
        judge_check(one, one.check, reader.check_record(one), since, now)
        for one in configuration.maintenance.values()
        if one.check is not None and only in (None, one.target)
    )
    return Look(standings, checks, findings, pauses)


@dataclass(frozen=True, slots=True)
class _Reader:
    configuration: Configuration
    catalog: Catalog
    now: datetime
    open: tuple[tuple[Finding, ...], tuple[Pause, ...], tuple[Run, ...]]
    proof: bool
    _launches: dict[tuple[WorkKind, str], list[Launch]] = field(default_factory=dict)

    def records(self, job: Job) -> Iterator[tuple[TargetName, Record]]:
        """What is known of a job on each of its targets."""
        queries, host = self.catalog.queries, self.configuration.host
        stored = queries.known_of(Lineage(host, job.name))
        under_way, last_runs = self._under_way(job), self._last_runs(job)
        for target in job.targets:
            here = [one.snapshot for one in stored if one.target == target and one.snapshot.tree is not None]
            newest = max(here, key=lambda one: one.taken, default=None)
            proofs = queries.proofs(target, [one.id for one in here]) if self.proof else []
            yield (
                target,
                Record(
                    last_run=last_runs.get(target),
                    uncancelled=self._uncancelled(last_runs.get(target)),
                    under_way=under_way,
                    newest=newest,
                    proof=None if newest is None else highest(_of(proofs, newest.id)),
                    best=highest(proofs),
                    findings=tuple(one for one in self.open[0] if _concerns(one, job, target)),
                    launched=self._launched_job(job, target),
                ),
            )

    def check_record(self, maintenance: Maintenance) -> CheckRecord:
        """What is known of the checks of a target."""
        assert maintenance.check is not None
        target = maintenance.target
        begun = RunQuery(target=target, host=self.configuration.host, kinds=(RunKind.CHECK,), outcomes=_BEGUN, limit=1)
        launches, last_run = self._recent(WorkKind.CHECK, target), self._newest(begun)
        return CheckRecord(
            last_run=last_run,
            uncancelled=self._uncancelled(last_run),
            launched=_launched(launches, maintenance.check.timetable.name, target, self.now, self._pause_of("")),
        )

    def _launched_job(self, job: Job, target: TargetName) -> Launched:
        line = job.line_on(target)
        launches = self._recent(WorkKind.JOB, job.name)
        ended = None if job.after is None else self._last_end(job.after)
        return _launched(launches, line, target, self.now, self._pause_of(job.name), ended)

    def _last_end(self, job: str) -> datetime | None:
        well = (LaunchState.OK, LaunchState.INCOMPLETE)
        ends = [one.ended for one in self._recent(WorkKind.JOB, job) if one.state in well and one.ended is not None]
        return max((end for end in ends if end <= self.now), default=None)

    def _recent(self, kind: WorkKind, name: str) -> list[Launch]:
        if (kind, name) not in self._launches:
            found = self.catalog.launches.recent(_LAUNCHES, name=name)
            for one in WorkKind:
                self._launches[one, name] = [launch for launch in found if launch.work.kind is one]
        return self._launches[kind, name]

    def _pause_of(self, job: str) -> Pause | None:
        """The pause that keeps a job from being launched: its own, or that of everything."""
        return next((one for name in (job, "") for one in self.open[1] if one.job == name), None)

    def _last_runs(self, job: Job) -> dict[str, Run]:
        """The newest run of a job on each of its targets: most often, they are the newest of all."""
        begun = RunQuery(job=job.name, host=self.configuration.host, kinds=_SAVING, outcomes=_BEGUN)
        found: dict[str, Run] = {}
        for run in self.catalog.queries.runs(replace(begun, limit=len(job.targets))):
            found.setdefault(run.target, run)
        for target in job.targets:
            last = None if target in found else self._newest(replace(begun, target=target, limit=1))
            if last is not None:
                found[target] = last
        return found

    def _uncancelled(self, last: Run | None) -> Run | None:
        """The newest run before this one, of the same, that nobody cancelled; None where this one is it."""
        if last is None or last.outcome is not RunOutcome.CANCELLED:
            return None
        kinds = _SAVING if last.kind in _SAVING else (last.kind,)
        wanted = RunQuery(target=last.target, host=last.host, kinds=kinds, outcomes=_UNCANCELLED, limit=1)
        return self._newest(replace(wanted, job=last.job) if last.job else wanted)

    def _under_way(self, job: Job) -> datetime | None:
        """When the run began that goes on now: of several that never ended, only the newest can be it."""
        run = next((one for one in self.open[2] if one.job == job.name), None)
        return run.started if run is not None and is_run_now(job.name, self.configuration.state_dir) else None

    def _newest(self, wanted: RunQuery) -> Run | None:
        return next(iter(self.catalog.queries.runs(wanted)), None)


def _launched(
    launches: Iterable[Launch],
    line: str,
    target: TargetName,
    now: datetime,
    pause: Pause | None,
    followed: datetime | None = None,
) -> Launched:
    """What the launches, the newest first, say of a line and of one of its targets."""
    here = [one for one in launches if one.work.line == line and target in one.work.targets]
    # One that failed before it had a process was tried, all the same.
    begun = [one for one in here if one.state not in (LaunchState.QUEUED, LaunchState.SKIPPED) and _counts(one)]
    return Launched(
        last=max(begun, key=lambda one: one.started or one.ended or one.asked, default=None),
        waiting=next((one for one in here if one.state is LaunchState.QUEUED), None),
        last_due=_newest_due(here, now),
        served=_newest_due(begun, now),
        followed=followed,
        pause=pause,
    )


def _counts(launch: Launch) -> bool:
    """Whether what it was to do counts as begun: what was cancelled does where it began as it was due, not overdue."""
    if launch.state is not LaunchState.CANCELLED:
        return True
    return launch.due is not None and launch.asked - launch.begins <= LEEWAY


def _newest_due(launches: Iterable[Launch], now: datetime) -> datetime | None:
    return max((one.due for one in launches if one.due is not None and one.due <= now), default=None)


def _of(proofs: Iterable[Proof], snapshot: bytes) -> list[Proof]:
    return [proof for proof in proofs if proof.snapshot == snapshot]


def _concerns(finding: Finding, job: Job, target: TargetName) -> bool:
    """Whether a finding is about this job on this target, or about the target itself or a snapshot on it."""
    subject = finding.subject
    return subject in (f"{job.name}@{target}", target) or subject.startswith(f"{target}:")
