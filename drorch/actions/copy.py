"""Copy: snapshots of one repository come into another, whatever its key, its version and its chunker's polynomial.

Planned, then executed. Promise: every blob is verified on the way; blobs that are there already are not read; and a
snapshot is saved last, when everything it needs is durable and indexed. A snapshot that cannot be read whole is not
copied, and hides no other. Of blobs that are to be sent, the plan holds about a hundred bytes each.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from drorch.actions.progress import Progress
from drorch.errors import IntegrityError, Problem, UsageError
from drorch.ids import SHORT_HEX, BlobId, SnapshotId, TreeId
from drorch.repository.fetch import FetchPlan, fetch_contents, plan_fetch
from drorch.repository.pack import BlobType
from drorch.repository.packer import BlobPacker, SealedBlob
from drorch.repository.repository import BlobContent, NamedSnapshot, Repository
from drorch.repository.snapshot import Snapshot
from drorch.repository.survey import Survey, damaged_below
from drorch.repository.writer import Stored, Writer
from drorch.units import KIB

_SMALL_BLOB_BYTES = 64 * KIB
"""Below this mean size, threads that seal at once would only wait for each other."""


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """What a copy would do.

    `snapshots` would be copied, oldest first. `trees` and `data` are the blobs they need and the destination lacks.
    `problems` name the snapshots that cannot be copied, because something they need cannot be read.
    """

    snapshots: tuple[NamedSnapshot, ...]
    trees: FetchPlan
    data: FetchPlan
    problems: tuple[Problem, ...] = ()

    @property
    def blob_count(self) -> int:
        """How many blobs will be sent."""
        return self.trees.blob_count + self.data.blob_count

    @property
    def bytes_to_fetch(self) -> int:
        """How many bytes will be read from packs of the source."""
        return self.trees.bytes_to_fetch + self.data.bytes_to_fetch


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did: each snapshot as it is in the source and in the destination, what was sent, what could not be.

    `stored` counts what the whole writer has stored, earlier copies through it included.
    """

    copied: tuple[tuple[NamedSnapshot, NamedSnapshot], ...]
    stored: Stored
    bytes_fetched: int
    problems: tuple[Problem, ...]


def original_of(named: NamedSnapshot) -> SnapshotId:
    """The id by which copies of a snapshot know each other: the one it had first."""
    return named.snapshot.original or named.id


def copies_among(wanted: Iterable[NamedSnapshot], there: Iterable[NamedSnapshot]) -> Mapping[SnapshotId, NamedSnapshot]:
    """Which of the wanted snapshots are there already: by their id, what they are there. Recognised as restic does."""
    by_original: dict[SnapshotId, list[NamedSnapshot]] = {}
    for named in there:
        for known_as in {named.id, original_of(named)}:
            by_original.setdefault(known_as, []).append(named)
    found = {}
    for named in wanted:
        alike = (one for one in by_original.get(original_of(named), ()) if _same_but_for_its_file(one, named))
        copy = next(alike, None)
        if copy is not None:
            found[named.id] = copy
    return found


def _same_but_for_its_file(one: NamedSnapshot, other: NamedSnapshot) -> bool:
    return _essence(one.snapshot) == _essence(other.snapshot)


def _essence(snapshot: Snapshot) -> tuple[object, ...]:
    """All that copies have in common; order of paths and tags does not count."""
    who = (snapshot.hostname, snapshot.username, snapshot.uid, snapshot.gid)
    return (snapshot.time, snapshot.tree, *who, snapshot.excludes, sorted(snapshot.paths), sorted(snapshot.tags))


def plan_copy(
    source: Repository, destination: Repository, wanted: Sequence[NamedSnapshot], there: Sequence[NamedSnapshot] = ()
) -> CopyPlan:
    """Plan to copy these snapshots. Nothing is written.

    `there` are snapshots of the destination, all of them or some: what one of them holds is in the destination, and
    is not looked at again. Both repositories are locked against removal from before `there` was listed until the plan
    has been executed. Raises `UsageError` where both are one, and `TargetError`.
    """
    place = source.target.properties.description
    if (source.config.id, place) == (destination.config.id, destination.target.properties.description):
        raise UsageError(f"{place} is source and destination of the copy", hint="Copy to another repository.")
    snapshots = sorted(wanted, key=lambda named: (named.snapshot.time, named.id))
    problems: list[Problem] = []
    while True:
        survey = Survey(source, destination)
        survey.walk([(named.snapshot.tree, _likest(named.snapshot, there)) for named in snapshots])
        trees = plan_fetch(source.index, ((tree, BlobType.TREE) for tree in survey.trees))
        data = plan_fetch(source.index, ((blob, BlobType.DATA) for blob in survey.data))
        lost = dict(survey.lost)
        lost.update((blob, f"{kind.word} blob {blob.hex()[:16]} is not in the index") for blob, kind in data.missing)
        damaged = _problems(source, snapshots, lost)
        if not damaged:
            return CopyPlan(tuple(snapshots), trees, data, tuple(problems))
        problems += damaged.values()
        snapshots = [named for named in snapshots if named.id not in damaged]


