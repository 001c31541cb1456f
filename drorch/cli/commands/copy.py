"""drorch copy"""

from typing import Any

import click

from drorch.actions.copy import CopyPlan, CopyResult
from drorch.app.copying import CopySpec, PlannedCopy, planned_copy
from drorch.cli import exit_codes
from drorch.cli.choosing import chosen
from drorch.cli.filters import filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.proving import leave_a_deed, proving, tell
from drorch.cli.records import local_time
from drorch.cli.session import Session, password_from
from drorch.clock import SystemClock
from drorch.errors import IntegrityError, Problem
from drorch.ids import SHORT_HEX
from drorch.units import counted, format_size


@click.command("copy", cls=VerbCommand, exit_with=(*exit_codes.WRITES, 4))
@click.argument("ids", nargs=-1, metavar="[SNAPSHOT]...")
@click.option("--to", required=True, metavar="REPO", help="URL of the other repository or, with -t, another target.")
@click.option("--to-password-file", metavar="FILE", help="File that holds its password; default: the same password.")
@click.option("--to-password-command", metavar="COMMAND", help="Command that prints its password.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be copied.")
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Copy snapshots into another repository.

    Copied are the snapshots that are named, or all that fit, and what is there already is not sent again. A snapshot
    arrives whole: it is saved when everything it needs is durable. A copy is proven anew: it begins as listed. drorch's
    own state is not copied unless its tag is named: every target is sent it directly.
    """
    session = Session.of(context)
    source = session.access()
    password = password_from(options["to_password_file"], options["to_password_command"])
    destination = session.other_access(options["to"], password, source)
    with planned_copy(source, destination, CopySpec(options["ids"], chosen(options))) as planned:
        for snapshot_id, fault in planned.faults:
            session.output.problem(Problem(snapshot_id.hex()[:SHORT_HEX], fault.message), during="copy")
        if options["dry_run"]:
            failed = _show_plan(session.output, planned)
        else:
            leave_a_deed(session, "copy", to=options["to"], snapshots=str(len(planned.plan.snapshots)))
            failed = _carry_out(session, planned, destination.location.name)
    return IntegrityError.exit_code if failed or planned.faults else 0


def _show_plan(output: Output, planned: PlannedCopy) -> bool:
    plan = planned.plan
    for named in plan.snapshots:
        if not output.json:
            output.line(f"copy {named.id.hex()[:SHORT_HEX]} of {local_time(named.snapshot.time)}")
    if output.json:
        output.message(
            {
                "message_type": "summary",
                "dry_run": True,
                "snapshots": [named.id.hex() for named in plan.snapshots],
                "present": len(planned.present),
                "blobs": plan.blob_count,
                "bytes_to_fetch": plan.bytes_to_fetch,
            }
        )
    else:
        output.line(
            f"would copy {counted(len(plan.snapshots), 'snapshot')}: {counted(plan.blob_count, 'blob')}, "
            f"{format_size(plan.bytes_to_fetch)} to fetch; {len(planned.present)} are there already"
        )
    return _tell(output, plan)


def _carry_out(session: Session, planned: PlannedCopy, target: str | None) -> bool:
    """Copy, and write that down where the destination is a target of the configuration; whether anything is wrong."""
    output = session.output
    alarmed = 0
    with showing(output, "copy", terminal=session.terminal) as progress:
        if target is None:
            result = planned.execute(progress)
        else:
            done = proving().copy(session.values.get("config"), target, planned, progress, SystemClock())
            result, alarmed = done.result, tell(output, done.alarms, done.complaints)
    pairs = [(old.id.hex(), new.id.hex()) for old, new in result.copied]
    if output.json:
        output.message(
            {
                "message_type": "summary",
                "copied": [{"id": new, "original": old} for old, new in pairs],
                "present": len(planned.present),
                "bytes_fetched": result.bytes_fetched,
                "data_added": result.stored.data_added,
                "data_added_packed": result.stored.data_added_packed,
            }
        )
    else:
        for old, new in pairs:
            output.line(f"snapshot {old[:SHORT_HEX]} copied as {new[:SHORT_HEX]}")
        output.line(
            f"{counted(len(pairs), 'snapshot')} copied, {len(planned.present)} were there already; "
            f"{format_size(result.stored.data_added_packed)} stored"
        )
    return _tell(output, result) or bool(alarmed)


def _tell(output: Output, done: CopyPlan | CopyResult) -> bool:
    """Name the snapshots that cannot be copied; whether there are any."""
    for problem in done.problems:
        output.problem(problem, during="copy")
    return bool(done.problems)
