"""What is done where no daemon listens: pauses are written down for the one that comes, a run by hand is stopped."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from drorch.app.books import kept_books
from drorch.app.catalogs import opened_catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import UsageError
from drorch.model.launch import Pause
from drorch.model.names import STATE_JOB, JobName
from drorch.orchestrator.control.contract import PauseOrder
from drorch.orchestrator.deeds import CONFIGURATION
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.findings import Hand
from drorch.orchestrator.resting import Rest
from drorch.orchestrator.stopping import runner_of


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The process that was told to stop, and what the books could not take."""

    pid: int
    complaints: tuple[str, ...]


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


def pauses(configuration: Configuration, clock: Clock) -> list[Pause]:
    """The pauses in force. Raises `CatalogError`."""
    with _rest(configuration, clock) as rest:
        return rest.pauses()


def cancel(configuration: Configuration, clock: Clock, job: str) -> Cancelled:
    """Tell the process that runs a job to stop.

    Raises `UsageError` where none does, and `NotStopped` where it cannot be told.
    """
    known = job == STATE_JOB or JobName(job) in configuration.jobs
    runner = runner_of(JobName(job), configuration.state_dir) if known else None
    if runner is None:
        raise UsageError(f"nothing that is called {job} runs, and no daemon listens", hint="Type: drorch status")
    with runner, kept_books(configuration, clock) as books:
        books.did(Doer.here(), "cancel", job=job, **{CONFIGURATION: configuration.digest})
        runner.stop()
        return Cancelled(runner.pid, tuple(books.complaints))


def _names(configuration: Configuration, jobs: Sequence[str]) -> tuple[JobName, ...]:
    return tuple(STATE_JOB if job == STATE_JOB else configuration.job(job).name for job in dict.fromkeys(jobs))


@contextmanager
def _rest(configuration: Configuration, clock: Clock) -> Iterator[Rest]:
    with opened_catalog(configuration) as catalog:
        yield Rest(catalog, Hand(Doer.here(), configuration.digest), clock)
