"""drorch backup"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from drorch.actions.preview import Fate, Preview
from drorch.app import backup as app_backup
from drorch.app.backup import BackupOutcome, BackupSpec, Excluded, StreamSpec
from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.output.escaping import visible_name
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from drorch.cli.parameters import Moment, Size
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import Outcome, Problem, UsageError
from drorch.ids import SHORT_HEX
from drorch.repository.compression import Compression
from drorch.repository.pipeline.changes import ChangeRules
from drorch.sources.files.excludes import patterns_of_file
from drorch.sources.files.filelist import FileList, expand_patterns, raw_names, verbatim_lines
from drorch.sources.files.guard import Expectation
from drorch.sources.files.selection import Selection
from drorch.units import format_duration, format_size

_CODES = (*exit_codes.WRITES, 3, 30, 31, 32)
_LISTS: dict[str, Callable[[bytes], FileList]] = {
    "files_from": expand_patterns,
    "files_from_verbatim": verbatim_lines,
    "files_from_raw": raw_names,
}


def _repeated(*names: str, metavar: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, multiple=True, metavar=metavar, help=text)


def _flag(*names: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, is_flag=True, help=text)


@click.command("backup", cls=VerbCommand, exit_with=_CODES)
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@_repeated("-e", "--exclude", metavar="PATTERN", text="Leave out what matches, as in .gitignore.")
@_repeated("--iexclude", metavar="PATTERN", text="The same, ignoring case.")
@_repeated("--exclude-file", metavar="FILE", text="Read such patterns from a file.")
@_repeated("--exclude-if-present", metavar="NAME[:HEADER]", text="Leave out folders that hold this file.")
@_flag("--exclude-caches", text="Leave out folders marked with CACHEDIR.TAG.")
@click.option("--exclude-larger-than", type=Size(), metavar="SIZE", help="Leave out files larger than this.")
@_flag("-x", "--one-file-system", text="Stay on the file systems of the paths.")
@_repeated("--files-from", metavar="FILE", text="Read paths, as glob patterns, from a file (- for standard input).")
@_repeated("--files-from-verbatim", metavar="FILE", text="Read paths from a file, as they are, one a line.")
@_repeated("--files-from-raw", metavar="FILE", text="Read paths that end in NUL bytes from a file.")
@_flag("--stdin", text="Save standard input as one file.")
@_flag("--stdin-from-command", text="Save the output of a command; write it after --.")
@click.option("--stdin-filename", default="stdin", show_default=True, metavar="NAME", help="Name of that file.")
@_repeated("--tag", metavar="TAG[,TAG]", text="Tag the snapshot.")
@click.option("-H", "--host", metavar="HOST", help="Host the snapshot names; default: this one.")
@click.option("--time", type=Moment(), metavar="TIME", help="Time of the snapshot; default: now.")
@click.option("--parent", metavar="SNAPSHOT", help="Snapshot to compare with; default: the newest of host and paths.")
@_flag("-f", "--force", text="Read every file anew, compare with no snapshot.")
@_flag("-n", "--dry-run", text="Show what would be done, and what is left out; with -v every path.")
@_flag("--with-atime", text="Keep access times.")
@_flag("--ignore-inode", text="A file with another inode number may be unchanged.")
@_flag("--ignore-ctime", text="A file with another ctime may be unchanged.")
@_flag("--allow-empty", text="Accept an empty, missing or unmounted source.")
@click.option("--min-files", type=click.IntRange(min=0), default=0, metavar="N", help="Refuse fewer files.")
@click.option("--min-bytes", type=Size(), default=0, metavar="SIZE", help="Refuse fewer bytes.")
@_repeated("--expect-mount", metavar="PATH", text="Refuse unless a file system is mounted here.")
@click.option(
    "--compression",
    type=click.Choice([setting.value for setting in Compression]),
    default=Compression.AUTO.value,
    show_default=True,
    help="How much to compress data.",
)
@click.option(
    "--workers", "--read-concurrency", type=click.IntRange(min=0), metavar="N", help="Processes that read and pack."
)
@click.pass_context
def command(context: click.Context, /, **options: Any) -> int:
    """Save files into a new snapshot.

    Files that are unchanged since the parent snapshot are not read again. What cannot be read is named, the rest is
    saved all the same. An empty, missing or unmounted source is refused.
    """
    session = Session.of(context)
    lists = _lists(options)
    spec = _spec(options, lists)
    problems = [problem for one in lists for problem in one.problems]
    if options["dry_run"]:
        return _preview(session, spec, problems)
    return _back_up(session, spec, problems)


def _lists(options: dict[str, Any]) -> list[FileList]:
    return [reading(_content(name)) for key, reading in _LISTS.items() for name in options[key]]


def _content(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as fault:
        raise UsageError(f"{name} cannot be read: {fault.strerror}", hint="Give a file you can read.") from fault


def _spec(options: dict[str, Any], lists: Sequence[FileList]) -> BackupSpec:
    stream = _stream(options, lists)
    targets = tuple(map(os.fsencode, options["paths"])) + tuple(target for one in lists for target in one.targets)
    if stream is None and not targets:
        raise UsageError("there is nothing to back up", hint="Name a file or a folder.")
    patterns = [pattern for name in options["exclude_file"] for pattern in patterns_of_file(_content(name))]
    return BackupSpec(
        selection=Selection(
            targets=() if stream else targets,
            excludes=(*options["exclude"], *patterns),
            iexcludes=options["iexclude"],
            exclude_if_present=options["exclude_if_present"],
            exclude_caches=options["exclude_caches"],
            exclude_larger_than=options["exclude_larger_than"],
            one_file_system=options["one_file_system"],
        ),
        stream=stream,
        expectation=Expectation(
            minimum_files=options["min_files"],
            minimum_bytes=options["min_bytes"],
            expect_mount=tuple(map(os.fsencode, options["expect_mount"])),
            allow_empty=options["allow_empty"],
        ),
        tags=tuple(dict.fromkeys(tag for tags in options["tag"] for tag in tags.split(",") if tag)),
        hostname=options["host"],
        time=options["time"],
        parent=options["parent"],
        read_all=options["force"],
        rules=ChangeRules(options["ignore_inode"], options["ignore_ctime"], options["with_atime"]),
        compression=Compression(options["compression"]),
        workers=options["workers"],
    )


def _stream(options: dict[str, Any], lists: Sequence[FileList]) -> StreamSpec | None:
    if not (options["stdin"] or options["stdin_from_command"]):
        return None
    if lists or (options["stdin"] and (options["stdin_from_command"] or options["paths"])):
        raise UsageError("a stream is backed up alone", hint="Give paths, or --stdin, or --stdin-from-command.")
    if options["stdin_from_command"]:
        return StreamSpec(options["stdin_filename"], argv=options["paths"])
    return StreamSpec(options["stdin_filename"], stream=sys.stdin.buffer)


def _back_up(session: Session, spec: BackupSpec, problems: Sequence[Problem]) -> int:
    output, clock = session.output, SystemClock()
    started = clock.monotonic()
    with showing(output, "backup", terminal=session.terminal) as progress:
        done = app_backup.back_up(session.access(), spec, progress)
    found = (*problems, *done.result.problems)
    for problem in found:
        output.problem(problem, during="backup")
    _report(output, done, clock.monotonic() - started)
    return Outcome.SOURCE_INCOMPLETE if found else Outcome.OK


def _report(output: Output, done: BackupOutcome, seconds: float) -> None:
    summary: dict[str, Any] = dict(done.result.summary)
    snapshot_id = done.result.id.hex()
    if output.json:
        output.message({"message_type": "summary", **summary, "total_duration": seconds, "snapshot_id": snapshot_id})
        return
    if output.verbosity >= 0:
        compared = f"compared with snapshot {done.parent.id.hex()[:SHORT_HEX]}" if done.parent else "read in full"
        output.line(compared)
        for word, key in (("files", "files"), ("folders", "dirs")):
            new, changed, same = (summary[f"{key}_{state}"] for state in ("new", "changed", "unmodified"))
            output.line(f"{word}: {new} new, {changed} changed, {same} unmodified")
        added, packed = format_size(summary["data_added"]), format_size(summary["data_added_packed"])
        output.line(f"added: {added}, {packed} stored")
        total = f"{summary['total_files_processed']} files, {format_size(summary['total_bytes_processed'])}"
        output.line(f"processed: {total} in {format_duration(seconds)}")
        if done.skipped_sockets:
            output.line(f"left out: {done.skipped_sockets} sockets")
    output.line(f"snapshot {snapshot_id[:SHORT_HEX]} saved")


def _preview(session: Session, spec: BackupSpec, problems: Sequence[Problem]) -> int:
    output = session.output
    counts = dict.fromkeys(Fate, 0)
    size = 0
    failed = bool(problems)
    for problem in problems:
        output.problem(problem, during="backup")
    for item in app_backup.preview_backup(session.access(), spec):
        if isinstance(item, Problem):
            failed = True
            output.problem(item, during="backup")
        elif isinstance(item, Excluded):
            _show(output, "excluded", item.path, item.reason)
        else:
            counts[item.fate] += not item.is_folder
            size += item.size if item.fate is not Fate.UNMODIFIED else 0
            _show_fate(output, item)
    if output.json:
        totals = {f"files_{fate}": count for fate, count in counts.items()}
        output.message({"message_type": "summary", "dry_run": True, **totals, "bytes_to_read": size})
    else:
        told = ", ".join(f"{count} {fate}" for fate, count in counts.items())
        output.line(f"would save files: {told}; {format_size(size)} to read")
    return Outcome.SOURCE_INCOMPLETE if failed else Outcome.OK


def _show_fate(output: Output, item: Preview) -> None:
    if output.verbosity > 1 or (output.verbosity > 0 and item.fate is not Fate.UNMODIFIED):
        _show(output, item.fate, item.path)


def _show(output: Output, action: str, path: bytes, reason: str = "") -> None:
    if output.json:
        item = path.decode("utf-8", "surrogateescape")
        output.message(
            {"message_type": "verbose_status", "action": action, "item": item, **({"reason": reason} if reason else {})}
        )
    else:
        output.line(f"{action:<10} {visible_name(path)}{f' ({reason})' if reason else ''}")
