"""drorch snapshots"""

import importlib
from typing import Any

import click

from drorch.cli import exit_codes
from drorch.cli.filters import filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.session import Session


@click.command("snapshots", cls=VerbCommand, exit_with=(*exit_codes.OPENS, 4))
@click.argument("ids", nargs=-1, metavar="[SNAPSHOT]...")
@click.option("--latest", type=click.IntRange(min=1), metavar="N", help="Only the newest N of each host and paths.")
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """List snapshots.

    The oldest comes first. SNAPSHOT is an id, its beginning, or latest. With -t, what is proven of each is shown, and
    all are compared with what is known: a snapshot that has vanished or changed is an alarm, a finding, and a hold.
    """
    session = Session.of(context)
    with session.begun() as access:
        # Loaded while the repository is being unlocked (docs/adr/0010-unlocking-beside-loading.md).
        code: int = importlib.import_module("drorch.cli.listed").run(session, access, options)
    return code
