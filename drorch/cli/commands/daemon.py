"""drorch daemon"""

import sys

import click

from drorch.app.daemon import run_daemon
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.escaping import visible
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.config.configuration import Configuration
from drorch.reporting.journal import Journal, Level, human_style, machine_style


@click.command("daemon", cls=VerbCommand, exit_with=(*exit_codes.FAULTS, 4, 60, 61))
@click.pass_context
def command(context: click.Context, /) -> int:
    """Run jobs and maintenance on time, until SIGTERM.

    It stays in the foreground: systemd starts it as a service (drorch service install). Each run is a process of its
    own. SIGHUP, or drorch reload, makes it read the configuration anew. It writes its log to standard error: lines for
    people at a terminal, else one JSON object a line.
    """
    session = Session.of(context)
    as_json = session.output.json or not session.terminal

    def journal(configuration: Configuration) -> Journal:
        style = machine_style if as_json else human_style(configuration.zone, visible)
        least = {1: Level.DEBUG, 2: Level.DEBUG, -1: Level.WARNING}.get(session.output.verbosity, Level.INFO)
        return Journal(_write, style, SystemClock(), least=least)

    run_daemon(session.values.get("config"), journal, SystemClock())
    return 0


def _write(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
