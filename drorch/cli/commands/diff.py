"""drorch diff"""

from typing import Any

import click

from drorch.actions.difference import Side
from drorch.actions.snapshots import parse_reference
from drorch.app import reading as app_reading
from drorch.app.reading import Differences
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.escaping import visible_name
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.units import format_size


@click.command("diff", cls=VerbCommand, exit_with=exit_codes.OPENS)
@click.argument("old", metavar="SNAPSHOT[:PATH]")
@click.argument("new", metavar="SNAPSHOT[:PATH]")
@click.option("--metadata", is_flag=True, help="Paths whose metadata alone differs, too.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Show what differs between two snapshots.

    + came, - went, M has other content, T is of another type, U has other metadata. A folder ends with a slash.
    """
    session = Session.of(context)
    output = session.output
    old, new = parse_reference(options["old"]), parse_reference(options["new"])
    with app_reading.differences(session.access(), old, new, metadata=options["metadata"]) as found:
        for change in found.changes:
            if output.json:
                path = change.path.decode("utf-8", "surrogateescape")
                output.message({"message_type": "change", "path": path, "modifier": change.modifier})
            else:
                output.line(f"{change.modifier:<4} {visible_name(change.path)}")
        _sum_up(output, found)


def _sum_up(output: Output, found: Differences) -> None:
    totals = found.comparison.totals
    if output.json:
        output.message(
            {
                "message_type": "statistics",
                "source_snapshot": found.old.id.hex(),
                "target_snapshot": found.new.id.hex(),
                "changed_files": totals.changed_files,
                "added": _side_record(totals.added),
                "removed": _side_record(totals.removed),
            }
        )
        return
    output.note(f"changed: {totals.changed_files} files")
    for word, side in (("added", totals.added), ("removed", totals.removed)):
        output.note(
            f"{word}: {side.files} files, {side.dirs} folders, {side.others} others; "
            f"{side.data_blobs} data blobs, {side.tree_blobs} tree blobs, {format_size(side.size)}"
        )


def _side_record(side: Side) -> dict[str, int]:
    return {
        "files": side.files,
        "dirs": side.dirs,
        "others": side.others,
        "data_blobs": side.data_blobs,
        "tree_blobs": side.tree_blobs,
        "bytes": side.size,
    }
