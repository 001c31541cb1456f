"""drorch watch"""

from dataclasses import dataclass
from datetime import timedelta

import click

from drorch.app import configuration as app_configuration
from drorch.app.watch import SUBJECT, Watch, Watched
from drorch.cli import exit_codes
from drorch.cli.global_options import Duration, VerbCommand
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Outcome, Problem
from drorch.model.event import Event, EventKind


@click.command("watch", cls=VerbCommand, exit_with=(*exit_codes.FAULTS, 4, 62, Outcome.OVERDUE))
@click.option(
    "--patience",
    type=Duration(),
    default="1m",
    show_default=True,
    metavar="TIME",
    help="So long the daemon may take to answer: a restart is no death.",
)
@click.pass_context
def command(context: click.Context, /, patience: float) -> int:
    """Tell whether the daemon lives, from outside of it.

    Where no daemon answers within the patience, a finding is opened, the daemon's monitor is told, and this exits with
    70; once it answers again, the finding is closed. A daemon that was stopped on purpose makes no backups either: it
    is told as one that does not run. drorch-watch.timer does this every five minutes.
    """
    session = Session.of(context)
    output = session.output
    configuration = app_configuration.load(session.values.get("config"))
    watch = Watch(configuration, SystemClock(), _Notes(output), timedelta(seconds=patience))
    watched = watch.look()
    _show(output, watched)
    return Outcome.OK if watched.pulse.alive else Outcome.OVERDUE


def _show(output: Output, watched: Watched) -> None:
    pulse = watched.pulse
    if output.json:
        output.message({"message_type": "watch", "alive": pulse.alive, "version": pulse.version, "fault": pulse.fault})
    elif pulse.alive:
        output.line(f"the daemon answers (drorch {pulse.version})" if pulse.version else "the daemon answers")
    if not pulse.alive:
        mend = "Type: systemctl status drorch; journalctl -u drorch"
        output.problem(Problem(SUBJECT, f"{pulse.fault}. {mend}"), during="watch")
    for complaint in watched.complaints:
        output.problem(Problem(SUBJECT, complaint), during="watch")


@dataclass(frozen=True, slots=True)
class _Notes:
    """Hears of events; what opened the alarm is told by the alarm itself."""

    output: Output

    def observe(self, event: Event) -> None:
        """Tell it."""
        if event.kind is not EventKind.FINDING_OPENED:
            self.output.note(event.message)
