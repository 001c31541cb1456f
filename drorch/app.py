"""The composition root: what an operator names becomes live objects, which are handed to actions.

The only place that knows everything. Each function opens the repository, holds a shared lock while the action works
(unless the operator forbids it), and closes the target again, whatever happens.
"""

import os
import re
import shlex
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from drorch import __version__
from drorch.actions import backup as backing_up
from drorch.actions import difference, listing, stats
from drorch.actions import dump as dumping
from drorch.actions import preview as previewing
from drorch.actions import snapshots as choosing
from drorch.actions import unlock as unlocking
from drorch.actions.backup import BackupRequest, BackupResult, Label
from drorch.actions.difference import Change, Comparison
from drorch.actions.listing import Visit
from drorch.actions.preview import Preview
from drorch.actions.progress import Progress
from drorch.actions.snapshots import EVERY, Reference, SnapshotFilter
from drorch.clock import Clock
from drorch.errors import Problem, SecretMissing, SourceSuspicious, UsageError
from drorch.ids import TreeId
from drorch.process import output_of
from drorch.repository import repository as engine
from drorch.repository.compression import Compression
from drorch.repository.pipeline.changes import ChangeRules
from drorch.repository.pipeline.walk import WalkOptions
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing
from drorch.repository.timestamps import from_datetime
from drorch.repository.writer import WritePolicy
from drorch.secrets import decode_password, read_password_file
from drorch.sources.files.guard import Expectation, Guard
from drorch.sources.files.scan import FilesSource
from drorch.sources.files.selection import Selection
from drorch.sources.stream import CommandSource, StreamSource
from drorch.storage.local import LocalTarget
from drorch.storage.readonly import ReadOnlyTarget
from drorch.storage.target import Target

