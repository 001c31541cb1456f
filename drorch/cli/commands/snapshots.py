"""drorch snapshots"""

from typing import Any

import click

from drorch.app import reading as app_reading
from drorch.cli import exit_codes
from drorch.cli.choosing import chosen, filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.records import local_time, snapshot_record
from drorch.cli.session import Session
from drorch.errors import IntegrityError, Problem
from drorch.ids import SHORT_HEX
from drorch.repository.repository import NamedSnapshot
from drorch.units import format_size


@click.command("snapshots", cls=VerbCommand, exit_with=exit_codes.OPENS)
@click.argument("ids", nargs=-1, metavar="[SNAPSHOT]...")
@click.option("--latest", type=click.IntRange(min=1), metavar="N", help="Only the newest N of each host and paths.")
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """List snapshots.

    The oldest comes first. SNAPSHOT is an id, its beginning, or latest.
    """
    session = Session.of(context)
    found = app_reading.snapshots(
        session.access(), chosen(options), ids=options["ids"], latest=int(options["latest"] or 0)
    )
    output = session.output
    if output.json:
        output.message([snapshot_record(item) for item in found.snapshots])
    elif found.snapshots:
        output.table(("ID", "Time", "Host", "Tags", "Paths", "Size"), [_row(item) for item in found.snapshots])
        output.note(f"{len(found.snapshots)} snapshots")
    else:
        output.note("no snapshots")
    for snapshot_id, fault in found.faults:
        output.problem(Problem(snapshot_id.hex()[:SHORT_HEX], fault.message), during="snapshot")
    return IntegrityError.exit_code if found.faults else 0


def _row(item: NamedSnapshot) -> tuple[str, ...]:
    snapshot = item.snapshot
    size = snapshot.summary.get("total_bytes_processed")
    return (
        item.id.hex()[:SHORT_HEX],
        local_time(snapshot.time),
        snapshot.hostname,
        ",".join(snapshot.tags),
        " ".join(snapshot.paths),
        format_size(size) if isinstance(size, int) else "",
    )
