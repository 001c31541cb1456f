"""Jobs as configured become backups and their copies, on all of their targets, written down in the books."""

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from drorch import __version__
from drorch.actions.backup import BackupResult
from drorch.actions.progress import Progress
from drorch.app.access import Access
from drorch.app.announcing import announced
from drorch.app.backup import BackupSpec, StreamSpec, back_up_into, inspected
from drorch.app.books import kept_books
from drorch.app.databases.backing_up import DatabaseBackup, back_up_database
from drorch.app.databases.sources import KindOf, kind_of
from drorch.app.door import opened, remove_abandoned
from drorch.app.frozen import remove_leftovers, vantage_for
from drorch.app.opening import Tell, tell_nobody
from drorch.app.state import complaint_about, run_state
from drorch.app.targets import access_of
from drorch.app.told import Told, ToldFault
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import (
    ConfigError,
    DrorchError,
    HookFailed,
    JobBusy,
    Problem,
    RepositoryError,
    SecretMissing,
    SourceUnavailable,
    TargetError,
)
from drorch.model.event import Observer
from drorch.model.job import CommandSpec, DatabaseSpec, FilesSpec, Job, SourceSpec
from drorch.model.launch import Work, WorkKind
from drorch.model.names import STATE_JOB, TargetName
from drorch.model.run import RunKind
from drorch.orchestrator.books import Books
from drorch.orchestrator.copying import Post, Round, Rounds
from drorch.orchestrator.doer import Doer, Occasion
from drorch.orchestrator.hooks import HookPlan, with_hooks
from drorch.orchestrator.runner import Assignment, Runner, RunReport
from drorch.repository.compression import Compression
from drorch.repository.repository import Repository
from drorch.repository.writer import WritePolicy
from drorch.sources.files.excludes import patterns_of_file
from drorch.sources.files.guard import Expectation
from drorch.sources.files.selection import Selection

_UNREACHED = (TargetError, RepositoryError, SecretMissing, JobBusy)
"""Faults of a run after which it is no use to save anything else to the same target."""


@dataclass(frozen=True, slots=True)
class JobRuns:
    """Which jobs to run, on which of their targets (None: on all), and how long to wait for a repository's lock.

    `tell` is told of what failed and is tried again. Without an `occasion` it is the user of this process who asks for
    them, by hand; where that is a launch, whoever made it has entered it in the audit log. An `observer` hears when
    each job begins and ends. `kinds` makes the source of a database.
    """

    jobs: tuple[str, ...]
    targets: tuple[str, ...] | None = None
    retry_lock: timedelta = timedelta(0)
    tell: Tell = tell_nobody
    occasion: Occasion | None = None
    observer: Observer | None = None
    kinds: KindOf = kind_of


Progressing = Callable[[RunKind, str], AbstractContextManager[Progress]]
"""What is asked for counters whenever a run of a kind begins on a target."""


def run_jobs(
    configuration: Configuration,
    wanted: JobRuns,
    clock: Clock,
    progress: Progressing,
) -> Iterator[RunReport | str]:
    """Run jobs one after the other: a report for each target, then what the books could not take, in words.

    A job is backed up to the first of its targets that answers and copied to the others; where targets are named, it
    is run as if it had only those, in the job's order. Afterwards what only drorch knows is saved to every target that
    was reached (`@state`, which may be asked for by name). Raises `ConfigError` for a job or a target that does not
    exist, before anything is run.
    """
    chosen = [configuration.job(name) for name in wanted.jobs if name != STATE_JOB]
    meant = [(job, _targets(job, wanted.targets)) for job in chosen]
    asked = _state_targets(configuration, wanted.targets) if STATE_JOB in wanted.jobs else []
    occasion = wanted.occasion or Occasion(Doer.here())
    with kept_books(configuration, clock) as books:
        under = _Circumstances(configuration, books, occasion, clock, wanted, progress)
        reached = dict[TargetName, None]()
        for job, targets in meant:
            under.enter(job.name, targets)
            for report in _announced(job, targets, under):
                if _has_reached(report):
                    reached[TargetName(report.run.target)] = None
                yield report
        under.enter(STATE_JOB, asked)
        for target in dict.fromkeys([*reached, *asked]):
            report = run_state(configuration, target, books, clock, wanted.retry_lock, occasion)
            if target in asked:
                yield report
            elif (complaint := complaint_about(report, books.complaints)) is not None:
                books.complaints.append(complaint)
        yield from _once(books.complaints)


