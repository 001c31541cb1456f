"""drorch audit"""

import re
from collections.abc import Sequence
from datetime import UTC
from typing import Any

import click

from drorch.app import audit as app
from drorch.app import configuration as app_configuration
from drorch.cli import exit_codes
from drorch.cli.answering import local
from drorch.cli.global_options import VerbCommand
from drorch.cli.groups import VerbGroup
from drorch.cli.parameters import Moment
from drorch.cli.session import Session
from drorch.errors import Outcome, Problem
from drorch.ids import SHORT_HEX
from drorch.model.audit import AuditEntry, AuditHead
from drorch.repository.timestamps import to_datetime
from drorch.units import counted

_READS = (*exit_codes.FAULTS, 4, 60, 62)
_ANCHOR = re.compile("([0-9]{1,18}):([0-9a-fA-F]{64})")
_LONG_HEX = re.compile("([0-9]{1,18}:)?([0-9a-f]{32}|[0-9a-f]{64})")


class Anchor(click.ParamType[AuditHead]):
    """The end of the audit log as it was noted elsewhere: SEQ:HASH."""

    name = "anchor"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> AuditHead:
        """The head. Fails as a usage error."""
        if isinstance(value, AuditHead):
            return value
        said = _ANCHOR.fullmatch(str(value))
        if said is None:
            self.fail(f'"{value}" is not SEQ:HASH, as drorch audit verify prints it', param, ctx)
        return AuditHead(int(said[1]), bytes.fromhex(said[2]))


@click.group("audit", cls=VerbGroup, exit_with=(*_READS, Outcome.CHAIN_BROKEN))
def command() -> None:
    """Show and verify who did what.

    Whatever is done by hand is entered in a log in the catalog that is only ever appended to; each entry is sealed with
    the hash of the one before.
    """


@command.command("list", cls=VerbCommand, exit_with=_READS)
@click.option("--since", type=Moment(), metavar="TIME", help="Not older than this, for instance 2026-08-01.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N.")
@click.pass_context
def show(context: click.Context, /, **options: Any) -> None:
    """List entries, the oldest first."""
    session = Session.of(context)
    output = session.output
    since = None if options["since"] is None else to_datetime(options["since"])
    configuration = app_configuration.load(session.values.get("config"))
    found = app.entries(configuration, since=since, limit=options["limit"])
    if output.json:
        for entry in found:
            output.message(_record(entry))
    elif found:
        output.table(("No", "Time", "User", "Terminal", "Action", "With"), [_row(entry) for entry in found])
    else:
        output.note("no entries")


def _row(entry: AuditEntry) -> Sequence[str]:
    deed = entry.deed
    detail = " ".join(f"{key}={_shortened(value)}" for key, value in deed.detail.items())
    return (str(entry.seq), local(deed.at), f"{deed.user} ({deed.uid})", deed.tty, deed.action, detail)


def _shortened(value: str) -> str:
    """A digest, an id or an end of a log by its beginning; anything else as it is."""
    found = _LONG_HEX.fullmatch(value)
    return value if found is None else f"{found[1] or ''}{found[2][:SHORT_HEX]}"


def _record(entry: AuditEntry) -> dict[str, object]:
    deed = entry.deed
    return {
        "message_type": "audit_entry",
        "seq": entry.seq,
        "at": deed.at.astimezone(UTC).isoformat(),
        "user": deed.user,
        "uid": deed.uid,
        "tty": deed.tty,
        "action": deed.action,
        "detail": dict(deed.detail),
        "prev_hash": entry.prev_hash.hex(),
        "hash": entry.hash.hex(),
    }


@command.command("verify", cls=VerbCommand, exit_with=(*_READS, Outcome.CHAIN_BROKEN))
@click.option(
    "--anchor", "anchors", type=Anchor(), multiple=True, metavar="SEQ:HASH", help="An end that was noted elsewhere."
)
@click.option("--ask-targets", is_flag=True, help="Also against the ends that lie on the targets.")
@click.pass_context
def verify(context: click.Context, /, **options: Any) -> int:
    """Verify the whole log, and name the first broken link.

    It prints the end of the log, to be noted elsewhere: only an end that was noted shows that entries were cut off.
    """
    session = Session.of(context)
    output = session.output
    configuration = app_configuration.load(session.values.get("config"))
    verdict = app.verify(configuration, options["anchors"], ask_targets=options["ask_targets"])
    for told in verdict.unasked:
        output.problem(Problem("anchors", told), during="warning")
    end = f"{verdict.head.seq}:{verdict.head.hash.hex()}"
    broken = verdict.broken
    if output.json:
        output.message(
            {
                "message_type": "audit_verification",
                "sound": broken is None,
                "broken": None if broken is None else {"seq": broken.seq, "reason": broken.reason},
                "entries": verdict.head.seq,
                "anchors": verdict.anchors,
                "head": end,
            }
        )
    elif broken is None:
        held = f"held against {counted(verdict.anchors, 'anchor')}"
        output.line(f"unbroken: {_entries(verdict.head.seq)}, {held}, end {end}")
    else:
        output.line(f"broken at entry {broken.seq}: {broken.reason}")
    return Outcome.OK if broken is None else Outcome.CHAIN_BROKEN


def _entries(count: int) -> str:
    return "1 entry" if count == 1 else f"{count} entries"
