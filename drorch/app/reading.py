"""What a repository holds: each function opens it, locked against removal unless the operator forbids it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from drorch.actions import difference, listing, stats
from drorch.actions import dump as dumping
from drorch.actions import snapshots as choosing
from drorch.actions.difference import Change, Comparison
from drorch.actions.listing import Visit
from drorch.actions.snapshots import EVERY, Reference, SnapshotFilter
from drorch.app.access import Access
from drorch.app.door import opened
from drorch.errors import UsageError
from drorch.ids import TreeId
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing


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
