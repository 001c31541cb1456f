"""Options that stand before or after the verb, and the command class that accepts them after it."""

import re
from datetime import datetime
from typing import Any

import click

from drorch.cli import exit_codes

GLOBAL_TITLE = "Options of every command"
_KEY = "drorch.given"


def given(context: click.Context) -> dict[str, Any]:
    """What the command line says for the global options, wherever they stood; the last one counts."""
    values: dict[str, Any] = context.meta.setdefault(_KEY, {})
    return values


def _remember(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    if value:
        given(context)[str(parameter.name)] = value


def _option(*names: str, **attributes: Any) -> click.Option:
    return click.Option(names, expose_value=False, callback=_remember, **attributes)


class Duration(click.ParamType[float]):
    """A span of time like 90s, 5m or 1h30m; seconds."""

    name = "duration"
    _PATTERN = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds. Fails as a usage error."""
        if isinstance(value, float):
            return value
        match = self._PATTERN.fullmatch(str(value))
        if match is None or not any(match.groups()):
            self.fail(f'"{value}" is not a duration; write for instance 5m or 1h30m', param, ctx)
        days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
        return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


class Instant(click.ParamType[datetime]):
    """A time like "2026-08-01 02:30", in the machine's zone unless it names one."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The time, with its zone. Fails as a usage error."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(str(value)).astimezone()
        except (ValueError, OverflowError):
            self.fail(f'"{value}" is not a time; write for instance "2026-08-01 02:30"', param, ctx)


def global_options() -> list[click.Parameter]:
    """A fresh set of the options every command has."""
    return [
        _option("-c", "--config", metavar="FILE", help="Configuration to read [$DRORCH_CONFIG]."),
        _option("-t", "--target", metavar="NAME", help="Target of the configuration to use."),
        _option("-r", "--repo", metavar="URL", help="Where it is: /path, sftp:..., s3:... [$RESTIC_REPOSITORY]."),
        _option("--repository-file", metavar="FILE", help="File that holds the URL [$RESTIC_REPOSITORY_FILE]."),
        _option("-p", "--password-file", metavar="FILE", help="File that holds the password [$RESTIC_PASSWORD_FILE]."),
        _option("--password-command", metavar="COMMAND", help="Command that prints it [$RESTIC_PASSWORD_COMMAND]."),
        _option("--at", type=Instant(), metavar="TIME", help="Read a bucket with versions as it was at this time."),
        _option("--json", is_flag=True, help="Write JSON: one object, or one object a line."),
        _option("-v", "--verbose", count=True, help="Say more; twice for still more."),
        _option("-q", "--quiet", is_flag=True, help="Say only the result and faults."),
        _option("--debug", is_flag=True, help="Show the traceback of a fault."),
        _option("--no-lock", is_flag=True, help="Read without a lock, where nothing can be written."),
        _option("--no-cache", is_flag=True, help="Keep nothing of a remote repository here, and use nothing kept."),
        _option("--retry-lock", type=Duration(), metavar="DURATION", help="Wait so long for a lock, for instance 5m."),
    ]


class VerbCommand(click.Command):
    """A command that takes the global options too, and whose help ends with its exit codes."""

    def __init__(self, *args: Any, exit_with: tuple[int, ...], **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.exit_with = exit_with
        self.own_params = list(self.params)
        self.params.extend(global_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Its own options first, the global ones apart."""
        own = [record for p in self.own_params if (record := p.get_help_record(ctx))]
        shared = [
            record for p in self.get_params(ctx) if p not in self.own_params and (record := p.get_help_record(ctx))
        ]
        if own:
            with formatter.section("Options"):
                formatter.write_dl(own)
        with formatter.section(GLOBAL_TITLE):
            formatter.write_dl(shared)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes, last."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), exit_codes.MEANINGS[code]) for code in sorted(set(self.exit_with))])
