"""What is shown of a run that has ended: the same, wherever it was done."""

from drorch.app.told import Told
from drorch.cli.faults import Fault
from drorch.cli.output.writer import Output
from drorch.errors import Problem
from drorch.ids import SHORT_HEX
from drorch.model.run import Run, RunKind
from drorch.units import format_duration, format_size


def tell(output: Output, told: Told) -> None:
    """Show what became of a run."""
    run = told.run
    for alarm in told.alarms:
        output.problem(alarm, during="alarm")
    if output.json:
        output.message({"message_type": "run", **_facts(run), "exit_code": told.exit_code})
    if told.fault is not None:
        line = Fault(told.exit_code, told.fault.message, told.fault.hint).line
        output.problem(Problem(f"{run.job}@{run.target}", line.removeprefix("drorch: ")), during="run")
        return
    for problem in run.problems:
        output.problem(problem, during=run.kind.value)
    if not output.json:
        output.line(f"{run.job}@{run.target}: {run.outcome}, {_summary(run)}, in {format_duration(run.seconds or 0.0)}")


def _summary(run: Run) -> str:
    stored = format_size(run.counters.get("data_added_packed", 0))
    if run.kind is RunKind.COPY:
        count = run.counters.get("snapshots_copied", 0)
        return f"{count} {'snapshot' if count == 1 else 'snapshots'} copied: {stored} stored"
    assert run.snapshot is not None
    read = f"{run.counters['total_files_processed']} files, {format_size(run.counters['total_bytes_processed'])}"
    return f"snapshot {run.snapshot.hex()[:SHORT_HEX]}: {read}, {stored} stored"


def _facts(run: Run) -> dict[str, object]:
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
