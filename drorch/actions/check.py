"""Check a repository: structure always, data as far as it is asked for.

The caller holds a shared lock. Snapshots are listed before indexes are loaded, so that what a backup adds meanwhile
is not taken for damage. What a check says of a snapshot's standing is what the ladder of proof builds on: a snapshot
is called sound or read only where every single thing it needs was found so.
"""

from dataclasses import dataclass, field

from drorch.actions.progress import NoProgress, Progress
from drorch.errors import IntegrityError, ObjectFrozen
from drorch.ids import PackId, SnapshotId
from drorch.repository.check.contents import ContentCheck
from drorch.repository.check.damage import BlobStandings, Damage
from drorch.repository.check.findings import Finding, FindingKind, FindingList, Need, Severity
from drorch.repository.check.indexes import IndexSurvey, survey_indexes
from drorch.repository.check.needs import NeedFinder
from drorch.repository.check.packs import compare_packs
from drorch.repository.check.subset import (
    ReadAll,
    ReadBucket,
    ReadBytes,
    ReadData,
    ReadNothing,
    ReadShare,
    choose,
    parse_subset,
)
from drorch.repository.check.surroundings import survey_keys, survey_locks
from drorch.repository.check.trees import TreeGraph, TreeWalk
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing

__all__ = [
    "CheckReport",
    "CheckRequest",
    "Finding",
    "FindingKind",
    "Need",
    "ReadAll",
    "ReadBucket",
    "ReadBytes",
    "ReadData",
    "ReadNothing",
    "ReadShare",
    "Severity",
    "SnapshotStanding",
    "check",
    "parse_subset",
]


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to check beyond the structure."""

    read_data: ReadData = field(default_factory=ReadNothing)


@dataclass(frozen=True, slots=True)
class SnapshotStanding:
    """What this check proves of a snapshot.

    `sound`: every tree and blob it needs is indexed, in packs that are there with their right sizes, and nothing is
    wrong with its trees (proof level L1). `read`: all of it was also read from the target in this check, decrypted,
    and matched its hash (L2).
    """

    snapshot: SnapshotId
    sound: bool
    read: bool


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found: errors first, then hints; and how each snapshot that can be read stands, oldest first.

    `packs` are those the index lists and the target holds; `packs_read` and `bytes_read` those read whole;
    `packs_frozen` were to be read and could not: they are in cold storage.
    """

    read_data: ReadData
    findings: tuple[Finding, ...]
    snapshots: tuple[SnapshotStanding, ...]
    packs: int
    packs_read: int
    packs_frozen: int
    bytes_read: int
    trees: int

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that are damage."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def hints(self) -> tuple[Finding, ...]:
        """The findings that may be left as they are."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.HINT)

    @property
    def exit_code(self) -> int:
        """0, or that of `IntegrityError` where damage was found, or of `ObjectFrozen` where some could not be read."""
        if self.errors:
            return IntegrityError.exit_code
        return ObjectFrozen.exit_code if self.packs_frozen else 0


def check(repository: Repository, request: CheckRequest, progress: Progress | None = None) -> CheckReport:
    """Check a repository under a shared lock that the caller holds.

    Nothing is taken from a cache. Damage is in the report; raises `TargetError` where the target fails, for then
    nothing was proved.
    """
    repository, progress = repository.direct(), progress or NoProgress()
    structure = _look_at_structure(repository)
    findings, snapshots, index = structure.findings, structure.listing.snapshots, structure.survey.index
    chosen = choose(request.read_data, structure.stored)
    to_read = {pack: size for pack, size in structure.stored.items() if pack in chosen}
    bytes_to_read = sum(to_read.values())
    progress.total(len(to_read), bytes_to_read)
    contents = ContentCheck(repository, findings, structure.damage)
    contents.run(structure.survey, to_read, lambda size: progress.advance(1, size))

    def saw_tree(known: int) -> None:
        progress.total(len(to_read) + known, bytes_to_read)
        progress.advance(1, 0)

    trees = TreeWalk(repository, BlobStandings(index, structure.damage, contents.read.__contains__), findings)
    trees.walk((item.snapshot.tree for item in snapshots), saw_tree)
    needs = NeedFinder(repository, index, trees.graph).find(snapshots) if len(findings) else {}
    return CheckReport(
        read_data=request.read_data,
        findings=findings.finished(needs),
        snapshots=_standings(snapshots, trees.graph, request.read_data),
        packs=len(structure.stored),
        packs_read=len(contents.read),
        packs_frozen=contents.frozen,
        bytes_read=contents.bytes_read,
        trees=len(trees.graph),
    )


@dataclass(frozen=True, slots=True)
class _Structure:
    """What can be told without reading a pack."""

    listing: SnapshotListing
    survey: IndexSurvey
    stored: dict[PackId, int]
    findings: FindingList
    damage: Damage


def _look_at_structure(repository: Repository) -> _Structure:
    findings, damage = FindingList(), Damage()
    listing = repository.list_snapshots()
    _report_unreadable(listing, findings)
    survey = survey_indexes(repository, findings, damage)
    stored = compare_packs(repository, survey, findings, damage)
    survey_keys(repository, findings)
    survey_locks(repository, findings)
    return _Structure(listing, survey, stored, findings, damage)


def _report_unreadable(listing: SnapshotListing, findings: FindingList) -> None:
    for snapshot_id, fault in listing.faults:
        message = f"{fault.message}; it is not checked further"
        findings.add(FindingKind.SNAPSHOT_UNREADABLE, snapshot_id.hex(), message)


def _standings(
    snapshots: tuple[NamedSnapshot, ...], graph: TreeGraph, read_data: ReadData
) -> tuple[SnapshotStanding, ...]:
    reads = not isinstance(read_data, ReadNothing)
    return tuple(
        SnapshotStanding(
            item.id,
            sound=graph.is_sound(item.snapshot.tree),
            read=reads and graph.is_read(item.snapshot.tree),
        )
        for item in snapshots
    )
