"""Jobs as configured become backups: on each of their targets, written down in the books."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from drorch import __version__
from drorch.actions.backup import BackupResult
from drorch.actions.progress import Progress
from drorch.app.backup import BackupSpec, back_up_into, inspected
from drorch.app.books import kept_books
from drorch.app.door import opened
from drorch.app.state import complaint_about, run_state
from drorch.app.targets import access_of
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import ConfigError, JobBusy, RepositoryError, SecretMissing, SourceUnavailable, TargetError
from drorch.model.job import FilesSpec, Job
from drorch.model.names import STATE_JOB, TargetName
from drorch.orchestrator.books import Books, Doer
from drorch.orchestrator.runner import Assignment, Runner, RunReport
from drorch.repository.compression import Compression
from drorch.repository.repository import Repository
from drorch.sources.files.excludes import patterns_of_file
from drorch.sources.files.guard import Expectation
from drorch.sources.files.selection import Selection

_UNREACHED = (TargetError, RepositoryError, SecretMissing, JobBusy)
"""Faults of a run after which it is no use to save anything else to the same target."""


@dataclass(frozen=True, slots=True)
class JobRuns:
    """Which jobs to run, on which of their targets (None: on all), and how long to wait for a repository's lock."""

    jobs: tuple[str, ...]
    target: str | None = None
    retry_lock: timedelta = timedelta(0)


def run_jobs(
    configuration: Configuration,
    wanted: JobRuns,
    clock: Clock,
    progress: Callable[[Job], AbstractContextManager[Progress]],
) -> Iterator[RunReport | str]:
    """Run jobs one after the other: a report for each target, then what the books could not take, in words.

    Afterwards what only drorch knows is saved to every target that was reached (`@state`, which may be asked for by
    name). Raises `ConfigError` for a job or a target that does not exist, before anything is run.
    """
    chosen = [configuration.job(name) for name in wanted.jobs if name != STATE_JOB]
    pairs = [(job, target) for job in chosen for target in _targets(job, wanted.target)]
    asked = _state_targets(configuration, wanted.target) if STATE_JOB in wanted.jobs else []
    with kept_books(configuration, clock) as books:
        doer, reached = Doer.here(), dict[TargetName, None]()
        for job, target in pairs:
            books.did(doer, "run", job=job.name, target=target, configuration=configuration.digest)
            with progress(job) as shown:
                report = _run(configuration, job, target, _Circumstances(books, doer, clock, wanted.retry_lock, shown))
            if not isinstance(report.fault, _UNREACHED):
                reached[target] = None
            yield report
        for target in asked:
            books.did(doer, "run", job=STATE_JOB, target=target, configuration=configuration.digest)
        for target in dict.fromkeys([*reached, *asked]):
            report = run_state(configuration, target, books, clock, wanted.retry_lock)
            if target in asked:
                yield report
            elif (complaint := complaint_about(report, books.complaints)) is not None:
                books.complaints.append(complaint)
        yield from _once(books.complaints)


def _state_targets(configuration: Configuration, only: str | None) -> Sequence[TargetName]:
    return list(configuration.targets) if only is None else [configuration.target(only).name]


def _once(complaints: Sequence[str]) -> Iterator[str]:
    """Each complaint once, and none that another one says with more words."""
    told = list(dict.fromkeys(complaints))
    for complaint in told:
        if not any(complaint != other and complaint in other for other in told):
            yield complaint


def _targets(job: Job, only: str | None) -> Sequence[TargetName]:
    if only is None:
        return job.targets
    if only not in job.targets:
        raise ConfigError(f"job {job.name} has no target {only}", hint=f"Its targets: {', '.join(job.targets)}.")
    return (TargetName(only),)


@dataclass(frozen=True, slots=True)
class _Circumstances:
    books: Books
    doer: Doer
    clock: Clock
    retry_lock: timedelta
    progress: Progress


def _run(configuration: Configuration, job: Job, target: TargetName, under: _Circumstances) -> RunReport:
    access = access_of(configuration, target, under.retry_lock)

    def work(repository: Repository) -> BackupResult:
        spec = spec_of(job, configuration.host)
        return back_up_into(repository, spec, inspected(spec), under.retry_lock, under.progress).result

    assignment = Assignment(
        job=job.name,
        target=target,
        host=configuration.host,
        doer=under.doer,
        config_hash=configuration.digest,
        versions={"drorch": __version__},
        keeps_history=target == job.targets[0],
    )
    runner = Runner(under.books, configuration.state_dir, under.clock)
    return runner.back_up(assignment, lambda: opened(access, lock=False), work)


def spec_of(job: Job, host: str) -> BackupSpec:
    """A job as a backup. Raises `SourceUnavailable` where one of its exclude files cannot be read."""
    source = job.source
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
        tags=(job.tag, *job.tags),
        hostname=host,
        compression=Compression(job.compression),
    )


def _patterns_in_files(source: FilesSpec) -> Iterator[str]:
    for name in source.exclude_file:
        try:
            yield from patterns_of_file(Path(name).read_bytes())
        except OSError as fault:
            raise SourceUnavailable(
                f"exclude file {name}: {fault.strerror}", hint="Without it, what is secret might be saved; mend it."
            ) from fault
