"""drorch init"""

from dataclasses import replace
from typing import Any

import click

from drorch.app import upkeep as app_upkeep
from drorch.app.access import Access
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.proving import leave_a_deed
from drorch.cli.session import Session, password_from


@click.command("init", cls=VerbCommand, exit_with=(*exit_codes.WRITES, 4))
@click.option("--like", metavar="REPO", help="Share the chunker's polynomial of this URL or, with -t, target.")
@click.option("--like-password-file", metavar="FILE", help="Its password's file; default: the new one's password.")
@click.option("--like-password-command", metavar="COMMAND", help="A command that prints its password.")
@click.option(
    "--repository-version", type=click.Choice(["1", "2"]), default="2", show_default=True, help="Format version."
)
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Create a repository.

    Copies and direct backups deduplicate against each other only between repositories that share a polynomial.
    """
    session = Session.of(context)
    access = session.access(new=True)
    like = _model(session, options, access)
    made = app_upkeep.initialize(access, version=int(options["repository_version"]), like=like)
    leave_a_deed(session, "init", repository=made.id)
    if session.output.json:
        session.output.message({"message_type": "initialized", "id": made.id, "repository": made.place})
    else:
        session.output.line(f"created repository {made.id[:10]} (version {made.version}) at {made.place}")
        session.output.note("Keep its password safe: without it, nothing in the repository can be read.")


def _model(session: Session, options: dict[str, Any], access: Access) -> Access | None:
    if options["like"] is None:
        return None
    password = password_from(options["like_password_file"], options["like_password_command"])
    return replace(session.other_access(options["like"], password, access), lock=False)
