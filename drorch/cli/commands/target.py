"""drorch target"""

import click

from drorch.app import configuration as app_configuration
from drorch.app import probe as app
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.probes import Teller, tell
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Outcome, UsageError

_CODES = (*exit_codes.FAULTS, 4, 20, 21, 22, 23, 26, 62, Outcome.PROMISE_BROKEN)


@click.group("target", cls=VerbGroup, exit_with=_CODES)
def command() -> None:
    """Try out targets."""


@command.command("probe", cls=VerbCommand, exit_with=_CODES)
@click.argument("name", required=False)
@click.pass_context
def probe(context: click.Context, /, name: str | None) -> int:
    """Find out what a target keeps of what drorch relies on.

    It is done on the target itself, in a scratch place below its path or prefix that is removed again: saving,
    reading, listing, replacing, deleting, speed, and, where there is such a thing, conditions, versions and object
    lock. What the target is worth in the rule 3-2-1-1-0 is told, too. The repository is not touched. It takes about a
    minute and sends some 70 MiB, less on slow lines. A question that could not be answered is never answered by yes.
    """
    session = Session.of(context)
    asked = {one for one in (name, session.values.get("target")) if one}
    if len(asked) != 1:
        fault = "two targets are named" if asked else "no target is named"
        raise UsageError(fault, hint="Type for instance: drorch target probe offsite")
    configuration = app_configuration.load(session.values.get("config"))
    [only] = asked
    session.output.note(f"probing target {only}, which takes about a minute")
    report = app.probe(configuration, only, SystemClock(), Teller(session.output))
    tell(session.output, report)
    return Outcome.PROMISE_BROKEN if report.probed.broken else Outcome.OK
