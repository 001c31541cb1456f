"""What is done where no daemon listens: pauses are written down for the one that comes, a run by hand is stopped."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from drorch.app.catalogs import opened_catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import CatalogError, UsageError
from drorch.model.audit import Deed
from drorch.model.launch import Pause
from drorch.model.names import STATE_JOB, JobName
from drorch.orchestrator.control.contract import PauseOrder
from drorch.orchestrator.deeds import CONFIGURATION, write_down
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.findings import Hand
from drorch.orchestrator.resting import Rest
from drorch.orchestrator.stopping import runner_of


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The process that was told to stop, and why that is not in the audit log, if it is not."""

    pid: int
    complaint: str | None


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to rest (no job: everything), for how long (None: until it is resumed), and why."""

    jobs: Sequence[str]
    span: timedelta | None
    reason: str


def pause(configuration: Configuration, clock: Clock, wish: Wish) -> list[Pause]:
    """Let schedules rest. Raises `CatalogError`, and `ConfigError` for a job that does not exist."""
    until = None if wish.span is None else clock.now() + wish.span
    order = PauseOrder(_names(configuration, wish.jobs), until, wish.reason)
    with _rest(configuration, clock) as rest:
        return rest.pause(order)


def resume(configuration: Configuration, clock: Clock, jobs: Sequence[str]) -> list[Pause]:
    """End pauses of jobs, or (none) all; those that were ended. Raises `CatalogError`."""
    with _rest(configuration, clock) as rest:
        return rest.resume([JobName(job) for job in jobs])


def cancel(configuration: Configuration, clock: Clock, job: str) -> Cancelled:
    """Tell the process that runs a job to stop.

    Raises `UsageError` where none does, and `NotStopped` where it cannot be told.
    """
    known = job == STATE_JOB or JobName(job) in configuration.jobs
    runner = runner_of(JobName(job), configuration.state_dir) if known else None
    if runner is None:
        raise UsageError(f"nothing that is called {job} runs, and no daemon listens", hint="Type: drorch status")
    with runner:
        complaint = _note_cancelled(configuration, clock, job)
        runner.stop()
        return Cancelled(runner.pid, complaint)


def _note_cancelled(configuration: Configuration, clock: Clock, job: str) -> str | None:
    """Enter it in the audit log; what keeps that from being done keeps nothing from being stopped."""
    doer = Doer.here()
    detail = {CONFIGURATION: configuration.digest, "job": job}
    try:
        with opened_catalog(configuration) as catalog:
            write_down(catalog.audit, Deed(clock.now(), doer.user, doer.uid, doer.tty, "cancel", detail))
    except CatalogError as fault:
        return f"the audit log lacks it: {fault.message}"
    return None


def _names(configuration: Configuration, jobs: Sequence[str]) -> tuple[JobName, ...]:
    return tuple(STATE_JOB if job == STATE_JOB else configuration.job(job).name for job in dict.fromkeys(jobs))


@contextmanager
def _rest(configuration: Configuration, clock: Clock) -> Iterator[Rest]:
    with opened_catalog(configuration) as catalog:
        yield Rest(catalog, Hand(Doer.here(), configuration.digest), clock)
