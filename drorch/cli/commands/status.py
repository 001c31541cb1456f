"""drorch status"""

from datetime import datetime

import click

from drorch.app import status as app_status
from drorch.app.control.reaching import Reached, reached
from drorch.app.status import Status
from drorch.cli import exit_codes
from drorch.cli.checks_shown import check_record, show_checks
from drorch.cli.daemon_shown import note_outdated, show_daemon, show_pauses
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.writer import Output
from drorch.cli.proofs import proof_record, proof_text
from drorch.cli.session import Session
from drorch.clock import Clock, SystemClock
from drorch.errors import CatalogError, DaemonUnavailable, Outcome, Problem
from drorch.ids import SHORT_HEX
from drorch.model.hold import Hold, Lineage
from drorch.model.run import Run
from drorch.model.standing import Condition, Standing
from drorch.orchestrator.control.contract import DaemonStanding
from drorch.orchestrator.control.wording import said_pause, said_standing
from drorch.units import counted, duration_text, rough_span

_COLUMNS = ("Job", "Target", "Standing", "Last run", "Next due", "Newest snapshot", "Proof", "Findings")


@click.command("status", cls=VerbCommand, exit_with=(*exit_codes.FAULTS, 4, 60, 62, Outcome.OVERDUE))
@click.pass_context
def command(context: click.Context, /) -> int:
    """Show how every job stands.

    For each job and target: the last run, when the next is due, the newest snapshot's age against the objective (rpo),
    what is proven of it, and open findings. All of it is known from the catalog; no target is touched. A job is
    overdue where a run it was due for did not begin, or where its newest snapshot is older than the objective. Where
    checks of targets are scheduled, they are shown, too. With -t, only what concerns that target is.

    Where a daemon works with the same configuration, what it runs, what waits, what is due next and what rests is
    shown, too. A member of its group who may not read the configuration sees that much.
    """
    session = Session.of(context)
    output, clock = session.output, SystemClock()
    with reached(session.values.get("config")) as found:
        daemon = None if found.daemon is None else found.daemon.standing()
        standings, fault = _asked_of_catalog(found, session.values.get("target"), clock)
        if output.json:
            output.message(_record(standings, daemon, clock.now()))
        else:
            if standings is not None:
                _show(output, standings, asks_daemon=daemon is not None)
            if daemon is not None:
                show_daemon(output, daemon, clock.now(), jobs_too=standings is None)
        if isinstance(found.fault, DaemonUnavailable):
            output.problem(Problem("daemon", found.fault.message), during="warning")
        note_outdated(output, found)
    if fault is not None:
        raise fault
    if standings is None:
        return Outcome.OK
    for problem in standings.refused:
        output.problem(problem, during="spool")
    return Outcome.OVERDUE if standings.overdue else Outcome.OK


def _asked_of_catalog(found: Reached, target: str | None, clock: Clock) -> tuple[Status | None, CatalogError | None]:
    """How jobs stand, or why that cannot be told: what a daemon says is shown all the same."""
    if found.configuration is None:
        return None, None
    try:
        return app_status.status(found.configuration, clock, target), None
    except CatalogError as fault:
        if found.daemon is None:
            raise
        return None, fault


def _show(output: Output, found: Status, *, asks_daemon: bool) -> None:
    output.table(_COLUMNS, [_row(standing, found.at) for standing in found.standings])
    for standing in found.standings:
        for reason in standing.reasons:
            output.line(f"{standing.duty.job.name}@{standing.duty.target}: {reason}")
    show_checks(output, found.maintenance, found.at)
    if found.findings:
        output.line(f"{counted(len(found.findings), 'open finding')}: {_kinds(found)}")
    for hold in found.holds:
        since = rough_span(found.at - hold.since)
        output.line(f"hold {hold.id[:SHORT_HEX]} on {_held(hold)} for {since}: {hold.reason}")
    if not asks_daemon:
        show_pauses(output, found.pauses)
    if found.spooled:
        output.line(f"{counted(found.spooled, 'record')} of runs could not be written to the catalog yet")


def _kinds(found: Status) -> str:
    return ", ".join(sorted({finding.kind.value for finding in found.findings}))


