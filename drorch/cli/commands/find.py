"""drorch find"""

import os
from typing import Any

import click

from drorch.app import configuration as app_configuration
from drorch.app import history as app_history
from drorch.app.history import FoundPath, Match, PathQuery
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.escaping import visible_name
from drorch.cli.session import Session
from drorch.cli.versions import lineage_text, moment_text, size_of, version_record
from drorch.ids import SHORT_HEX
from drorch.units import counted

_COLUMNS = ("Modified", "Size", "Snapshot", "Job", "Path", "")


@click.command("find", cls=VerbCommand, exit_with=(*exit_codes.FAULTS, 4, 60, 62))
@click.argument("pattern", metavar="PATTERN")
@click.option("--job", metavar="JOB", help="Only what this job saved.")
@click.option("-H", "--host", metavar="HOST", help="Only what was saved of this host.")
@click.option("-i", "--ignore-case", is_flag=True, help="Small and capital letters are the same.")
@click.option(
    "--match",
    type=click.Choice([match.value for match in Match]),
    default=Match.GLOB.value,
    show_default=True,
    help="How PATTERN is meant: as a shell does, anywhere in the path, or as the exact name.",
)
@click.option("--present", is_flag=True, help="Only what the newest snapshot still has.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N", help="At most N paths."
)
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Find a path in all snapshots.

    Answered from the catalog; no target is touched. PATTERN is of the name, or of the whole path where it holds a
    slash; ** crosses slashes. Of each path the newest version is shown, with the newest snapshot that has it;
    "drorch history PATH" tells the others.
    """
    session = Session.of(context)
    query = PathQuery(
        pattern=os.fsencode(options["pattern"]),
        match=Match(options["match"]),
        ignore_case=options["ignore_case"],
        host=options["host"],
        job=options["job"],
        only_present=options["present"],
        limit=options["limit"],
    )
    found = app_history.find(app_configuration.load(session.values.get("config")), query)
    output = session.output
    if output.json:
        for one in found.paths:
            output.message(_record(one))
        output.message({"message_type": "summary", "paths": len(found.paths), "more": found.more})
    elif found.paths:
        output.table(_COLUMNS, [_row(one) for one in found.paths])
    output.note(counted(len(found.paths), "path") if found.paths else "nothing fits")
    if found.more:
        output.note("there may be more: give --limit a larger number")


def _row(found: FoundPath) -> tuple[str, ...]:
    newest = found.newest
    gone = "" if newest.ended is None else f"gone by {moment_text(newest.ended)}"
    return (
        moment_text(newest.state.mtime_ns),
        size_of(newest.state),
        newest.last.id.hex()[:SHORT_HEX],
        lineage_text(found.lineage),
        visible_name(found.path),
        "" if found.present else gone,
    )


def _record(found: FoundPath) -> dict[str, object]:
    return {
        "message_type": "path",
        "path": found.path.decode("utf-8", "surrogateescape"),
        "host": found.lineage.host,
        "job": found.lineage.job,
        "present": found.present,
        **version_record(found.newest),
    }
