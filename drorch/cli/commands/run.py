"""drorch run"""

from collections.abc import Iterator
from contextlib import contextmanager

import click

from drorch.actions.progress import Progress
from drorch.app import configuration as app_configuration
from drorch.app.jobs import JobRuns, run_jobs
from drorch.cli import exit_codes
from drorch.cli.faults import fault_of
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Outcome, Problem
from drorch.ids import SHORT_HEX
from drorch.model.job import Job
from drorch.orchestrator.runner import RunReport
from drorch.units import format_duration, format_size

_CODES = (*exit_codes.WRITES, 3, 4, 30, 31, 32, 61)


@click.command("run", cls=VerbCommand, exit_with=_CODES)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.pass_context
def command(context: click.Context, jobs: tuple[str, ...]) -> int:
    """Run jobs of the configuration now.

    Each job is saved to all of its targets, or to the one that -t names. What happens is written down in the catalog.
    A command over several jobs exits with the worst.
    """
    session = Session.of(context)
    output = session.output
    configuration = app_configuration.load(session.values.get("config"))

    @contextmanager
    def progress(_job: Job) -> Iterator[Progress]:
        with showing(output, "backup", terminal=session.terminal) as shown:
            yield shown

    worst = 0
    for told in run_jobs(
        configuration, JobRuns(jobs, session.values.get("target"), session.retry_lock), SystemClock(), progress
    ):
        if isinstance(told, str):
            output.problem(Problem("catalog", told), during="warning")
        else:
            worst = max(worst, _tell(output, told))
    return worst


def _tell(output: Output, report: RunReport) -> int:
    run = report.run
    for alarm in report.alarms:
        output.problem(Problem(run.target, alarm.event.message), during="alarm")
    if report.fault is not None:
        fault = fault_of(report.fault)
        if output.json:
            output.message({"message_type": "run", **_facts(report), "exit_code": report.fault.exit_code})
        output.problem(Problem(f"{run.job}@{run.target}", fault.line.removeprefix("drorch: ")), during="run")
        return report.fault.exit_code
    for problem in run.problems:
        output.problem(problem, during="backup")
    code = Outcome.SOURCE_INCOMPLETE if run.problems else Outcome.OK
    if output.json:
        output.message({"message_type": "run", **_facts(report), "exit_code": int(code)})
    else:
        assert run.snapshot is not None
        read = f"{run.counters['total_files_processed']} files, {format_size(run.counters['total_bytes_processed'])}"
        stored = format_size(run.counters["data_added_packed"])
        took = format_duration(run.seconds or 0.0)
        name = run.snapshot.hex()[:SHORT_HEX]
        output.line(f"{run.job}@{run.target}: {run.outcome}, snapshot {name}: {read}, {stored} stored, in {took}")
    return int(code)


def _facts(report: RunReport) -> dict[str, object]:
    run = report.run
    return {
        "run_id": run.id,
        "job": run.job,
        "target": run.target,
        "outcome": run.outcome.value,
        "snapshot_id": run.snapshot.hex() if run.snapshot else None,
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "counters": dict(run.counters),
        "problems": [{"subject": problem.subject, "message": problem.message} for problem in run.problems],
    }
