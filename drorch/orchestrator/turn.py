"""Whose turn it is with a job: one run at a time, but no run is lost because there is no place for its lock."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import CatalogError, JobBusy
from drorch.model.names import JobName
from drorch.orchestrator.joblock import only_run_of

NO_PATIENCE = timedelta(0)
_RETRY_SECONDS = 0.1


@contextmanager
def turn_with(job: JobName, state_dir: Path, clock: Clock, patience: timedelta = NO_PATIENCE) -> Iterator[str | None]:
    """Hold the lock of a job, after waiting for it for so long; gives what must be said where none can be had.

    A state_dir that takes no lock does not keep a job from being saved: repositories are safe without. Raises `JobBusy`
    where another process runs the job all the time.
    """
    with ExitStack() as held:
        yield _hold(held, job, state_dir, clock, patience)


def _hold(held: ExitStack, job: JobName, state_dir: Path, clock: Clock, patience: timedelta) -> str | None:
    deadline = clock.monotonic() + patience.total_seconds()
    while True:
        try:
            held.enter_context(only_run_of(job, state_dir))
        except JobBusy:
            if clock.monotonic() >= deadline:
                raise
            clock.sleep(_RETRY_SECONDS)
        except CatalogError as fault:
            return f"nothing keeps a second run of {job} away: {fault.message}"
        else:
            return None
