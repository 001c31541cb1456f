"""Options that say which snapshots are meant."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])


def filter_options(command: _Decorated) -> _Decorated:
    """Add --host, --path and --tag."""
    for option in (
        click.option("--tag", "tags", multiple=True, metavar="TAG[,TAG]", help="With all these tags; may be repeated."),
        click.option("--path", "paths", multiple=True, metavar="PATH", help="Of this path; may be repeated."),
        click.option("-H", "--host", "hosts", multiple=True, metavar="HOST", help="Of this host; may be repeated."),
    ):
        command = option(command)
    return command