def _likest(snapshot: Snapshot, there: Sequence[NamedSnapshot]) -> TreeId | None:
    """The tree of that snapshot, of those that are there, which is likely to have most in common with this one."""
    alike = [
        named.snapshot
        for named in there
        if named.snapshot.hostname == snapshot.hostname and set(named.snapshot.paths) == set(snapshot.paths)
    ]
    nearest = min(alike, key=lambda one: abs(one.time - snapshot.time), default=None)
    return None if nearest is None else nearest.tree


def _problems(
    source: Repository, snapshots: Iterable[NamedSnapshot], lost: Mapping[bytes, str]
) -> dict[SnapshotId, Problem]:
    """The snapshots that need something that is lost, each with what it is."""
    if not lost:
        return {}
    sound: set[TreeId] = set()
    found = {}
    for named in snapshots:
        why = damaged_below(source, named.snapshot.tree, lost, sound)
        if why is not None:
            found[named.id] = Problem(f"snapshot {named.id.hex()[:SHORT_HEX]}", f"not copied: {why}")
    return found


def execute_copy(source: Repository, writer: Writer, plan: CopyPlan, progress: Progress) -> CopyResult:
    """Do what the plan says, through a writer of the destination.

    Progress counts snapshots as files, and bytes read. Raises `RepositoryError` and `TargetError`; none of the
    snapshots is there then, and what was sent is found again by the next copy.
    """
    progress.total(len(plan.snapshots), plan.bytes_to_fetch)
    passage = _Passage(source, writer, progress)
    passage.carry(plan.data, BlobType.DATA)
    passage.carry(plan.trees, BlobType.TREE)
    damaged = _problems(source, plan.snapshots, passage.lost)
    copied = []
    for named in plan.snapshots:
        if named.id not in damaged:
            # A parent is of no use in another repository: it is named by an id that means nothing there.
            snapshot = replace(named.snapshot, original=original_of(named), parent=None)
            copied.append((named, NamedSnapshot(writer.save_snapshot(snapshot), snapshot)))
            progress.advance(1, 0)
    return CopyResult(tuple(copied), writer.stored, plan.bytes_to_fetch, (*plan.problems, *damaged.values()))


class _Passage:
    """Blobs on their way: opened, verified, sealed under the other key, packed anew. Several threads at once."""

    def __init__(self, source: Repository, writer: Writer, progress: Progress) -> None:
        self._source = source
        self._writer = writer
        self._progress = progress
        self.lost: dict[bytes, str] = {}

    def carry(self, plan: FetchPlan, blob_type: BlobType) -> None:
        """Send these blobs; the packs they come to lie in have been accepted then."""
        idle: list[BlobPacker] = []
        every: list[BlobPacker] = []
        seal = self._sealer(blob_type)

        def deliver(blob_id: BlobId, content: BlobContent) -> None:
            if self._writer.claim([blob_id], blob_type)[0]:
                # Each thread that delivers fills a pack of its own meanwhile: filling one also takes its hash.
                try:
                    packer = idle.pop()
                except IndexError:
                    packer = self._writer.sealing.packer(blob_type, self._writer.accept)
                    every.append(packer)
                packer.add(seal(packer, blob_id, content))
                idle.append(packer)
            self._progress.advance(0, len(content.boxed))

        def fail(blob_id: BlobId, fault: IntegrityError) -> None:
            self.lost[blob_id] = fault.message

        small = plan.bytes_to_fetch < plan.blob_count * _SMALL_BLOB_BYTES
        try:
            fetch_contents(self._source, plan, deliver, failed=fail, deliverers=1 if small else None)
            for packer in every:
                packer.flush()
        finally:
            for packer in every:
                packer.discard()

    def _sealer(self, blob_type: BlobType) -> Callable[[BlobPacker, BlobId, BlobContent], SealedBlob]:
        """How a blob is sealed for the destination: as it was in its box, where that is how it would be kept there."""
        box = self._writer.repository.box
        compressed_there = self._writer.repository.config.version >= 2
        settled = self._source.config.version >= 2 and blob_type is BlobType.DATA

        def seal(packer: BlobPacker, blob_id: BlobId, content: BlobContent) -> SealedBlob:
            if compressed_there and (content.uncompressed_length or settled):
                return SealedBlob(blob_id, box.seal(content.boxed), content.uncompressed_length)
            return packer.seal(blob_id, content.plaintext)

        return seal
