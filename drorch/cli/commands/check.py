"""drorch check"""

from collections.abc import Iterator
from typing import Any

import click

from drorch.actions.check import (
    CheckReport,
    CheckRequest,
    Finding,
    FindingKind,
    ReadAll,
    ReadData,
    ReadNothing,
    Severity,
    parse_subset,
)
from drorch.app import upkeep as app_upkeep
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.proving import place_of, proving, tell
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import UsageError
from drorch.ids import SHORT_HEX
from drorch.units import counted, format_size

_INDEX_TROUBLE = frozenset(
    {
        FindingKind.INDEX_UNREADABLE,
        FindingKind.PACK_DESCRIBED_DIFFERENTLY,
        FindingKind.BLOB_NOT_INDEXED,
        FindingKind.PACK_IN_SEVERAL_INDEXES,
    }
)
_PRUNABLE = frozenset({FindingKind.PACK_MIXED, FindingKind.PACK_ORPHANED, FindingKind.BLOB_DUPLICATE})


@click.command("check", cls=VerbCommand, exit_with=(*exit_codes.OPENS, 4))
@click.option("--read-data", is_flag=True, help="Read and verify every blob.")
@click.option("--read-data-subset", metavar="N/M|P%|SIZE", help="Read and verify a part of the packs.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Look for damage.

    The structure is always checked: indexes, packs and their sizes, snapshots, trees. Whatever is damaged is named
    together with the snapshots and files that need it. Backups may go on meanwhile. With -t, what is found is written
    down: as proof of each snapshot, as a finding where there is damage, and as an alarm where a known snapshot has
    vanished or changed.
    """
    session = Session.of(context)
    request = CheckRequest(_part(options))
    place = place_of(session)
    with showing(session.output, "check", terminal=session.terminal) as progress:
        if place is None:
            report, alarmed = app_upkeep.check(session.access(), request, progress), 0
        else:
            done = proving().check(place, request, progress, SystemClock())
            report, alarmed = done.report, tell(session.output, done.alarms, done.complaints)
    for finding in report.findings:
        _tell(session.output, finding)
    _sum_up(session.output, report)
    return alarmed or report.exit_code


def _part(options: dict[str, Any]) -> ReadData:
    if options["read_data"] and options["read_data_subset"]:
        raise UsageError("--read-data and --read-data-subset contradict each other", hint="Leave one of them out.")
    if options["read_data_subset"]:
        return parse_subset(options["read_data_subset"])
    return ReadAll() if options["read_data"] else ReadNothing()


def _tell(output: Output, finding: Finding) -> None:
    if output.json:
        output.message(_finding_record(finding))
    elif finding.severity is Severity.ERROR or output.verbosity >= 0:
        output.line(f"{finding.severity}: {finding.message}")
        for line in _sufferers(finding):
            output.line(f"  {line}")


def _sufferers(finding: Finding) -> Iterator[str]:
    for need in finding.needed_by:
        more = f" and {need.more} more" if need.more else ""
        yield f"needed by snapshot {need.snapshot.hex()[:SHORT_HEX]}: {', '.join(need.paths)}{more}"
    if finding.more_snapshots:
        yield f"needed by {finding.more_snapshots} more snapshots"


def _finding_record(finding: Finding) -> dict[str, object]:
    needs = [{"snapshot": need.snapshot.hex(), "paths": need.paths, "more": need.more} for need in finding.needed_by]
    return {
        "message_type": "finding",
        "severity": finding.severity,
        "kind": finding.kind,
        "subject": finding.subject,
        "message": finding.message,
        "needed_by": needs,
        "more_snapshots": finding.more_snapshots,
    }


def _sum_up(output: Output, report: CheckReport) -> None:
    kinds = {finding.kind for finding in report.findings}
    broken = [one.subject for one in report.errors if one.kind.startswith("pack-") and one.subject]
    if output.json:
        output.message(
            {
                "message_type": "summary",
                "num_errors": len(report.errors),
                "broken_packs": broken,
                "suggest_repair_index": bool(kinds & _INDEX_TROUBLE),
                "suggest_prune": bool(kinds & _PRUNABLE),
                "packs": report.packs,
                "packs_read": report.packs_read,
                "packs_frozen": report.packs_frozen,
                "bytes_read": report.bytes_read,
                "snapshots": [
                    {"id": one.snapshot.hex(), "sound": one.sound, "read": one.read} for one in report.snapshots
                ],
            }
        )
        return
    sound = sum(one.sound for one in report.snapshots)
    read = sum(one.read for one in report.snapshots)
    output.note(
        f"{counted(len(report.snapshots), 'snapshot')}: {sound} sound, {read} read in full; "
        f"{report.packs_read} of {report.packs} packs read, {format_size(report.bytes_read)}"
    )
    output.line(_verdict(report))


def _verdict(report: CheckReport) -> str:
    if report.errors:
        return f"{counted(len(report.errors), 'error')} found"
    if report.packs_frozen:
        return f"the check could not run to its end: {counted(report.packs_frozen, 'pack')} in cold storage"
    return "no errors were found"
