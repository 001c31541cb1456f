"""The composition root: what an operator names becomes live objects, which are handed to actions.

The only place that knows everything. Each function opens the repository, holds a shared lock while the action works
(unless the operator forbids it), and closes the target again, whatever happens.
"""

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from drorch.actions import difference, listing, stats
from drorch.actions import dump as dumping
from drorch.actions import snapshots as choosing
from drorch.actions import unlock as unlocking
from drorch.actions.difference import Change, Comparison
from drorch.actions.listing import Visit
from drorch.actions.snapshots import EVERY, Reference, SnapshotFilter
from drorch.errors import SecretMissing, UsageError
from drorch.ids import TreeId
from drorch.process import output_of
from drorch.repository import repository as engine
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing
from drorch.secrets import decode_password, read_password_file
from drorch.storage.local import LocalTarget
from drorch.storage.readonly import ReadOnlyTarget
from drorch.storage.target import Target

_PASSWORD_COMMAND_SECONDS = 60.0
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
