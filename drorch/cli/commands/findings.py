"""drorch findings"""

from collections.abc import Callable
from typing import Any

import click

from drorch.app import configuration as app_configuration
from drorch.app import findings as app
from drorch.cli import exit_codes
from drorch.cli.answering import FINDING_COLUMNS, finding_record, finding_row, local
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.ids import SHORT_HEX
from drorch.model.finding import Finding
from drorch.orchestrator.findings import Desk

_CODES = (*exit_codes.FAULTS, 4, 60, 62)


@click.group("findings", cls=VerbGroup, exit_with=_CODES)
def command() -> None:
    """List findings and answer for them.

    A finding is an open fault: a run that failed, a snapshot that vanished. It stays open until somebody closes it, or
    until what failed succeeds. ID may be the beginning of one.
    """


@command.command("list", cls=VerbCommand, exit_with=_CODES)
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@click.pass_context
def show(context: click.Context, /, **options: Any) -> None:
    """List findings, the oldest first; with -v what was said about them."""
    session = Session.of(context)
    output = session.output
    configuration = app_configuration.load(session.values.get("config"))
    found = app.findings(configuration, everything=options["everything"])
    if output.json:
        for finding in found:
            output.message(finding_record(finding))
        return
    if not found:
        output.note("no findings")
        return
    output.table(FINDING_COLUMNS, [finding_row(finding) for finding in found])
    if output.verbosity > 0:
        for finding in found:
            for said in finding.comments:
                output.line(f"{finding.id[:SHORT_HEX]}  {local(said.at)}  {said.user}: {said.text}")


@command.command("assign", cls=VerbCommand, exit_with=_CODES)
@click.argument("finding", metavar="ID")
@click.argument("person", metavar="PERSON")
@click.pass_context
def assign(context: click.Context, /, finding: str, person: str) -> None:
    """Make a person answer for a finding; '' takes it back."""
    _answer(context, lambda desk: desk.assign(finding, person))


@command.command("ack", cls=VerbCommand, exit_with=_CODES)
@click.argument("finding", metavar="ID")
@click.pass_context
def acknowledge(context: click.Context, /, finding: str) -> None:
    """Note that a finding has been seen."""
    _answer(context, lambda desk: desk.acknowledge(finding))


@command.command("comment", cls=VerbCommand, exit_with=_CODES)
@click.argument("finding", metavar="ID")
@click.argument("text", metavar="TEXT")
@click.pass_context
def comment(context: click.Context, /, finding: str, text: str) -> None:
    """Say something about a finding."""
    _answer(context, lambda desk: desk.comment(finding, text))


@command.command("close", cls=VerbCommand, exit_with=_CODES)
@click.argument("finding", metavar="ID")
@click.argument("text", metavar="[TEXT]", default="closed")
@click.pass_context
def close(context: click.Context, /, finding: str, text: str) -> None:
    """Close a finding, with a last word."""
    _answer(context, lambda desk: desk.close(finding, text))


def _answer(context: click.Context, what: Callable[[Desk], Finding]) -> None:
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    with app.desk(configuration, SystemClock()) as desk:
        finding = what(desk)
    if session.output.json:
        session.output.message(finding_record(finding))
        return
    whose = f", answered for by {finding.assignee}" if finding.assignee else ""
    session.output.line(f"finding {finding.id[:SHORT_HEX]}: {finding.state}{whose}: {finding.message}")
