"""What is shown of the scheduled checks of targets: one row each, and why it is as it is."""

from collections.abc import Sequence
from datetime import datetime

from drorch.cli.output.writer import Output
from drorch.model.standing import CheckStanding, Condition
from drorch.units import rough_span

_COLUMNS = ("Check of", "Standing", "Last check", "Next due")


def show_checks(output: Output, checks: Sequence[CheckStanding], now: datetime) -> None:
    """Show how scheduled checks stand; nothing where there are none."""
    if not checks:
        return
    output.table(_COLUMNS, [_row(one, now) for one in checks])
    for one in checks:
        for reason in one.reasons:
            output.line(f"{one.subject}: {reason}")


def _row(one: CheckStanding, now: datetime) -> tuple[str, ...]:
    run, condition = one.record.last_run, one.condition
    return (
        one.target,
        condition.upper() if condition is Condition.OVERDUE else condition.value,
        "never" if run is None else f"{run.outcome}, {rough_span(now - run.started)} ago",
        "disabled" if one.next_due is None else f"{one.next_due:%a %m-%d %H:%M}",
    )


def check_record(one: CheckStanding) -> dict[str, object]:
    """A check as programs are told of it."""
    run = one.record.last_run
    return {
        "target": one.target,
        "standing": one.condition.value,
        "reasons": list(one.reasons),
        "schedule": str(one.plan.timetable.schedule),
        "next_due": None if one.next_due is None else one.next_due.isoformat(),
        "last_run": None
        if run is None
        else {
            "run_id": run.id,
            "outcome": run.outcome.value,
            "started": run.started.isoformat(),
            "ended": None if run.ended is None else run.ended.isoformat(),
            "problems": len(run.problems),
        },
    }
