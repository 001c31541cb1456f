"""Which snapshots there are, and which one an operator means by "latest:/etc" or "4bba301e"."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drorch.errors import IntegrityError, RepositoryError, UsageError
from drorch.model.names import JOB_TAG, STATE_JOB
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing

LATEST = "latest"
_REFERENCE = re.compile(r"(latest(?::[@a-z0-9][a-z0-9_-]{0,63})?|[0-9a-fA-F]{1,64})(?::(/.*))?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SnapshotFilter:
    """Which snapshots are meant: any of `hosts`, all of `paths`, any of `tags` (each may be "one,and,other")."""

    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()

    def accepts(self, item: NamedSnapshot) -> bool:
        """Whether a snapshot is meant."""
        snapshot = item.snapshot
        by_host = not self.hosts or snapshot.hostname in self.hosts
        by_path = set(self.paths) <= set(snapshot.paths)
        by_tag = not self.tags or any(set(filter(None, tags.split(","))) <= set(snapshot.tags) for tags in self.tags)
        return by_host and by_path and by_tag


EVERY = SnapshotFilter()


@dataclass(frozen=True, slots=True)
class Reference:
    """What an operator wrote for a snapshot: an id prefix, latest, latest:JOB; and a path in it ("/" for all)."""

    snapshot: str
    path: bytes = b"/"


def parse_reference(text: str) -> Reference:
    """Understand SNAPSHOT or SNAPSHOT:/PATH, SNAPSHOT being an id, latest, or latest:JOB. Raises `UsageError`."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise UsageError(
            f'"{text}" is not a snapshot',
            hint="Write an id, its beginning, latest, or latest:JOB; then perhaps :/PATH.",
        )
    return Reference(match[1].lower(), (match[2] or "/").encode("utf-8", "surrogateescape"))


def find_snapshot(repository: Repository, wanted: str, chosen: SnapshotFilter = EVERY) -> NamedSnapshot:
    """The one snapshot meant by an id prefix, or the newest that passes the filter for "latest" and "latest:JOB".

    drorch's own state is never the latest of anything, unless its job or its tag is named.

    Raises `UsageError` where a prefix fits none or several, `RepositoryError` where there is no latest,
    and `IntegrityError` where it is damaged, or where a damaged one may be the newest.
    """
    latest, _, job = wanted.partition(":")
    if latest != LATEST:
        snapshot_id = repository.find_snapshot_id(wanted)
        return NamedSnapshot(snapshot_id, repository.load_snapshot(snapshot_id))
    listing = repository.list_snapshots()
    if listing.faults:
        # An older one must never be taken for the newest in silence.
        raise IntegrityError(
            f"{listing.faults[0][1].message}; it may be the latest",
            hint="To see the others, type: drorch snapshots; then name one by its id.",
        )
    fitting = [item for item in listing.snapshots if chosen.accepts(item) and _is_of(item, job, chosen)]
    if not fitting:
        fits = "holds no snapshot" if chosen == EVERY and not job else "holds no snapshot that fits"
        raise RepositoryError(
            f"{repository.target.properties.description} {fits}", hint="To see what it holds, type: drorch snapshots"
        )
    return fitting[-1]


def _is_of(item: NamedSnapshot, job: str, chosen: SnapshotFilter) -> bool:
    if job:
        return f"{JOB_TAG}{job}" in item.snapshot.tags
    return bool(chosen.tags) or not is_state(item)


def is_state(item: NamedSnapshot) -> bool:
    """Whether a snapshot is drorch's own: what only drorch knows."""
    return f"{JOB_TAG}{STATE_JOB}" in item.snapshot.tags


def list_snapshots(
    repository: Repository, chosen: SnapshotFilter = EVERY, *, ids: Sequence[str] = (), latest: int = 0
) -> SnapshotListing:
    """The snapshots that pass the filter, oldest first, and the damaged ones.

    `ids` are prefixes (or "latest") and name single ones; `latest` keeps the newest so many of each host and paths.
    Raises `UsageError` for a prefix that fits none or several.
    """
    if ids:
        named = {item.id: item for item in (find_snapshot(repository, wanted, chosen) for wanted in ids)}
        return SnapshotListing(tuple(sorted(named.values(), key=lambda item: (item.snapshot.time, item.id))), ())
    return narrowed(repository.list_snapshots(), chosen, latest=latest)


def narrowed(listing: SnapshotListing, chosen: SnapshotFilter, *, latest: int = 0) -> SnapshotListing:
    """What passes the filter of a listing, and the damaged ones; `latest` as in `list_snapshots`."""
    fitting = tuple(filter(chosen.accepts, listing.snapshots))
    return SnapshotListing(_newest(fitting, latest) if latest else fitting, listing.faults)


def _newest(snapshots: Iterable[NamedSnapshot], count: int) -> tuple[NamedSnapshot, ...]:
    groups: dict[tuple[str, tuple[str, ...]], list[NamedSnapshot]] = {}
    for item in snapshots:
        groups.setdefault((item.snapshot.hostname, tuple(sorted(item.snapshot.paths))), []).append(item)
    kept = [item for group in groups.values() for item in group[-count:]]
    return tuple(sorted(kept, key=lambda item: (item.snapshot.time, item.id)))
