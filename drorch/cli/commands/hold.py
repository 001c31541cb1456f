"""drorch hold"""

from typing import Any

import click

from drorch.app import configuration as app_configuration
from drorch.app import findings as app
from drorch.app.findings import Held
from drorch.cli import exit_codes
from drorch.cli.answering import HOLD_COLUMNS, hold_record, hold_row
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.output.writer import Output
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import UsageError
from drorch.ids import SHORT_HEX
from drorch.model.hold import Hold

_CODES = (*exit_codes.FAULTS, 4, 60, 62)


@click.group("hold", cls=VerbGroup, exit_with=_CODES)
def command() -> None:
    """Keep retention from removing snapshots.

    What is held is not forgotten until somebody releases it. drorch itself sets a hold where a snapshot vanished or
    changed behind its back. ID may be the beginning of one.
    """


@command.command("list", cls=VerbCommand, exit_with=_CODES)
@click.option("--all", "everything", is_flag=True, help="Released ones too.")
@click.pass_context
def show(context: click.Context, /, **options: Any) -> None:
    """List holds, the oldest first."""
    session = Session.of(context)
    output = session.output
    configuration = app_configuration.load(session.values.get("config"))
    found = app.holds(configuration, everything=options["everything"])
    if output.json:
        for hold in found:
            output.message(hold_record(hold))
    elif found:
        output.table(HOLD_COLUMNS, [hold_row(hold) for hold in found])
    else:
        output.note("no holds")


@command.command("set", cls=VerbCommand, exit_with=_CODES)
@click.option("--job", metavar="NAME", help="All snapshots of this job.")
@click.option("--host", metavar="HOST", help="The host whose job it is; default: the configuration's.")
@click.option("--snapshot", metavar="ID", help="This snapshot alone.")
@click.option("--reason", required=True, metavar="TEXT", help="Why.")
@click.pass_context
def hold(context: click.Context, /, **options: Any) -> None:
    """Hold a job's snapshots, or one."""
    if (options["job"] is None) == (options["snapshot"] is None):
        raise UsageError("what is to be held is named once", hint="Give --job NAME, or --snapshot ID.")
    if options["snapshot"] is not None and options["host"] is not None:
        raise UsageError("a snapshot is held whatever its host", hint="Leave --host out.")
    if not options["reason"].strip():
        raise UsageError("a hold needs a reason", hint="Say why with --reason TEXT.")
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    with app.desk(configuration, SystemClock()) as desk:
        held = Held(options["job"], options["host"], options["snapshot"])
        _tell(session.output, desk.hold(app.subject_of(held, configuration, desk), options["reason"]), "set")


@command.command("release", cls=VerbCommand, exit_with=_CODES)
@click.argument("hold_id", metavar="ID")
@click.pass_context
def release(context: click.Context, /, hold_id: str) -> None:
    """Let go of a hold."""
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    with app.desk(configuration, SystemClock()) as desk:
        _tell(session.output, desk.release(hold_id), "released")


def _tell(output: Output, about: Hold, what: str) -> None:
    if output.json:
        output.message(hold_record(about))
    else:
        output.line(f"{what} hold {about.id[:SHORT_HEX]} on {hold_row(about)[3]}: {about.reason}")
