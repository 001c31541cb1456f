"""drorch catalog"""

import click

from drorch.app import configuration as app_configuration
from drorch.app import rebuild as app
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.rebuilding import show_plan, tell_rebuilt
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import CatalogError, ConfigError, JobBusy, Outcome

_CODES = (
    *(*exit_codes.OPENS, ConfigError.exit_code, CatalogError.exit_code),
    *(JobBusy.exit_code, Outcome.CHAIN_BROKEN),
)


@click.group("catalog", cls=VerbGroup, exit_with=_CODES)
def command() -> None:
    """Rebuild the catalog from the targets.

    It keeps what drorch knows: runs, proof, findings, holds, the audit log, and the history of paths.
    """


@command.command("rebuild", cls=VerbCommand, exit_with=_CODES)
@click.option("--yes", is_flag=True, help="Do it.")
@click.pass_context
def rebuild(context: click.Context, /, yes: bool) -> int:
    """Derive from the targets what can be derived.

    A catalog that is lost or damaged is read back first from the newest state that drorch saved to a target; the
    damaged one is kept beside it. What does not come back is said. Without --yes the plan is shown.
    """
    session = Session.of(context)
    configuration = app_configuration.load(session.values.get("config"))
    doors = app.doors_of(configuration)
    if not yes:
        show_plan(session.output, app.plan_rebuild(configuration, doors))
        session.output.note("nothing is changed yet; to do it, add --yes")
        return 0
    return tell_rebuilt(session.output, app.carry_out(configuration, doors, SystemClock()))
