"""drorch run"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click

from drorch.actions.progress import Progress
from drorch.app.control.reaching import Reached, reached
from drorch.cli import exit_codes
from drorch.cli.daemon_shown import note_outdated
from drorch.cli.following import follow
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.cli.telling import tell
from drorch.clock import SystemClock
from drorch.config.configuration import Configuration
from drorch.errors import Problem
from drorch.model.event import Observer
from drorch.model.run import RunKind

_CODES = (*exit_codes.WRITES, 3, 4, 24, 30, 31, 32, 60, 61, 63, 65)


@click.command("run", cls=VerbCommand, exit_with=_CODES)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.pass_context
def command(context: click.Context, jobs: tuple[str, ...]) -> int:
    """Run jobs of the configuration now.

    Each job is backed up to the first of its targets that answers and copied to the others. A target that does not
    answer is made up for by the next run, as far as the retention there would keep what it lacks. With -t, the job is
    backed up to that target alone. What happens is written down in the catalog. A command over several jobs exits with
    the worst.

    Where a daemon works with the same configuration, it is asked to run the jobs; what is shown is the same, and an
    interruption cancels what was asked for.
    """
    session = Session.of(context)
    with reached(session.values.get("config")) as found:
        found.require_asked()
        if found.daemon is None:
            assert found.configuration is not None
            return _run_here(session, found.configuration, jobs)
        return _have_run(session, found, jobs)


def _have_run(session: Session, found: Reached, jobs: tuple[str, ...]) -> int:
    assert found.daemon is not None
    note_outdated(session.output, found)
    if session.retry_lock:
        session.output.note("the daemon waits for locks as the job's retries say, not as --retry-lock does")
    return follow(session, found.daemon.run(jobs, session.values.get("target")), SystemClock())


def _run_here(session: Session, configuration: Configuration, jobs: tuple[str, ...]) -> int:
    # By name, so that whoever asks a daemon does not pay for loading the engine.
    app_jobs = importlib.import_module("drorch.app.jobs")
    output, target = session.output, session.values.get("target")

    @contextmanager
    def progress(kind: RunKind, _target: str) -> Iterator[Progress]:
        with showing(output, kind.value, terminal=session.terminal) as shown:
            yield shown

    worst = 0
    wanted = app_jobs.JobRuns(jobs, None if target is None else (target,), session.retry_lock, output.note)
    with _observed(configuration, jobs, output) as observer:
        for report in app_jobs.run_jobs(configuration, replace(wanted, observer=observer), SystemClock(), progress):
            if isinstance(report, str):
                output.problem(Problem("drorch", report), during="warning")
            else:
                told = app_jobs.told_of(report)
                tell(output, told)
                worst = max(worst, told.exit_code)
    return worst


@contextmanager
def _observed(configuration: Configuration, jobs: tuple[str, ...], output: Output) -> Iterator[Observer | None]:
    """The monitors of the jobs, which are told as the daemon would tell them; None where they have none."""
    if all(job.ping is None for job in configuration.jobs.values() if job.name in jobs):
        yield None
        return
    monitors = importlib.import_module("drorch.app.monitors")
    with monitors.pinging(configuration, output.note, SystemClock()) as observer:
        yield observer
