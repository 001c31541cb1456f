"""drorch stats"""

from typing import Any

import click

from drorch.actions.stats import Stats, StatsMode
from drorch.app import reading as app_reading
from drorch.cli import exit_codes
from drorch.cli.choosing import chosen
from drorch.cli.filters import filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.session import Session
from drorch.units import format_size


@click.command("stats", cls=VerbCommand, exit_with=exit_codes.OPENS)
@click.argument("ids", nargs=-1, metavar="[SNAPSHOT]...")
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in StatsMode]),
    default=StatsMode.RESTORE_SIZE.value,
    show_default=True,
    help="What is counted.",
)
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Count files, blobs and bytes.

    restore-size: what a restore writes. files-by-contents: files of equal content once. blobs-per-file: the blobs of
    those. raw-data: what is stored, compressed, each blob once.
    """
    session = Session.of(context)
    mode = StatsMode(options["mode"])
    found = app_reading.statistics(session.access(), mode, chosen(options), ids=options["ids"])
    if session.output.json:
        session.output.message(_record(found, mode))
        return
    session.output.line(f"snapshots: {found.snapshots}")
    if found.blobs:
        session.output.line(f"blobs: {found.blobs}")
    if mode is StatsMode.RAW_DATA:
        session.output.line(f"before compression: {format_size(found.uncompressed_size)}")
        session.output.line(f"compression ratio: {found.compression_ratio:.2f}")
    else:
        session.output.line(f"files: {found.files}")
    session.output.line(f"size: {format_size(found.size)}")


def _record(found: Stats, mode: StatsMode) -> dict[str, float]:
    record: dict[str, float] = {"total_size": found.size, "snapshots_count": found.snapshots}
    if mode is StatsMode.RAW_DATA:
        saved = 1 - found.size / found.uncompressed_size if found.uncompressed_size else 0.0
        return record | {
            "total_uncompressed_size": found.uncompressed_size,
            "compression_ratio": found.compression_ratio,
            "compression_space_saving": 100 * saved,
            "total_blob_count": found.blobs,
        }
    record["total_file_count"] = found.files
    return record | ({"total_blob_count": found.blobs} if mode is StatsMode.BLOBS_PER_FILE else {})
