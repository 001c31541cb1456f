"""drorch ls"""

from typing import Any

import click

from drorch.app import reading as app_reading
from drorch.cli import exit_codes
from drorch.cli.choosing import chosen, reference_with
from drorch.cli.filters import filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.escaping import visible_name
from drorch.cli.records import local_time, long_line, node_record, snapshot_record
from drorch.cli.session import Session
from drorch.ids import SHORT_HEX


@click.command("ls", cls=VerbCommand, exit_with=exit_codes.OPENS)
@click.argument("snapshot", metavar="SNAPSHOT[:PATH]")
@click.argument("path", required=False)
@click.option("-l", "--long", "long_form", is_flag=True, help="Mode, owner, group, size and time too.")
@click.option("--recursive", is_flag=True, help="All that is below PATH; without a PATH this is always so.")
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """List the files of a snapshot.

    SNAPSHOT is an id, its beginning, or latest (of those that pass the filters).
    """
    session = Session.of(context)
    output = session.output
    reference = reference_with(options["snapshot"], options["path"])
    recursive = options["recursive"] or reference.path == b"/"
    with app_reading.files(session.access(), reference, chosen(options), recursive=recursive) as found:
        if output.json:
            output.message({**snapshot_record(found.named), "message_type": "snapshot", "struct_type": "snapshot"})
        else:
            snapshot = found.named.snapshot
            output.note(
                f"snapshot {found.named.id.hex()[:SHORT_HEX]} of {' '.join(snapshot.paths)} "
                f"at {local_time(snapshot.time)} by {snapshot.username}@{snapshot.hostname}"
            )
        for visit in found.visits:
            if output.json:
                output.message(node_record(visit))
            else:
                output.line(long_line(visit) if options["long_form"] else visible_name(visit.path))
