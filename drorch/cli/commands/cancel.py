"""drorch cancel"""

import importlib

import click

from drorch.app.control.reaching import reached
from drorch.cli import exit_codes
from drorch.cli.daemon_shown import launch_record, launch_text
from drorch.cli.global_options import VerbCommand
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Problem

_CODES = (*exit_codes.FAULTS, 4, 60, 62, 65)


@click.command("cancel", cls=VerbCommand, exit_with=_CODES)
@click.argument("what", metavar="LAUNCH|JOB")
@click.pass_context
def command(context: click.Context, /, what: str) -> int:
    """Stop what runs or waits.

    LAUNCH is the beginning of an id that "drorch status" shows; a job's name means all launches of it. What runs is
    asked to end and, if it does not within 30 s, killed with all it started. Without a daemon, the process that runs
    the job is asked to end.
    """
    session = Session.of(context)
    output = session.output
    with reached(session.values.get("config")) as found:
        if found.daemon is not None:
            for launch in found.daemon.cancel(what):
                if output.json:
                    output.message(launch_record("cancel", launch))
                else:
                    output.line(f"{launch_text(launch)} is cancelled")
            return 0
        found.require_asked()
        byhand = importlib.import_module("drorch.app.control.byhand")
        cancelled = byhand.cancel(found.configuration, SystemClock(), what)
    if cancelled.complaint is not None:
        output.problem(Problem("catalog", cancelled.complaint), during="warning")
    if output.json:
        output.message({"message_type": "cancel", "job": what, "pid": cancelled.pid})
    else:
        output.line(f"process {cancelled.pid}, which runs {what}, is told to stop")
    return 0
