"""drorch backup"""

import importlib
from collections.abc import Callable
from typing import Any

import click

from drorch.cli import exit_codes
from drorch.cli.global_options import VerbCommand
from drorch.cli.parameters import Moment, Size
from drorch.cli.session import Session
from drorch.repository.compression import Compression

_CODES = (*exit_codes.WRITES, 3, 30, 31, 32)


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
    with session.begun() as access:
        # Loaded while the repository is being unlocked (docs/adr/0010-unlocking-beside-loading.md).
        backing_up = importlib.import_module("drorch.cli.backing_up")
        code: int = backing_up.run(session, access, options)
    return code