def _announced(job: Job, targets: Sequence[TargetName], under: "_Circumstances") -> Iterator[RunReport]:
    reports = _JobRun(job, targets, under).reports()
    observer = under.wanted.observer
    if observer is None:
        return reports
    work = Work(WorkKind.JOB, job.name, job.name, tuple(targets))
    return announced(work, under.occasion.doer.user, reports, observer, under.clock)


def _has_reached(report: RunReport) -> bool:
    """Whether a run's target can be expected to take more. A hook that failed before it kept the run from looking."""
    if isinstance(report.fault, HookFailed):
        return report.run.snapshot is not None
    return not isinstance(report.fault, _UNREACHED)


def told_of(report: RunReport) -> Told:
    """What is told of a run."""
    alarms = tuple(Problem(report.run.target, alarm.event.message) for alarm in report.alarms)
    return Told(report.run, report.exit_code, alarms, None if report.fault is None else told_fault(report.fault))


def told_fault(fault: DrorchError) -> ToldFault:
    """What is told of an error."""
    problems = fault.problems if isinstance(fault, ConfigError) else ()
    return ToldFault(fault.message, fault.hint or "", problems, fault.retryable)


def _state_targets(configuration: Configuration, only: Sequence[str] | None) -> Sequence[TargetName]:
    return list(configuration.targets if only is None else (configuration.target(one).name for one in only))


def _once(complaints: Sequence[str]) -> Iterator[str]:
    """Each complaint once, and none that another one says with more words."""
    told = list(dict.fromkeys(complaints))
    for complaint in told:
        if not any(complaint != other and complaint in other for other in told):
            yield complaint


def _targets(job: Job, only: Sequence[str] | None) -> Sequence[TargetName]:
    if only is None:
        return job.targets
    for one in only:
        if one not in job.targets:
            raise ConfigError(f"job {job.name} has no target {one}", hint=f"Its targets: {', '.join(job.targets)}.")
    return tuple(target for target in job.targets if target in only)


@dataclass(frozen=True, slots=True)
class _Circumstances:
    """What all runs of one command have in common."""

    configuration: Configuration
    books: Books
    occasion: Occasion
    clock: Clock
    wanted: JobRuns
    progress: Progressing

    def enter(self, job: str, targets: Sequence[TargetName]) -> None:
        """Enter in the audit log that a job is run."""
        if not self.occasion.launch:
            for target in targets:
                self.books.did(
                    self.occasion.doer, "run", job=job, target=target, configuration=self.configuration.digest
                )

    def access_to(self, target: TargetName) -> Access:
        """How to open the repository on a target."""
        return replace(access_of(self.configuration, target, self.wanted.retry_lock), tell=self.wanted.tell)