_PASSWORD_COMMAND_SECONDS = 60.0
_NOT_TEXT = re.compile("[\ud800-\udfff]")
_SCHEME = re.compile(r"(local|sftp|s3|rest|b2|azure|gs|swift|rclone):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PasswordOrigin:
    """Where a password comes from: the first of these that is given. `ask` is for a person at a terminal."""

    file: Path | None = None
    command: str | None = None
    text: str | None = field(default=None, repr=False)
    ask: Callable[[], str] | None = None

    def read(self) -> str:
        """The password. Raises `SecretMissing`, or `ChildFailed` where the command fails."""
        if self.file is not None:
            return read_password_file(self.file)
        if self.command is not None:
            return self._from_command(self.command)
        password = self.text or (self.ask() if self.ask is not None else "")
        if not password:
            raise SecretMissing(
                "no password is given",
                hint="Give --password-file FILE, or set RESTIC_PASSWORD_FILE or RESTIC_PASSWORD.",
            )
        return password

    @staticmethod
    def _from_command(command: str) -> str:
        try:
            argv = shlex.split(command)
        except ValueError as fault:
            raise UsageError(f"the password command cannot be read: {fault}", hint="Check its quotes.") from fault
        if not argv:
            raise UsageError("the password command is empty", hint="Give a command that prints the password.")
        password = decode_password(output_of(argv, timeout=_PASSWORD_COMMAND_SECONDS))
        if not password:
            raise SecretMissing(f"command {argv[0]} printed no password", hint="Run it by hand and see.")
        return password


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one repository. Without `lock` it is only read, and others are not kept from removing."""

    url: str
    password: PasswordOrigin
    lock: bool = True
    retry_lock: timedelta = timedelta(0)


def open_target(url: str) -> Target:
    """The target a URL names: a path, or "local:" and a path. Raises `UsageError` for kinds not supported yet."""
    match = _SCHEME.fullmatch(url)
    scheme, place = (match[1], match[2]) if match else ("local", url)
    if scheme != "local":
        raise UsageError(f"{scheme} repositories are not supported yet", hint="Give a path of this machine.")
    if not place:
        raise UsageError("the repository's path is empty", hint="Give a path, for instance /srv/backup.")
    return LocalTarget(Path(place))


@contextmanager
def opened(access: Access, *, lock: bool = True) -> Iterator[Repository]:
    """The repository, opened, and locked against removal where `lock` and the access say so.

    Raises what `Repository.open` raises, and `RepositoryLocked`.
    """
    with ExitStack() as stack:
        target = stack.enter_context(closing(open_target(access.url)))
        if not access.lock:
            target = ReadOnlyTarget(target)
        repository = Repository.open(target, access.password.read())
        if lock and access.lock:
            stack.enter_context(repository.shared_lock(access.retry_lock))
        yield repository


@dataclass(frozen=True, slots=True)
class Initialized:
    """A new repository: its id, where it is, its format version."""

    id: str
    place: str
    version: int


def initialize(access: Access, *, version: int = 2, like: Access | None = None) -> Initialized:
    """Make a repository; `like` another one it shares the chunker's polynomial, so that copies deduplicate.

    Raises `RepositoryError` where there is one already.
    """
    polynomial = None
    if like is not None:
        with opened(like, lock=False) as model:
            polynomial = model.config.chunker_polynomial
    with closing(open_target(access.url)) as target:
        made = engine.initialize(target, access.password.read(), version=version, polynomial=polynomial)
        return Initialized(made.config.id, target.properties.description, version)


def snapshots(
    access: Access, chosen: SnapshotFilter = EVERY, *, ids: Sequence[str] = (), latest: int = 0
) -> SnapshotListing:
    """The snapshots of a repository, oldest first. See `actions.snapshots.list_snapshots`."""
    with opened(access) as repository:
        return choosing.list_snapshots(repository, chosen, ids=ids, latest=latest)


@dataclass(frozen=True, slots=True)
class Files:
    """A snapshot and what was asked for of it; `visits` is read once, while the repository is open."""

    named: NamedSnapshot
    visits: Iterator[Visit]


@contextmanager
def files(access: Access, reference: Reference, chosen: SnapshotFilter, *, recursive: bool) -> Iterator[Files]:
    """What a snapshot holds at and below a path. See `actions.listing.list_files`."""
    with opened(access) as repository:
        named = choosing.find_snapshot(repository, reference.snapshot, chosen)
        visits = listing.list_files(repository, named.snapshot.tree, reference.path, recursive=recursive)
        yield Files(named, visits)


@dataclass(frozen=True, slots=True)
class Differences:
    """Two snapshots compared: read `changes` to the end, then `comparison.totals` is complete."""

    old: NamedSnapshot
    new: NamedSnapshot
    changes: Iterator[Change]
    comparison: Comparison


@contextmanager
def differences(access: Access, old: Reference, new: Reference, *, metadata: bool) -> Iterator[Differences]:
    """What differs between two snapshots, or between a folder in each. See `actions.difference`."""
    with opened(access) as repository:
        before = choosing.find_snapshot(repository, old.snapshot)
        after = choosing.find_snapshot(repository, new.snapshot)
        trees = [_folder(repository, named, reference.path) for named, reference in ((before, old), (after, new))]
        comparison = difference.Comparison(repository, metadata=metadata)
        yield Differences(before, after, comparison.changes(*trees), comparison)


def _folder(repository: Repository, named: NamedSnapshot, path: bytes) -> TreeId:
    place = listing.find_place(repository, named.snapshot.tree, path)
    if place.tree is None:
        raise UsageError(
            f"{path.decode('utf-8', 'surrogateescape')} is not a folder", hint="Compare the folder it is in."
        )
    return place.tree


def dump(access: Access, reference: Reference, chosen: SnapshotFilter, out: BinaryIO) -> None:
    """Write a file, or a folder as tar. See `actions.dump.dump`."""
    with opened(access) as repository:
        named = choosing.find_snapshot(repository, reference.snapshot, chosen)
        dumping.dump(repository, named.snapshot.tree, reference.path, out)


def statistics(
    access: Access, mode: stats.StatsMode, chosen: SnapshotFilter = EVERY, *, ids: Sequence[str] = ()
) -> stats.Stats:
    """Count what snapshots hold; all of them unless some are named. See `actions.stats.stats`."""
    with opened(access) as repository:
        found = choosing.list_snapshots(repository, chosen, ids=ids)
        if found.faults:
            raise found.faults[0][1]
        return stats.stats(repository, found.snapshots, mode)


def unlock(access: Access, *, remove_all: bool) -> unlocking.UnlockResult:
    """Remove locks that nobody holds, or all. See `actions.unlock.unlock`."""
    with opened(access, lock=False) as repository:
        return unlocking.unlock(repository, remove_all=remove_all)


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
    guard = Guard(spec.expectation)
    if spec.stream is None:
        guard.inspect(spec.selection.targets)
    with opened(access, lock=False) as repository:
        clock = repository.clock
        files = FilesSource(spec.selection) if spec.stream is None else None
        source = files or _stream_source(spec.stream, clock)
        label = _label(spec, files, clock)
        parent = _parent(repository, spec, label)
        request = BackupRequest(
            label=label,
            parent=parent,
            accept=guard.verdict if files else _stream_verdict(guard, spec.expectation),
            problems=lambda: files.problems if files else (),
            walk=WalkOptions(spec.rules) if spec.workers is None else WalkOptions(spec.rules, spec.workers),
            policy=WritePolicy(compression=spec.compression, retry_lock=access.retry_lock),
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
    return Label(
        time=spec.time if spec.time is not None else from_datetime(clock.now()),
        paths=paths,
        hostname=spec.hostname or socket.gethostname(),
        uid=os.getuid(),
        gid=os.getgid(),
        program_version=f"drorch {__version__}",
        tags=spec.tags,
        excludes=spec.selection.excludes,
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
    Guard(spec.expectation).inspect(spec.selection.targets)
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
