"""drorch dump"""

from typing import Any

import click

from drorch.app import reading as app_reading
from drorch.cli import exit_codes
from drorch.cli.choosing import chosen, reference_with
from drorch.cli.filters import filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.session import Session
from drorch.errors import UsageError


@click.command("dump", cls=VerbCommand, exit_with=exit_codes.OPENS)
@click.argument("snapshot", metavar="SNAPSHOT[:PATH]")
@click.argument("path", required=False)
@click.option("--archive", type=click.Choice(["tar"]), default="tar", show_default=True, help="Form of a folder.")
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Write a file, or a folder as tar, to standard output.

    A folder's names are relative to it. Every blob is verified before its bytes are written.
    """
    session = Session.of(context)
    out = session.output.raw
    reference = reference_with(options["snapshot"], options["path"])
    if out.isatty() and not session.values.get("quiet"):
        raise UsageError("standard output is a terminal", hint="Send it into a file or a pipe: drorch dump ... > FILE")
    app_reading.dump(session.access(), reference, chosen(options), out)
    out.flush()
