"""drorch service"""

from pathlib import Path
from typing import Any

import click

from drorch.app import configuration as app_configuration
from drorch.app import service as app
from drorch.app.service import ServicePlan, Step
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.output.writer import Output
from drorch.cli.root import VERBS
from drorch.cli.session import Session

_CODES = (*exit_codes.FAULTS, 4)
_DONE = {Step.WRITE: "wrote", Step.KEEP: "as it was:", Step.REMOVE: "removed"}
_WOULD = {Step.WRITE: "would write", Step.KEEP: "as it is:", Step.REMOVE: "would remove"}


@click.group("service", cls=VerbGroup, exit_with=_CODES)
def command() -> None:
    """Run as a service of systemd.

    docs/OPERATIONS.md says how to go on from there.
    """


_root = click.option(
    "--root",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("/"),
    help="Write below this folder, for a system that does not run; systemd is told nothing.",
)
_dry_run = click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; with -v the text of each file.")


@command.command("install", cls=VerbCommand, exit_with=_CODES)
@_root
@_dry_run
@click.pass_context
def install(context: click.Context, /, **options: Any) -> None:
    """Write the units, and drop-ins for what the configuration needs.

    The daemon may write to the local targets that the configuration names and gets the credentials that it refers to,
    so this is to be done again when those change. Doing it again otherwise changes nothing.
    """
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    plan = app.plan_install(configuration, options["root"].absolute(), VERBS)
    if not options["dry_run"]:
        app.carry_out_install(plan)
    _show(session.output, plan, dry_run=options["dry_run"])


@command.command("uninstall", cls=VerbCommand, exit_with=_CODES)
@_root
@_dry_run
@click.pass_context
def uninstall(context: click.Context, /, **options: Any) -> None:
    """Stop the service and remove its files; configuration and state stay."""
    session = Session.of(context)
    plan = app.plan_uninstall(options["root"].absolute())
    if not options["dry_run"]:
        app.carry_out_uninstall(plan)
    _show(session.output, plan, dry_run=options["dry_run"])


def _show(output: Output, plan: ServicePlan, *, dry_run: bool) -> None:
    if output.json:
        for one in plan.files:
            output.message({"message_type": "file", "path": str(plan.place(one)), "step": one.step.value})
        output.message(
            {
                "message_type": "summary",
                "dry_run": dry_run,
                "commands": [list(argv) for argv in plan.commands],
                "notes": list(plan.notes),
                "next": list(plan.next),
            }
        )
        return
    words = _WOULD if dry_run else _DONE
    for one in plan.files:
        output.line(f"{words[one.step]} {plan.place(one)}")
        if dry_run and output.verbosity > 0:
            for line in (one.text or "").splitlines():
                output.line(f"    {line}")
    for argv in plan.commands:
        output.line(f"{'would run' if dry_run else 'ran'} {' '.join(argv)}")
    if not plan.files:
        output.line("there is nothing to remove")
    for note in plan.notes:
        output.note(f"note: {note}")
    if plan.next and not dry_run:
        output.note(f"Type next: {'; '.join(plan.next)}")
