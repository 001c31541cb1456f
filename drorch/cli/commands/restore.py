"""drorch restore"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from drorch.actions.restore.execution import RestoreResult
from drorch.actions.restore.plan import RestorePlan
from drorch.actions.restore.request import Overwrite, RestoreRequest
from drorch.actions.snapshots import parse_reference
from drorch.app import restore as app_restore
from drorch.app.restore import PlannedRestore, RestoreSpec
from drorch.cli import exit_codes
from drorch.cli.choosing import chosen
from drorch.cli.fetching import fetching_record, fetching_text
from drorch.cli.filters import filter_options
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.proving import place_of, proving, tell
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import ConfigError, Outcome, Problem, RestoreError, SourceUnavailable, UsageError
from drorch.ids import SHORT_HEX
from drorch.model.estimate import Fetching
from drorch.sources.files.placement import DestinationPolicy, OwnerPolicy, shown
from drorch.units import format_duration, format_size

_CODES = (
    *exit_codes.OPENS,
    ConfigError.exit_code,
    SourceUnavailable.exit_code,
    RestoreError.exit_code,
    Outcome.FACTS_DIFFER,
)
_FILES_ONLY = ("include", "exclude", "delete", "verify", "sparse", "numeric_owner")
_DATABASES_ONLY = ("only", "tables", "schemas", "as_superuser", "jobs", "globals", "using")
_WRITTEN = {"tables": "--table", "schemas": "--schema"}


@click.command("restore", cls=VerbCommand, exit_with=_CODES)
@click.argument("snapshot", metavar="SNAPSHOT[:PATH]")
@click.option("--to", metavar="DIR", help="Files: the folder to restore into.")
@click.option("-i", "--include", multiple=True, metavar="PATTERN", help="Only what matches, as in .gitignore.")
@click.option("-e", "--exclude", multiple=True, metavar="PATTERN", help="Leave out what matches.")
@click.option(
    "--overwrite",
    type=click.Choice([choice.value for choice in Overwrite]),
    is_flag=False,
    flag_value=Overwrite.ALWAYS.value,
    help="What becomes of files that are there (always, if not said); alone: replace a database that is not empty.",
)
@click.option("--delete", is_flag=True, help="Remove what is there and not in the snapshot.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; with -v every path, with -vv packs.")
@click.option("--verify", is_flag=True, help="Read every file back and compare it with the snapshot.")
@click.option("--sparse", is_flag=True, help="Leave holes where files hold zeros.")
@click.option("--numeric-owner", is_flag=True, help="Owners by number, not by name.")
@click.option("--into", metavar="NAME", help="Databases: load it under this name; a path where it is a file.")
@click.option("--in-place", is_flag=True, help="Databases: load it under the name or path it had.")
@click.option("--only", metavar="DB", help="Databases: this one of several.")
@click.option("--table", "tables", multiple=True, metavar="TABLE", help="Databases: only this table; repeatable.")
@click.option("--schema", "schemas", multiple=True, metavar="SCHEMA", help="Databases: only this schema; repeatable.")
@click.option("--globals", is_flag=True, help="Databases: roles and tablespaces, or users, too.")
@click.option("--as-superuser", is_flag=True, help="Databases: let the dump do what only a superuser may.")
@click.option("--jobs", type=click.IntRange(1, 64), metavar="N", help="Databases: so many tables at once.")
@click.option("--using", metavar="JOB", help="Databases: into the server of this job, not of its own.")
@filter_options
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Put the files of a snapshot back, or a database.

    Files go --to DIR. With a PATH, what that folder holds goes into DIR; patterns still begin at the root of the
    snapshot. Every blob is verified before it is written, files get their names when they are whole, and nothing is
    ever written outside of DIR. An interrupted restore is taken up again by the same command. With -t, the restore is
    written down; where it read the whole snapshot, that is proof.

    A database goes --into NAME, or --in-place, on the server of the job whose snapshot it is. What is there and not
    empty is left alone without --overwrite. Afterwards it is compared with the facts recorded at backup. Its dump can
    be had as a file, too: --to DIR.
    """
    session = Session.of(context)
    if _means_database(options):
        # By name, so that whoever restores files does not pay for the configuration and the catalog.
        return int(importlib.import_module("drorch.cli.database_restore").run(session, options))
    output, clock = session.output, SystemClock()
    started = clock.monotonic()
    # What was restored proves something of the target only where nothing of it came from a cache.
    access = session.access() if options["dry_run"] else session.access().uncached()
    with app_restore.planned_restore(access, _spec(options)) as planned:
        snapshot_id = planned.named.id.hex()
        if options["dry_run"]:
            _show_plan(session, planned)
            return _tell(output, (*planned.problems, *planned.plan.problems))
        result = _carry_out(session, planned, verify=options["verify"])
    failed = _tell(output, result.problems)
    _report(output, planned.plan, result, clock.monotonic() - started, snapshot_id)
    return failed