def _held(hold: Hold) -> str:
    subject = hold.subject
    if isinstance(subject, Lineage):
        return f"{subject.job or 'what has no job'} of {subject.host}"
    return f"snapshot {subject.hex()[:SHORT_HEX]}"


def _row(standing: Standing, now: datetime) -> tuple[str, ...]:
    duty, record = standing.duty, standing.record
    return (
        duty.job.name,
        duty.target,
        standing.condition.upper() if standing.condition is Condition.OVERDUE else standing.condition.value,
        _last_run(record.last_run, now),
        _next_due(standing),
        _newest(standing),
        _proof(standing, now),
        str(len(record.findings)) if record.findings else "",
    )


def _last_run(run: Run | None, now: datetime) -> str:
    return "never" if run is None else f"{run.outcome}, {rough_span(now - run.started)} ago"


def _next_due(standing: Standing) -> str:
    if standing.condition is Condition.DISABLED:
        return "disabled"
    if standing.next_due is None:
        after = standing.duty.job.after
        return "by hand" if after is None else f"after {after}"
    return f"{standing.next_due:%a %m-%d %H:%M}"


def _newest(standing: Standing) -> str:
    rpo = standing.duty.job.objective.rpo
    age = "none" if standing.age is None else f"{rough_span(standing.age)} old"
    return age if rpo is None else f"{age}, rpo {duration_text(rpo)}"


def _proof(standing: Standing, now: datetime) -> str:
    record = standing.record
    if record.newest is None:
        return ""
    text = proof_text(record.proof, now)
    older = record.best
    if older is None or (record.proof is not None and older.level <= record.proof.level):
        return text
    return f"{text}, an older one {proof_text(older, now)}"


def _record(found: Status | None, daemon: DaemonStanding | None, now: datetime) -> dict[str, object]:
    rest = daemon.pauses if daemon is not None else () if found is None else found.pauses
    return {
        "message_type": "status",
        **({"time": now.isoformat(), "jobs": None} if found is None else _standings_record(found)),
        "pauses": [said_pause(one) for one in rest],
        "daemon": None if daemon is None else said_standing(daemon),
    }


def _standings_record(found: Status) -> dict[str, object]:
    return {
        "time": found.at.isoformat(),
        "host": found.host,
        "overdue": found.overdue,
        "jobs": [_standing_record(standing, found.at) for standing in found.standings],
        "checks": [check_record(one) for one in found.maintenance],
        "open_findings": [
            {
                "id": one.id,
                "kind": one.kind.value,
                "subject": one.subject,
                "message": one.message,
                "state": one.state.value,
                "opened": one.opened.isoformat(),
                "assignee": one.assignee,
            }
            for one in found.findings
        ],
        "holds": [
            {"id": one.id, "subject": _held(one), "reason": one.reason, "since": one.since.isoformat()}
            for one in found.holds
        ],
        "spooled_records": found.spooled,
    }


def _standing_record(standing: Standing, now: datetime) -> dict[str, object]:
    duty, record = standing.duty, standing.record
    run, newest, rpo = record.last_run, record.newest, duty.job.objective.rpo
    return {
        "job": duty.job.name,
        "target": duty.target,
        "enabled": duty.job.enabled,
        "standing": standing.condition.value,
        "reasons": list(standing.reasons),
        "schedule": str(duty.schedule) if duty.schedule else None,
        "next_due": standing.next_due.isoformat() if standing.next_due else None,
        "after": duty.job.after,
        "last_run": None
        if run is None
        else {
            "run_id": run.id,
            "outcome": run.outcome.value,
            "started": run.started.isoformat(),
            "ended": run.ended.isoformat() if run.ended else None,
            "snapshot_id": run.snapshot.hex() if run.snapshot else None,
            "problems": len(run.problems),
        },
        "newest_snapshot": None
        if newest is None or standing.age is None
        else {
            "id": newest.id.hex(),
            "time": newest.taken.isoformat(),
            "age_seconds": int(standing.age.total_seconds()),
        },
        "rpo_seconds": None if rpo is None else int(rpo.total_seconds()),
        "proof": proof_record(record.proof, now),
        "best_proof": proof_record(record.best, now),
        "open_findings": len(record.findings),
    }
