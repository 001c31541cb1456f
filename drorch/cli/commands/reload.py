"""drorch reload"""

import click

from drorch.app.control.reaching import reached
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.session import Session
from drorch.errors import DaemonUnavailable
from drorch.orchestrator.control.wording import said_identity

_CODES = (*exit_codes.FAULTS, 4, 65)


@click.command("reload", cls=VerbCommand, exit_with=_CODES)
@click.pass_context
def command(context: click.Context, /) -> int:
    """Have the daemon read its configuration anew.

    What runs goes on as it began. A file with faults is refused, and what it said before stays in force. Without a
    daemon the configuration is checked all the same.
    """
    session = Session.of(context)
    with reached(session.values.get("config")) as found:
        found.require_asked()
        if found.daemon is None:
            assert found.configuration is not None
            raise DaemonUnavailable(
                f"no daemon works with {found.configuration.file}, which has no fault",
                hint="Start one: systemctl start drorch, or drorch daemon.",
            )
        identity = found.daemon.reload()
    if session.output.json:
        session.output.message({"message_type": "reload", **said_identity(identity)})
    else:
        session.output.line(f"the daemon works with {identity.config} as it is now")
    return 0