def _means_database(options: Mapping[str, Any]) -> bool:
    """Whether a database is to be restored. Raises `UsageError` where it is not clear what is, or where to."""
    ways = [way for way in ("to", "into", "in_place") if options[way] not in (None, False)]
    if not ways:
        raise UsageError(
            "it is not said where to restore to",
            hint="Type --to DIR for files; for a database, --into NAME or --in-place.",
        )
    if len(ways) > 1:
        one, other = (_written(way) for way in ways[:2])
        raise UsageError(f"{one} and {other} contradict each other", hint="Leave one of them out.")
    to_files = ways == ["to"]
    for name in _DATABASES_ONLY if to_files else _FILES_ONLY:
        if options[name]:
            kind, other = ("a database", "--to") if to_files else ("files", _written(ways[0]))
            raise UsageError(f"{_written(name)} is for {kind}, {other} is not", hint="Leave one of them out.")
    return not to_files


def _written(name: str) -> str:
    return _WRITTEN.get(name) or f"--{name.replace('_', '-')}"


def _carry_out(session: Session, planned: PlannedRestore, *, verify: bool) -> RestoreResult:
    """Do what the plan says; with a target of the configuration, that is written down."""
    output, place = session.output, place_of(session)
    with showing(output, "restore", terminal=session.terminal) as progress:
        if place is None:
            return planned.execute(progress, verify=verify)
        result: RestoreResult
        with proving().restorer(place, SystemClock()) as restorer:
            result = restorer.restore(planned, progress, verify=verify)
            complaints = tuple(restorer.books.complaints)
    tell(output, (), complaints)
    return result


def _spec(options: dict[str, Any]) -> RestoreSpec:
    return RestoreSpec(
        reference=parse_reference(options["snapshot"]),
        destination=Path(options["to"]),
        request=RestoreRequest(
            include=options["include"],
            exclude=options["exclude"],
            overwrite=Overwrite(options["overwrite"] or Overwrite.ALWAYS),
            delete=options["delete"],
        ),
        policy=DestinationPolicy(
            owners=OwnerPolicy(numeric=options["numeric_owner"]), sparse=options["sparse"], delete=options["delete"]
        ),
        chosen=chosen(options),
    )


def _tell(output: Output, problems: tuple[Problem, ...]) -> int:
    for problem in problems:
        output.problem(problem, during="restore")
    return RestoreError.exit_code if problems else 0


def _show_plan(session: Session, planned: PlannedRestore) -> None:
    output, plan = session.output, planned.plan
    actions = [
        *(("folder", folder.path) for folder in plan.folders),
        *((f"file {file.way}", file.path) for file in plan.files),
        *(("node", special.path) for special in plan.specials),
        *(("link", link.path) for link in plan.links),
    ]
    if output.verbosity > 0:
        for action, path in actions:
            _show(output, action, shown(path))
    for extra in plan.extras:
        _show(output, "delete", shown(extra.path))
    if output.verbosity > 1:
        for pack in plan.fetch.packs:
            _show(output, "fetch pack", pack.pack.hex())
    written = sum(file.offsets[number + 1] - file.offsets[number] for file in plan.files for number in file.wanted)
    fetching = Fetching(plan.fetch.bytes_to_fetch, plan.fetch.requests, len(plan.fetch.packs))
    frozen = len(planned.frozen_packs())
    place = place_of(session)
    terms = proving().terms(place, SystemClock()) if place else None
    if output.json:
        output.message(
            {
                "message_type": "summary",
                "dry_run": True,
                "total_files": len(plan.files),
                "total_bytes": plan.total_bytes,
                "bytes_to_write": written,
                "files_skipped": plan.skipped,
                "files_deleted": len(plan.extras),
                "snapshot_id": planned.named.id.hex(),
                **fetching_record(fetching, terms),
                "packs_frozen": frozen,
            }
        )
        return
    output.line(
        f"would restore {len(plan.files)} files, {format_size(plan.total_bytes)}, "
        f"of which {format_size(written)} are written; {plan.skipped} left alone, {len(plan.extras)} deleted"
    )
    output.line(fetching_text(fetching, terms))
    if frozen:
        output.line(
            f"{frozen} of these packs are in cold storage: thaw them before, which takes minutes to hours and costs"
        )


def _show(output: Output, action: str, path: str) -> None:
    if output.json:
        output.message({"message_type": "verbose_status", "action": action, "item": path})
    else:
        output.line(f"{action:<14} {path}")


def _report(output: Output, plan: RestorePlan, result: RestoreResult, seconds: float, snapshot_id: str) -> None:
    if output.json:
        output.message(
            {
                "message_type": "summary",
                "seconds_elapsed": int(seconds),
                "total_files": len(plan.files),
                "files_restored": result.files_restored,
                "files_unchanged": result.files_unchanged,
                "files_skipped": result.skipped,
                "files_deleted": len(result.removed),
                "files_verified": result.verified,
                "total_bytes": plan.total_bytes,
                "bytes_restored": result.bytes_restored,
                "num_errors": len(result.problems),
                "snapshot_id": snapshot_id,
            }
        )
        return
    if output.verbosity > 0:
        for path in result.removed:
            _show(output, "deleted", shown(path))
    parts = [
        f"{result.files_restored} restored ({format_size(result.bytes_restored)} written)",
        f"{result.files_unchanged} unchanged",
        f"{result.skipped} left alone",
        f"{len(result.removed)} deleted",
        *([f"{result.verified} verified"] if result.verified else []),
    ]
    output.line(f"snapshot {snapshot_id[:SHORT_HEX]}: {', '.join(parts)} in {format_duration(seconds)}")
