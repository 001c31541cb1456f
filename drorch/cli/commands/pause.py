"""drorch pause"""

import importlib
from datetime import timedelta

import click

from drorch.app.control.reaching import reached
from drorch.cli import exit_codes
from drorch.cli.daemon_shown import pause_record, pause_text
from drorch.cli.global_options import Duration, VerbCommand
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import UsageError
from drorch.orchestrator.control.requests import LONGEST_REASON, is_reason

_CODES = (*exit_codes.FAULTS, 4, 60, 62, 65)


@click.command("pause", cls=VerbCommand, exit_with=_CODES)
@click.argument("jobs", nargs=-1, metavar="[JOB...]")
@click.option(
    "--for", "span", type=Duration(), metavar="DURATION", help="End by itself after so long, for instance 2h."
)
@click.option("--reason", default="", metavar="TEXT", help="Why; shown wherever the pause is.")
@click.pass_context
def command(context: click.Context, /, jobs: tuple[str, ...], span: float | None, reason: str) -> int:
    """Let schedules rest for a while.

    No schedule launches the jobs meanwhile, or anything at all where no job is named; what runs already goes on, and
    "drorch run" runs a job all the same. A pause outlives the daemon. Once it has ended, what was missed is made up
    for once.
    """
    session = Session.of(context)
    if span is not None and span <= 0:
        raise UsageError("a pause of no time is none", hint="Write for instance --for 2h.")
    if not is_reason(reason):
        raise UsageError("that is no reason", hint=f"Write one line of at most {LONGEST_REASON} characters.")
    lasting = None if span is None else timedelta(seconds=span)
    with reached(session.values.get("config")) as found:
        if found.daemon is not None:
            pauses = found.daemon.pause(jobs, lasting, reason)
        else:
            found.require_asked()
            byhand = importlib.import_module("drorch.app.control.byhand")
            pauses = byhand.pause(found.configuration, SystemClock(), byhand.Wish(jobs, lasting, reason))
    for pause in pauses:
        if session.output.json:
            session.output.message(pause_record("pause", pause))
        else:
            session.output.line(pause_text(pause))
    return 0
