"""A backup as the operator asks for it becomes a source, a guard and a request to the action."""

import os
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import BinaryIO

from drorch import __version__
from drorch.actions import backup as backing_up
from drorch.actions import preview as previewing
from drorch.actions import snapshots as choosing
from drorch.actions.backup import BackupRequest, BackupResult, Label
from drorch.actions.preview import Preview
from drorch.actions.progress import Progress
from drorch.app.access import Access
from drorch.app.door import opened, remove_abandoned
from drorch.clock import Clock
from drorch.errors import Problem, SourceSuspicious, UsageError
from drorch.repository.compression import Compression
from drorch.repository.pipeline.changes import ChangeRules
from drorch.repository.pipeline.walk import WalkOptions
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.repository.timestamps import from_datetime
from drorch.repository.writer import WritePolicy
from drorch.sources.files.guard import Expectation, Guard
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from drorch.sources.files.vantage import LIVE, Vantage
from drorch.sources.stream import CommandSource, StreamSource

_NOT_TEXT = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """One stream to back up: standard input, or the output of a command; `name` is the file it becomes."""

    name: str
    argv: tuple[str, ...] | None = None
    stream: BinaryIO | None = None


@dataclass(frozen=True, slots=True)
class BackupSpec:
    """A backup as the operator asks for it: files, or a stream. None stands for what drorch would choose.

    `time` is in nanoseconds since 1970, `parent` what is written for a snapshot, `workers` a number of processes.
    Files are seen from `vantage`.
    """

    selection: Selection
    stream: StreamSpec | None = None
    expectation: Expectation = field(default_factory=Expectation)
    tags: tuple[str, ...] = ()
    hostname: str | None = None
    time: int | None = None
    parent: str | None = None
    read_all: bool = False
    rules: ChangeRules = field(default_factory=ChangeRules)
    compression: Compression = Compression.AUTO
    workers: int | None = None
    vantage: Vantage = LIVE


@dataclass(frozen=True, slots=True)
class BackupOutcome:
    """A saved snapshot, what it was compared with, and how many sockets were left out."""

    result: BackupResult
    parent: NamedSnapshot | None
    skipped_sockets: int


def back_up(access: Access, spec: BackupSpec, progress: Progress) -> BackupOutcome:
    """Save a snapshot.

    Raises `SourceSuspicious` and other `SourceError`s, and what writing to the repository raises; there is no
    snapshot then. What could not be read of the source is in the result.
    """
    if not access.lock:
        raise UsageError("a backup cannot do without its lock", hint="Leave --no-lock out.")
    guard = inspected(spec)
    with opened(access, lock=False) as repository:
        return back_up_into(repository, spec, guard, access.retry_lock, progress)


def inspected(spec: BackupSpec) -> Guard:
    """The guard of a backup, after it has looked at the source. Raises `SourceSuspicious`."""
    guard = Guard(spec.expectation)
    if spec.stream is None:
        guard.inspect(spec.selection.targets)
    return guard


def back_up_into(
    repository: Repository, spec: BackupSpec, guard: Guard, retry_lock: timedelta, progress: Progress
) -> BackupOutcome:
    """Save a snapshot into an opened repository whose lock nobody of us holds yet. Raises as `back_up` does."""
    remove_abandoned(repository)
    clock = repository.clock
    files = FilesSource(spec.selection, vantage=spec.vantage) if spec.stream is None else None
    source = files or _stream_source(spec.stream, clock)
    described = _label(spec, files, clock)
    parent = _parent(repository, spec, described)
    request = BackupRequest(
        label=described,
        parent=parent,
        accept=guard.verdict if files else _stream_verdict(guard, spec.expectation),
        problems=lambda: files.problems if files else (),
        walk=WalkOptions(spec.rules) if spec.workers is None else WalkOptions(spec.rules, spec.workers),
        policy=WritePolicy(compression=spec.compression, retry_lock=retry_lock),
    )
    result = backing_up.backup(repository, source, request, progress)
    return BackupOutcome(result, parent, files.skipped_sockets if files else 0)


def _stream_source(stream: StreamSpec | None, clock: Clock) -> StreamSource | CommandSource:
    assert stream is not None
    name = os.fsencode(stream.name)
    if stream.argv is not None:
        return CommandSource(name, stream.argv, clock)
    if stream.stream is None:
        raise UsageError("there is no stream to read", hint="Give --stdin, or --stdin-from-command -- COMMAND.")
    return StreamSource(name, stream.stream, clock)


def _stream_verdict(guard: Guard, expectation: Expectation) -> Callable[[int, int], None]:
    def verdict(files: int, size: int) -> None:
        if size == 0 and not expectation.allow_empty:
            raise SourceSuspicious("the stream was empty", hint="Find out why, or allow it with --allow-empty.")
        guard.verdict(files, size)

    return verdict


def _label(spec: BackupSpec, files: FilesSource | None, clock: Clock) -> Label:
    if files is not None:
        paths = tuple(map(_as_stored, files.paths))
    else:
        assert spec.stream is not None
        paths = (_as_stored(b"/" + os.fsencode(spec.stream.name).lstrip(b"/")),)
    plain = label(paths, clock, hostname=spec.hostname, tags=spec.tags)
    return replace(plain, time=plain.time if spec.time is None else spec.time, excludes=spec.selection.excludes)


def label(paths: Sequence[str], clock: Clock, *, hostname: str | None, tags: Sequence[str]) -> Label:
    """What a snapshot that is made now will say of itself; the host is this one where none is named."""
    return Label(
        time=from_datetime(clock.now()),
        paths=tuple(paths),
        hostname=hostname or socket.gethostname(),
        uid=os.getuid(),
        gid=os.getgid(),
        program_version=f"drorch {__version__}",
        tags=tuple(tags),
    )


def _as_stored(path: bytes) -> str:
    """A path as a snapshot's JSON gives it back: a byte that is not UTF-8 as U+FFFD."""
    return _NOT_TEXT.sub("\ufffd", path.decode("utf-8", "surrogateescape"))


def _parent(repository: Repository, spec: BackupSpec, label: Label) -> NamedSnapshot | None:
    if spec.read_all or spec.stream is not None:
        return None
    if spec.parent is not None:
        return choosing.find_snapshot(repository, spec.parent)
    return backing_up.choose_parent(repository.list_snapshots().snapshots, label)


@dataclass(frozen=True, slots=True)
class Excluded:
    """A path that a backup would leave out on purpose, and why."""

    path: bytes
    reason: str


def preview_backup(access: Access, spec: BackupSpec) -> Iterator[Preview | Excluded | Problem]:
    """What a backup would do, path by path. Nothing is read, written or locked.

    Raises what `back_up` raises before it reads. For files only: raises `UsageError` for a stream.
    """
    if spec.stream is not None:
        raise UsageError("a stream cannot be read twice", hint="Leave --dry-run out.")
    inspected(spec)
    excluded: list[Excluded] = []
    with opened(access, lock=False) as repository:
        source = FilesSource(spec.selection, on_excluded=lambda path, why: excluded.append(Excluded(path, why)))
        parent = _parent(repository, spec, _label(spec, source, repository.clock))
        tree = None if parent is None else parent.snapshot.tree
        for item in previewing.preview(repository, source, tree, spec.rules):
            yield from excluded
            excluded.clear()
            yield item
        yield from excluded
        yield from source.problems
