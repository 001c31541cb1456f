"""What may be written for sizes and times; anything else is a usage error that says what to write."""

from datetime import datetime
from typing import Any

import click

from drorch.repository.timestamps import from_datetime
from drorch.units import parse_size


class Size(click.ParamType[int]):
    """A size like 10 MiB or 500K; bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Bytes. Fails as a usage error."""
        try:
            return value if isinstance(value, int) else parse_size(str(value))
        except ValueError as fault:
            self.fail(str(fault), param, ctx)


class Moment(click.ParamType[int]):
    """An instant like "2026-08-01 02:30:00", in the machine's zone unless it names one; nanoseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Nanoseconds since 1970. Fails as a usage error."""
        if isinstance(value, int):
            return value
        try:
            return from_datetime(datetime.fromisoformat(str(value)).astimezone())
        except (ValueError, OverflowError):
            self.fail(f'"{value}" is not a time; write for instance 2026-08-01 02:30:00', param, ctx)
