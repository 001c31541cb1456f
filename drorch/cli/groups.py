"""A verb that has verbs of its own: `drorch config check`."""

import difflib
from typing import Any

import click

from drorch.cli.global_options import VerbCommand
from drorch.errors import UsageError


class VerbGroup(VerbCommand, click.Group):
    """A verb whose first argument is another; each of them is a `VerbCommand`."""

    def __init__(self, *args: Any, exit_with: tuple[int, ...], **attributes: Any) -> None:
        super().__init__(*args, exit_with=exit_with, **{"no_args_is_help": True, **attributes})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that was typed. Raises `UsageError` with the one that was probably meant."""
        name = args[0]
        if name not in self.commands and not name.startswith("-"):
            near = difflib.get_close_matches(name, self.commands, n=1)
            meant = f'Did you mean "{near[0]}"?' if near else f"Type: {ctx.command_path} --help"
            raise UsageError(f'unknown command "{ctx.info_name} {name}"', hint=meant)
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its verbs first, then the options."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=100)) for name, one in self.commands.items()])
        super().format_options(ctx, formatter)
