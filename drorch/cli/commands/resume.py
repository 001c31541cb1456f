"""drorch resume"""

import importlib

import click

from drorch.app.control.reaching import reached
from drorch.cli import exit_codes
from drorch.cli.daemon_shown import pause_record, resumed_text
from drorch.cli.global_options import VerbCommand
from drorch.cli.session import Session
from drorch.clock import SystemClock

_CODES = (*exit_codes.FAULTS, 4, 60, 62, 65)


@click.command("resume", cls=VerbCommand, exit_with=_CODES)
@click.argument("jobs", nargs=-1, metavar="[JOB...]")
@click.pass_context
def command(context: click.Context, /, jobs: tuple[str, ...]) -> int:
    """End pauses.

    Those of the jobs named, or every pause where none is named. A job rests on while there is a pause of everything.
    """
    session = Session.of(context)
    with reached(session.values.get("config")) as found:
        if found.daemon is not None:
            ended = found.daemon.resume(jobs)
        else:
            found.require_asked()
            byhand = importlib.import_module("drorch.app.control.byhand")
            ended = byhand.resume(found.configuration, SystemClock(), jobs)
    for pause in ended:
        if session.output.json:
            session.output.message(pause_record("resume", pause))
        else:
            session.output.line(resumed_text(pause))
    if not ended:
        session.output.note("nothing of that rests")
    return 0