class _JobRun:
    """One run of one job on some of its targets, with its hooks around it."""

    def __init__(self, job: Job, targets: Sequence[TargetName], under: _Circumstances) -> None:
        occasion = under.occasion
        self._job = job
        self._targets = tuple(targets)
        self._under = under
        self._id = occasion.launch or uuid.uuid4().hex
        self._opening: list[str] = []
        self._assignment = Assignment(
            job=job.name,
            target=targets[0],
            host=under.configuration.host,
            doer=occasion.doer,
            config_hash=under.configuration.digest,
            versions={"drorch": __version__},
            trigger=occasion.trigger,
            keeps_history=targets[0] == job.targets[0],
            launch=occasion.launch,
        )
        self._state_dir = under.configuration.state_dir
        self._complain = under.books.complaints.append
        self._runner = Runner(under.books, self._state_dir, under.clock)

    def reports(self) -> Iterator[RunReport]:
        """Run it: a report for each target, as soon as it is known."""
        hooks = HookPlan(self._job.hooks, self._targets, self._id)
        try:
            with self._runner.turn(self._assignment):
                for complaint in remove_leftovers(self._state_dir, self._job.name):
                    self._complain(complaint)
                yield from with_hooks(hooks, self._runner, self._assignment, self._in_turn)
        except JobBusy as fault:
            yield self._runner.skip(self._assignment, fault)

    def _in_turn(self) -> Iterator[RunReport]:
        if len(self._targets) == 1:
            access = self._under.access_to(self._targets[0])
            self._opening.append(self._targets[0])
            yield self._runner.attempt(self._assignment, lambda: opened(access, lock=False), self._work)
            return
        to_do = Round(
            assignment=self._assignment,
            posts=tuple(map(self._post, self._targets)),
            zone=self._under.configuration.zone,
            progress=lambda target: self._under.progress(RunKind.COPY, target),
            policy=WritePolicy(Compression(self._job.compression), retry_lock=self._under.wanted.retry_lock),
        )
        yield from Rounds(self._runner, self._under.clock).in_turn(to_do, self._work)

    def _work(self, repository: Repository) -> BackupResult:
        under, source = self._under, self._job.source
        if isinstance(source, DatabaseSpec):
            kind = under.wanted.kinds(source, under.clock)
            wanted = DatabaseBackup(self._job, source, kind, under.configuration.host, self._complain)
            with under.progress(RunKind.BACKUP, self._opening[-1]) as progress:
                return back_up_database(repository, wanted, under.wanted.retry_lock, progress)
        spec = spec_of(self._job, under.configuration.host)
        guard = inspected(spec)
        view = vantage_for(self._job, spec.selection, self._id, self._state_dir, self._complain)
        with under.progress(RunKind.BACKUP, self._opening[-1]) as progress, view as vantage:
            seen = replace(spec, vantage=vantage)
            return back_up_into(repository, seen, guard, under.wanted.retry_lock, progress).result

    def _post(self, target: TargetName) -> Post:
        """A target of the job, which is noted in `opening` when its turn comes."""
        access = self._under.access_to(target)

        @contextmanager
        def door() -> Iterator[Repository]:
            self._opening.append(target)
            with opened(access) as repository:
                remove_abandoned(repository)
                yield repository

        return Post(target, door, self._job.on(target).retention)


def spec_of(job: Job, host: str) -> BackupSpec:
    """A job of files or of a command as a backup. Raises `SourceUnavailable` where an exclude file cannot be read."""
    return replace(
        _of_source(job.source),
        tags=(job.tag, *job.tags),
        hostname=host,
        compression=Compression(job.compression),
    )


def _of_source(source: SourceSpec) -> BackupSpec:
    match source:
        case FilesSpec():
            return _of_files(source)
        case CommandSpec():
            return _of_command(source)
        case _:
            raise TypeError(f"a {source.kind} is saved by back_up_database")


def _of_command(source: CommandSpec) -> BackupSpec:
    return BackupSpec(
        selection=Selection(()),
        stream=StreamSpec(source.filename, source.dump),
        expectation=Expectation(minimum_bytes=source.min_bytes),
    )


def _of_files(source: FilesSpec) -> BackupSpec:
    return BackupSpec(
        selection=Selection(
            targets=tuple(map(os.fsencode, source.paths)),
            excludes=(*source.exclude, *_patterns_in_files(source)),
            iexcludes=source.iexclude,
            exclude_if_present=source.exclude_if_present,
            exclude_caches=source.exclude_caches,
            exclude_larger_than=source.exclude_larger_than,
            one_file_system=source.one_file_system,
        ),
        expectation=Expectation(
            minimum_files=source.min_files,
            minimum_bytes=source.min_bytes,
            expect_mount=tuple(map(os.fsencode, source.expect_mount)),
            allow_empty=source.allow_empty,
        ),
    )


def _patterns_in_files(source: FilesSpec) -> Iterator[str]:
    for name in source.exclude_file:
        try:
            yield from patterns_of_file(Path(name).read_bytes())
        except OSError as fault:
            raise SourceUnavailable(
                f"exclude file {name}: {fault.strerror}", hint="Without it, what is secret might be saved; mend it."
            ) from fault
