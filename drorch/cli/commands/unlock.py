"""drorch unlock"""

from typing import Any

import click

from drorch.app import upkeep as app_upkeep
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.proving import leave_a_deed
from drorch.cli.session import Session
from drorch.units import counted


@click.command("unlock", cls=VerbCommand, exit_with=(*exit_codes.OPENS, 4))
@click.option("--remove-all", is_flag=True, help="Every lock, also of clients that are at work.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Remove locks whose writers are gone.

    A writer is gone when its process does not exist on this host, or when it has not renewed its lock for 30 minutes.
    """
    session = Session.of(context)
    access = session.access()
    if options["remove_all"]:
        leave_a_deed(session, "unlock --remove-all")
    result = app_upkeep.unlock(access, remove_all=options["remove_all"])
    if session.output.json:
        kept = [lock.describe() for lock in result.kept]
        session.output.message({"message_type": "unlocked", "removed": result.removed, "kept": kept})
        return
    session.output.line(f"removed {counted(result.removed, 'lock')}")
    for lock in result.kept:
        session.output.note(f"kept: {lock.describe()}")
