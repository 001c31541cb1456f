"""The verbs: a table from which each command is imported only when it is typed."""

import difflib
import importlib
from dataclasses import dataclass
from typing import cast

import click

from drorch import __version__
from drorch.cli.global_options import GLOBAL_TITLE, global_options
from drorch.errors import UsageError


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of the command line: where it lives and what `drorch --help` says of it."""

    module: str
    summary: str
    section: str


VERBS = {
    "init": Verb("init", "Create a repository.", "Set up"),
    "run": Verb("run", "Run jobs of the configuration now.", "Daily"),
    "backup": Verb("backup", "Save files into a new snapshot.", "Daily"),
    "restore": Verb("restore", "Put the files of a snapshot back, or a database.", "Daily"),
    "snapshots": Verb("snapshots", "List snapshots.", "Daily"),
    "status": Verb("status", "Show how every job stands.", "Daily"),
    "daemon": Verb("daemon", "Run jobs and maintenance on time, until SIGTERM.", "Daily"),
    "pause": Verb("pause", "Let schedules rest for a while.", "Daily"),
    "resume": Verb("resume", "End pauses.", "Daily"),
    "cancel": Verb("cancel", "Stop what runs or waits.", "Daily"),
    "reload": Verb("reload", "Have the daemon read its configuration anew.", "Daily"),
    "ls": Verb("ls", "List the files of a snapshot.", "Look"),
    "find": Verb("find", "Find a path in all snapshots.", "Look"),
    "history": Verb("history", "Show every version of a path.", "Look"),
    "diff": Verb("diff", "Show what differs between two snapshots.", "Look"),
    "dump": Verb("dump", "Write a file, or a folder as tar, to standard output.", "Look"),
    "stats": Verb("stats", "Count files, blobs and bytes.", "Look"),
    "check": Verb("check", "Look for damage.", "Keep"),
    "copy": Verb("copy", "Copy snapshots into another repository.", "Keep"),
    "unlock": Verb("unlock", "Remove locks whose writers are gone.", "Keep"),
    "hold": Verb("hold", "Keep retention from removing snapshots.", "Keep"),
    "watch": Verb("watch", "Tell whether the daemon lives, from outside of it.", "Prove"),
    "findings": Verb("findings", "List findings and answer for them.", "Prove"),
    "adopt": Verb("adopt", "Name existing snapshots as a job's history.", "Set up"),
    "bootstrap": Verb("bootstrap", "Bring a bare host back.", "Set up"),
    "catalog": Verb("catalog", "Rebuild the catalog from the targets.", "Set up"),
    "config": Verb("config", "Check, show and describe the configuration.", "Set up"),
    "target": Verb("target", "Try out targets, and bring back what they hide.", "Set up"),
    "doctor": Verb("doctor", "Tell what would fail tonight, and why.", "Set up"),
    "service": Verb("service", "Run as a service of systemd.", "Set up"),
    "audit": Verb("audit", "Show and verify who did what.", "Tell"),
}
HIDDEN = {"worker": Verb("worker", "Carry out a launch for the daemon.", "")}
"""Verbs that nobody types: drorch starts itself with them."""

SECTIONS = ("Daily", "Look", "Keep", "Prove", "Set up", "Tell")


class LazyGroup(click.Group):
    """A group that knows its commands by table and imports one when it is asked for."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """All verbs."""
        return list(VERBS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb's module; None where there is no such verb."""
        verb = VERBS.get(cmd_name) or HIDDEN.get(cmd_name)
        if verb is None:
            return None
        return cast(click.Command, importlib.import_module(f"drorch.cli.commands.{verb.module}").command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed. Raises `UsageError` with the verb that was probably meant."""
        name = args[0]
        if name not in VERBS and name not in HIDDEN and not name.startswith("-"):
            near = difflib.get_close_matches(name, VERBS, n=1)
            meant = f'Did you mean "{near[0]}"?' if near else "Type: drorch --help"
            raise UsageError(f'unknown command "{name}"', hint=meant)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs by section, then the options every command has."""
        for section in SECTIONS:
            with formatter.section(section):
                formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items() if verb.section == section])
        with formatter.section(GLOBAL_TITLE):
            formatter.write_dl([record for p in self.get_params(ctx) if (record := p.get_help_record(ctx))])


root = LazyGroup(
    name="drorch",
    params=global_options(),
    help="Encrypted backups in restic's format that are proven to restore.",
    epilog='"drorch VERB --help" tells all of a verb, its exit codes included.',
    context_settings={"help_option_names": ["-h", "--help"], "obj": None, "max_content_width": 100},
)
click.version_option(__version__, prog_name="drorch", message="%(prog)s %(version)s")(root)
