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
from drorch.errors import Problem
from drorch.ids import SHORT_HEX
from drorch.model.run import Run, RunKind
from drorch.orchestrator.runner import RunReport
from drorch.units import format_duration, format_size

_CODES = (*exit_codes.WRITES, 3, 4, 24, 30, 31, 32, 61, 63)


@click.command("run", cls=VerbCommand, exit_with=_CODES)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
@click.pass_context
def command(context: click.Context, jobs: tuple[str, ...]) -> int:
    """Run jobs of the configuration now.

    Each job is backed up to the first of its targets that answers and copied to the others. A target that does not
    answer is made up for by the next run, as far as the retention there would keep what it lacks. With -t, the job is
    backed up to that target alone. What happens is written down in the catalog. A command over several jobs exits with
    the worst.
    """
    session = Session.of(context)
    output = session.output
    configuration = app_configuration.load(session.values.get("config"))

    @contextmanager
    def progress(kind: RunKind, _target: str) -> Iterator[Progress]:
        with showing(output, kind.value, terminal=session.terminal) as shown:
            yield shown

    worst = 0
    target = session.values.get("target")
    wanted = JobRuns(jobs, None if target is None else (target,), session.retry_lock, output.note)
    for told in run_jobs(configuration, wanted, SystemClock(), progress):
        if isinstance(told, str):
            output.problem(Problem("catalog", told), during="warning")
        else:
            worst = max(worst, _tell(output, told))
    return worst


def _tell(output: Output, report: RunReport) -> int:
    run = report.run
    for alarm in report.alarms:
        output.problem(Problem(run.target, alarm.event.message), during="alarm")
    if output.json:
        output.message({"message_type": "run", **_facts(report), "exit_code": report.exit_code})
    if report.fault is not None:
        fault = fault_of(report.fault)
        output.problem(Problem(f"{run.job}@{run.target}", fault.line.removeprefix("drorch: ")), during="run")
        return report.exit_code
    for problem in run.problems:
        output.problem(problem, during=run.kind.value)
    if not output.json:
        output.line(f"{run.job}@{run.target}: {run.outcome}, {_summary(run)}, in {format_duration(run.seconds or 0.0)}")
    return report.exit_code


def _summary(run: Run) -> str:
    stored = format_size(run.counters.get("data_added_packed", 0))
    if run.kind is RunKind.COPY:
        count = run.counters.get("snapshots_copied", 0)
        return f"{count} {'snapshot' if count == 1 else 'snapshots'} copied: {stored} stored"
    assert run.snapshot is not None
    read = f"{run.counters['total_files_processed']} files, {format_size(run.counters['total_bytes_processed'])}"
    return f"snapshot {run.snapshot.hex()[:SHORT_HEX]}: {read}, {stored} stored"


def _facts(report: RunReport) -> dict[str, object]:
    run = report.run
    return {
        "run_id": run.id,
        "job": run.job,
        "kind": run.kind.value,
        "target": run.target,
        "outcome": run.outcome.value,
        "snapshot_id": run.snapshot.hex() if run.snapshot else None,
        "started": run.started.isoformat(),
        "ended": run.ended.isoformat() if run.ended else None,
        "counters": dict(run.counters),
        "problems": [{"subject": problem.subject, "message": problem.message} for problem in run.problems],
    }
