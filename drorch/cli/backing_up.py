"""What `drorch backup` does once its repository is being unlocked: from options to a snapshot, or to a preview."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from drorch.actions.preview import Fate, Preview
from drorch.app import backup as app_backup
from drorch.app.access import Access
from drorch.app.backup import BackupOutcome, BackupSpec, Excluded, StreamSpec
from drorch.cli.output.escaping import visible_name
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
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

_LISTS: dict[str, Callable[[bytes], FileList]] = {
    "files_from": expand_patterns,
    "files_from_verbatim": verbatim_lines,
    "files_from_raw": raw_names,
}


def run(session: Session, access: Access, options: dict[str, Any]) -> int:
    """Save or preview; the exit code. Raises `UsageError`, and what `drorch.app.backup` raises."""
    lists = _lists(options)
    spec = _spec(options, lists)
    problems = [problem for one in lists for problem in one.problems]
    if options["dry_run"]:
        return _preview(session, access, spec, problems)
    return _back_up(session, access, spec, problems)


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


def _back_up(session: Session, access: Access, spec: BackupSpec, problems: Sequence[Problem]) -> int:
    output, clock = session.output, SystemClock()
    started = clock.monotonic()
    with showing(output, "backup", terminal=session.terminal) as progress:
        done = app_backup.back_up(access, spec, progress)
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


def _preview(session: Session, access: Access, spec: BackupSpec, problems: Sequence[Problem]) -> int:
    output = session.output
    counts = dict.fromkeys(Fate, 0)
    size = 0
    failed = bool(problems)
    for problem in problems:
        output.problem(problem, during="backup")
    for item in app_backup.preview_backup(access, spec):
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
