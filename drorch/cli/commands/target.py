"""drorch target"""

import click

from drorch.app import configuration as app_configuration
from drorch.app import probe as app
from drorch.app import undelete as app_undelete
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.hiding import sum_up, tell_hidden
from drorch.cli.probes import Teller, tell
from drorch.cli.proving import leave_a_deed
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Outcome, UsageError

_CODES = (*exit_codes.FAULTS, 4, 20, 21, 22, 23, 26, 62, Outcome.PROMISE_BROKEN)

_UNDELETE_CODES = (*exit_codes.FAULTS, 4, 20, 21, 25, 26, 62)


@click.group("target", cls=VerbGroup, exit_with=_CODES)
def command() -> None:
    """Try out targets, and bring back what they hide."""


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
    only = _only_one(session, name, "probe")
    configuration = app_configuration.load(session.values.get("config"))
    session.output.note(f"probing target {only}, which takes about a minute")
    report = app.probe(configuration, only, SystemClock(), Teller(session.output))
    tell(session.output, report)
    return Outcome.PROMISE_BROKEN if report.probed.broken else Outcome.OK


@command.command("undelete", cls=VerbCommand, exit_with=_UNDELETE_CODES)
@click.argument("name", required=False)
@click.option("--yes", is_flag=True, help="Do it.")
@click.pass_context
def undelete(context: click.Context, /, name: str | None, *, yes: bool) -> int:
    """Bring back what a bucket with versions hides.

    What was deleted lies under a delete marker, what was overwritten under a newer version. With --at, everything is
    brought back as it was at that time, and what was saved since stays. Nothing is removed for good, so it can be
    undone the same way. Locks stay hidden. Without --yes the plan is shown.
    """
    session = Session.of(context)
    output = session.output
    with app_undelete.hidden_on(session.values.get("config"), _only_one(session, name, "undelete")) as hidden:
        plan = hidden.plan(session.values.get("at"))
        for one in plan.objects:
            tell_hidden(output, one)
        if yes:
            for _ in hidden.bring_back(plan):
                pass
            leave_a_deed(session, "undelete", objects=str(len(plan.objects)))
    sum_up(output, plan, done=yes)
    return Outcome.OK


def _only_one(session: Session, name: str | None, verb: str) -> str:
    asked = {one for one in (name, session.values.get("target")) if one}
    if len(asked) != 1:
        fault = "two targets are named" if asked else "no target is named"
        raise UsageError(fault, hint=f"Type for instance: drorch target {verb} offsite")
    [only] = asked
    return str(only)
