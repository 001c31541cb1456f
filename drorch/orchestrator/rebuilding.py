"""Rebuilding: what only the catalog knew is read back from the newest @state, the rest is derived from the targets.

Nothing that was there is lost by it: what is replaced is kept aside, path history is made beside the old one, and a
rebuild that dies is finished by the next.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from drorch.catalog.copying import broken_link, is_sound, move_aside, put_in_place
from drorch.catalog.open import Catalog, CatalogPlace
from drorch.catalog.paths.rebuilding import rebuild
from drorch.catalog.paths.values import PathEntry, RecordedSnapshot, SnapshotListing
from drorch.catalog.queries import RunQuery
from drorch.catalog.record import Record, Stored
from drorch.catalog.schema import Upgrade
from drorch.clock import Clock
from drorch.errors import CatalogError, IntegrityError, Problem
from drorch.ids import SnapshotId
from drorch.model.audit import BrokenLink
from drorch.model.names import STATE_JOB
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import Alarm, alarm, reconcile
from drorch.model.run import RunOutcome
from drorch.orchestrator.history import path_changes
from drorch.orchestrator.seen import job_of, seen, seen_in
from drorch.orchestrator.state import CATALOG, SavedState, states
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.repository.repository import SnapshotListing as TargetListing

_MOST_RUNS = 100_000


class Condition(StrEnum):
    """How catalog.sqlite is."""

    SOUND = "sound"
    MISSING = "missing"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Reached:
    """A target that answered, its repository locked against removal, and what it lists."""

    target: str
    repository: Repository
    listing: TargetListing


@dataclass(frozen=True, slots=True)
class Source:
    """The snapshot of @state that a catalog is read back from."""

    target: str
    saved: SavedState

    @property
    def taken(self) -> datetime:
        """When it was saved."""
        return self.saved.named.snapshot.moment


def condition_of(place: CatalogPlace) -> Condition:
    """How catalog.sqlite is, all of it read. A catalog in PostgreSQL is its administrator's, and counts as sound."""
    if place.url is not None:
        return Condition.SOUND
    if not place.catalog_file.exists():
        return Condition.MISSING
    whole = place.catalog_file.stat().st_size > 0 and is_sound(place.catalog_file)
    return Condition.SOUND if whole else Condition.DAMAGED


def newest_source(reached: Sequence[Reached], host: str) -> Source | None:
    """The newest @state of a host, on whatever target, that holds a catalog; None where there is none.

    Raises `TargetError` where a target fails meanwhile.
    """
    candidates = [
        Source(one.target, SavedState(one.repository, named))
        for one in reached
        for named in states(one.listing)
        if named.snapshot.hostname == host
    ]
    candidates.sort(key=lambda source: source.taken, reverse=True)
    return next((source for source in candidates if _holds_catalog(source)), None)


def _holds_catalog(source: Source) -> bool:
    try:
        return source.saved.has(CATALOG)
    except IntegrityError:
        return False


def bring_back(saved: SavedState, place: CatalogPlace, at: datetime) -> tuple[Path, BrokenLink | None]:
    """Put the catalog of an @state in its place.

    Answers where what stood there is kept, and the first link of the audit log that is not as it was when it was saved.
    Raises `IntegrityError`, `TargetError` and `CatalogError`; then nothing is replaced.
    """
    fresh = place.catalog_file.with_name(f"{CATALOG}.restored")
    place.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    saved.write(CATALOG, fresh)
    if not is_sound(fresh):
        raise CatalogError(f"the catalog in snapshot {saved.named.id.hex()[:8]} is damaged")
    head = saved.head()
    broken = broken_link(fresh, [head] if head is not None else [])
    aside = _aside(place, at)
    put_in_place(fresh, place.catalog_file, aside)
    return aside, broken


def set_aside(place: CatalogPlace, at: datetime) -> Path | None:
    """Move a catalog that no copy can replace out of the way; answers where it is. Raises `CatalogError`."""
    aside = _aside(place, at)
    return aside if move_aside(place.catalog_file, aside) else None


def _aside(place: CatalogPlace, at: datetime) -> Path:
    return place.catalog_file.with_name(f"{CATALOG}.{at:%Y%m%dT%H%M%SZ}.aside")


