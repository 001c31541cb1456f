"""drorch history"""

import os
from typing import Any

import click

from drorch.app import configuration as app_configuration
from drorch.app import history as app_history
from drorch.app.history import PathHistory, PathVersion
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.escaping import visible_name
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.cli.versions import lineage_text, moment_text, size_of, version_record
from drorch.ids import SHORT_HEX

_COLUMNS = ("First seen", "Last seen", "Changed by", "Type", "Modified", "Size", "Snapshots", "Newest")


@click.command("history", cls=VerbCommand, exit_with=(*exit_codes.FAULTS, 4, 60, 62))
@click.argument("path", metavar="PATH")
@click.option("--job", metavar="JOB", help="Only what this job saved.")
@click.option("-H", "--host", metavar="HOST", help="Only what was saved of this host.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Show every version of a path.

    Answered from the catalog; no target is touched. For each version: the snapshots that first and last showed it,
    when it had changed or was gone, and the newest snapshot to restore it from. PATH begins with a slash.
    """
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    told = app_history.history(configuration, os.fsencode(options["path"]), options["host"], options["job"])
    output = session.output
    if output.json:
        output.message([_record(one) for one in told])
        return
    for number, one in enumerate(told):
        if number:
            output.line()
        _show(output, one)


def _show(output: Output, told: PathHistory) -> None:
    output.line(f"{visible_name(told.path)} of {lineage_text(told.lineage)}")
    output.table(_COLUMNS, [_row(version) for version in told.versions])
    if told.vanished is not None:
        output.line(f"gone by {moment_text(told.vanished)}")


def _row(version: PathVersion) -> tuple[str, ...]:
    return (
        moment_text(version.first.taken),
        moment_text(version.last.taken),
        "" if version.ended is None else moment_text(version.ended),
        version.state.type.name.lower(),
        moment_text(version.state.mtime_ns),
        size_of(version.state),
        str(version.snapshots),
        version.last.id.hex()[:SHORT_HEX],
    )


def _record(told: PathHistory) -> dict[str, object]:
    return {
        "path": told.path.decode("utf-8", "surrogateescape"),
        "host": told.lineage.host,
        "job": told.lineage.job,
        "vanished": told.vanished.isoformat() if told.vanished else None,
        "versions": [version_record(version) for version in told.versions],
    }
