"""Rebuilding: what only the catalog knew is read back from the newest @state, the rest is derived from the targets.

Nothing that was there is lost by it: what is replaced is kept aside, path history is made beside the old one, and a
rebuild that dies is finished by the next.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from drorch.catalog.copying import is_sound, move_aside, put_in_place
from drorch.catalog.file import CatalogFile, opened_file
from drorch.catalog.inspection import looked_at
from drorch.catalog.merging import Taken
from drorch.catalog.open import Catalog, CatalogPlace
from drorch.catalog.paths.rebuilding import rebuild
from drorch.catalog.paths.values import PathEntry, RecordedSnapshot, SnapshotListing
from drorch.catalog.queries import RunQuery
from drorch.catalog.record import Record, Stored, from_json
from drorch.catalog.schema import Upgrade
from drorch.clock import Clock
from drorch.errors import CatalogError, IntegrityError, Problem
from drorch.ids import SnapshotId
from drorch.model.audit import AuditHead, BrokenLink
from drorch.model.finding import Comment, FindingKind
from drorch.model.names import STATE_JOB
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import Alarm, alarm, reconcile
from drorch.model.run import RunOutcome
from drorch.orchestrator.history import path_changes
from drorch.orchestrator.kinship import holds_catalog, is_stranger, length_of, subject_of
from drorch.orchestrator.seen import job_of, seen, seen_in
from drorch.orchestrator.state import CATALOG, SPOOL, SavedState, states
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


def sources(reached: Sequence[Reached], host: str) -> list[Source]:
    """Every saved state of a host, on whatever target, the latest first."""
    found = [
        Source(one.target, SavedState(one.repository, named))
        for one in reached
        for named in states(one.listing)
        if named.snapshot.hostname == host
    ]
    return sorted(found, key=lambda source: source.taken, reverse=True)


def best_source(reached: Sequence[Reached], host: str) -> Source | None:
    """The @state of a host, on whatever target, whose catalog knows most; None where none holds one.

    Raises `TargetError` where a target fails meanwhile.
    """
    knowing = sorted(sources(reached, host), key=lambda source: (length_of(source.saved), source.taken), reverse=True)
    return next((source for source in knowing if holds_catalog(source.saved)), None)


def newest_stranger(place: CatalogPlace, reached: Sequence[Reached], host: str) -> Source | None:
    """The latest @state of a host that another catalog than the one of this place saved; it is only looked at.

    None also where the catalog is to be upgraded before it can tell. Raises `CatalogError`.
    """
    with looked_at(place) as doors:
        if doors is None:
            return None
        return next((one for one in sources(reached, host) if is_stranger(one.saved, *doors)), None)


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """A catalog that was put in its place: where what stood there is kept, if anything did.

    `broken` is the first link of the audit log that is not as it was when it was saved; of `unknown_ends` runs it is
    not known how they ended.
    """

    aside: Path | None
    broken: BrokenLink | None
    unknown_ends: int


def bring_back(saved: SavedState, place: CatalogPlace, at: datetime, upgrade: Upgrade) -> BroughtBack:
    """Put the catalog of an @state in its place, whole and with no run under way in it.

    Raises `IntegrityError`, `TargetError` and `CatalogError`; then nothing is replaced.
    """
    fresh = place.catalog_file.with_name(f"{CATALOG}.restored")
    with _fetched(saved, fresh, upgrade) as (opened, anchors):
        broken = opened.audit.verify(anchors)
        unknown = _settle_open_runs(opened, saved, at, place)
    aside = _aside(place, at)
    put_in_place(fresh, place.catalog_file, aside)
    return BroughtBack(aside if aside.exists() else None, broken, unknown)


@contextmanager
def _fetched(saved: SavedState, file: Path, upgrade: Upgrade) -> Iterator[tuple[CatalogFile, list[AuditHead]]]:
    """The catalog of an @state, written to a file, with what waited in its spool, and the noted end of its audit log.

    Raises `IntegrityError`, `TargetError`, and `CatalogError` where it is damaged or cannot be written.
    """
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    saved.write(CATALOG, file)
    if not is_sound(file):
        raise CatalogError(f"the catalog in snapshot {saved.named.id.hex()[:8]} is damaged")
    head = saved.head()
    with opened_file(file, upgrade) as opened:
        for name in saved.spooled():
            with suppress(CatalogError):
                opened.ledger.record(from_json(saved.text(f"{SPOOL}/{name}") or ""))
        yield opened, [head] if head is not None else []


def take_over(catalog: Catalog, source: Source, place: CatalogPlace, at: datetime, upgrade: Upgrade) -> Taken:
    """Put into the catalog what the one in an @state of another catalog knows.

    Raises `IntegrityError`, `TargetError` and `CatalogError`.
    """
    file = place.state_dir / f"{CATALOG}.other"
    try:
        with _fetched(source.saved, file, upgrade) as (other, anchors):
            _settle_open_runs(other, source.saved, at, place)
            return catalog.take_over(other, anchors)
    finally:
        for left in place.state_dir.glob(f"{file.name}*"):
            left.unlink(missing_ok=True)


def take_over_all(
    catalog: Catalog, reached: Sequence[Reached], host: str, take: Callable[[Source], Taken]
) -> Iterator[tuple[Source, Taken]]:
    """Take over what other catalogs of a host know, the latest state of each; afterwards their earlier ones are kin."""
    for source in sources(reached, host):
        if is_stranger(source.saved, catalog.queries, catalog.audit):
            yield source, take(source)


def close_findings(catalog: Catalog, targets: Iterable[str], at: datetime) -> None:
    """Close what is open about other catalogs' states on targets: they are taken over."""
    subjects = {subject_of(target) for target in targets}
    for finding in catalog.queries.findings():
        if finding.kind is FindingKind.OTHER_CATALOG and finding.subject in subjects:
            catalog.ledger.close_finding(finding.id, Comment(at, "drorch", "a rebuild took over what that one knew"))


def set_aside(place: CatalogPlace, at: datetime) -> Path | None:
    """Move a catalog that no copy can replace out of the way; answers where it is. Raises `CatalogError`."""
    aside = _aside(place, at)
    return aside if move_aside(place.catalog_file, aside) else None


def _aside(place: CatalogPlace, at: datetime) -> Path:
    return place.catalog_file.with_name(f"{CATALOG}.{at:%Y%m%dT%H%M%SZ}.aside")


def _settle_open_runs(file: CatalogFile, saved: SavedState, at: datetime, place: CatalogPlace) -> int:
    """Say of runs and launches that had not ended when a catalog was saved that their end is not known.

    The run that saved it did end, and well: its snapshot is there. What waits in the spool tells of its run itself.
    Answers of how many runs it is not known.
    """
    taken = saved.named.snapshot.moment
    waiting = {path.stem.rpartition("-")[2] for path in place.spool.waiting()}
    running = file.queries.runs(RunQuery(outcomes=(RunOutcome.RUNNING,), limit=_MOST_RUNS))
    saving = next((run.id for run in running if run.job == STATE_JOB and run.started <= taken), None)
    unknown = 0
    for run in running:
        if run.id == saving:
            ended = replace(run, ended=taken, outcome=RunOutcome.OK, snapshot=saved.named.id)
        elif run.id in waiting:
            continue
        else:
            problem = Problem(f"{run.job}@{run.target}", "how it ended was lost with the catalog")
            ended = replace(run, ended=at, outcome=RunOutcome.FAILED, problems=(*run.problems, problem))
            unknown += 1
        file.ledger.record(Record(ended))
    file.launches.settle_lost(at)
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