def settle_open_runs(catalog: Catalog, source: Source, at: datetime) -> int:
    """Say of runs that had not ended when the catalog was saved that their end is not known; answers how many.

    The one that saved it did end, and well: its snapshot is there.
    """
    unknown = 0
    for run in catalog.queries.runs(RunQuery(outcomes=(RunOutcome.RUNNING,), limit=_MOST_RUNS)):
        if run.job == STATE_JOB and run.target == source.target and run.started <= source.taken:
            ended = replace(run, ended=source.taken, outcome=RunOutcome.OK, snapshot=source.saved.named.id)
        else:
            problem = Problem(f"{run.job}@{run.target}", "how it ended was lost with the catalog")
            ended = replace(run, ended=at, outcome=RunOutcome.FAILED, problems=(*run.problems, problem))
            unknown += 1
        catalog.ledger.record(Record(ended))
    return unknown


def know(catalog: Catalog, one: Reached, clock: Clock) -> Sequence[Alarm]:
    """Know all that a target lists, which proves L0; raise the alarm about what vanished or changed."""
    known = catalog.queries.known(one.target)
    found = reconcile(one.target, known, seen_in(one.listing, {snapshot.id: snapshot for snapshot in known}))
    now = clock.now()
    alarms = [alarm(one.target, fault, now, (uuid.uuid4().hex, uuid.uuid4().hex)) for fault in found.discrepancies]
    raised = catalog.ledger.alarm(one.target, alarms)
    catalog.ledger.know(Stored(one.target, snapshot) for snapshot in found.new)
    listed = (named.id for named in one.listing.snapshots)
    catalog.ledger.prove(Proof(one.target, snapshot, Scope.FULL, ProofLevel.L0, now) for snapshot in listed)
    return raised


def later_snapshots(catalog: Catalog, reached: Sequence[Reached], source: Source) -> int:
    """How many snapshots of jobs were saved after an @state by runs that nothing is known of any more."""
    remembered = {run.snapshot for run in catalog.queries.runs(RunQuery(since=source.taken, limit=_MOST_RUNS))}
    return sum(
        job_of(named.snapshot) not in ("", STATE_JOB)
        and named.snapshot.moment > source.taken
        and named.id not in remembered
        for one in reached
        for named in one.listing.snapshots
    )


@dataclass(frozen=True, slots=True)
class Derived:
    """Path history made anew: how many snapshots are in it, and those that could not be read."""

    snapshots: int
    unreadable: tuple[Problem, ...]


def derive_paths(place: CatalogPlace, reached: Sequence[Reached], upgrade: Upgrade) -> Derived:
    """Make path history anew from every snapshot of a job, oldest first, each once wherever its copies lie.

    A snapshot whose trees are damaged is left out and told. Raises `CatalogError` and `TargetError`.
    """
    damaged: dict[SnapshotId, Problem] = {}
    while True:
        reading = _Reading(reached, damaged)
        try:
            return Derived(rebuild(place.paths_file, reading.listings(), upgrade), tuple(damaged.values()))
        except IntegrityError as fault:
            # What was begun is half a snapshot: all is made once more, without it.
            assert reading.current is not None
            damaged[reading.current.id] = Problem(reading.current.id.hex()[:8], fault.message)


class _Reading:
    """One pass over all snapshots; `current` is the one that is being read."""

    def __init__(self, reached: Sequence[Reached], without: dict[SnapshotId, Problem]) -> None:
        self._reached = reached
        self._without = without
        self.current: NamedSnapshot | None = None

    def listings(self) -> Iterator[SnapshotListing]:
        places = [
            (named, one.repository)
            for one in self._reached
            for named in one.listing.snapshots
            if job_of(named.snapshot) not in ("", STATE_JOB) and named.id not in self._without
        ]
        places.sort(key=lambda place: place[0].snapshot.time)
        done: set[SnapshotId] = set()
        for named, repository in places:
            snapshot = seen(named)
            if snapshot.original not in done:
                done.add(snapshot.original)
                self.current = named
                recorded = RecordedSnapshot(snapshot.original, snapshot.lineage, snapshot.taken)
                yield SnapshotListing(recorded, self._entries(repository, named))

    @staticmethod
    def _entries(repository: Repository, named: NamedSnapshot) -> Iterator[PathEntry]:
        yield from path_changes(repository, None, named.snapshot.tree)
