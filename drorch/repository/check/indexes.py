"""Every index file on its own and all together: what each can tell, and whether they contradict each other.

An index that cannot be read is a finding; the rest is used all the same. docs/FORMAT.md, "Index".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from drorch.errors import IntegrityError
from drorch.ids import PackId
from drorch.repository.check.damage import Damage
from drorch.repository.check.findings import FindingKind, FindingList, named
from drorch.repository.index import Index, decode_index
from drorch.repository.layout import FileKind
from drorch.repository.node import decode_id
from drorch.repository.pack import BlobType, PackedBlob, pack_size
from drorch.repository.parallel import load_ahead
from drorch.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class Outline:
    """What the blobs listed for a pack say about it: `size` in bytes, and whether they lie end to end from 0."""

    size: int
    overlapping: bool
    gapped: bool
    mixed: bool


@dataclass(slots=True)
class IndexSurvey:
    """All readable index files as one: the index, an outline of each pack, and the packs marked to be deleted."""

    index: Index = field(default_factory=Index)
    packs: dict[PackId, Outline] = field(default_factory=dict)
    leaving: set[PackId] = field(default_factory=set)


def survey_indexes(repository: Repository, findings: FindingList, damage: Damage) -> IndexSurvey:
    """Load every index and compare them. Raises `TargetError`."""
    survey = IndexSurvey()
    reader = _Reader(repository, survey, findings)
    survey.index.take_in_packs(reader.packs())
    for pack, blobs in survey.index.by_pack(reader.contradicted.__contains__) if reader.contradicted else ():
        survey.packs[pack] = outline_of(blobs)
        message = f"pack {pack.hex()[:16]}: two index files list different blobs for it"
        damage.add_pack(pack, findings.add(FindingKind.PACK_DESCRIBED_DIFFERENTLY, pack.hex(), message))
    repeated = reader.repeated - reader.contradicted
    if repeated:
        message = f"{len(repeated)} packs are listed by several index files alike: {named(repeated)}"
        findings.add(FindingKind.PACK_IN_SEVERAL_INDEXES, "", message)
    _judge_outlines(survey, findings, damage)
    return survey


def _judge_outlines(survey: IndexSurvey, findings: FindingList, damage: Damage) -> None:
    for pack, outline in survey.packs.items():
        if outline.overlapping:
            message = f"pack {pack.hex()[:16]}: the index lists blobs in it that overlap"
            damage.add_pack(pack, findings.add(FindingKind.PACK_OVERLAP, pack.hex(), message))
    mixed = [pack for pack, outline in survey.packs.items() if outline.mixed]
    if mixed:
        message = f"{len(mixed)} packs hold trees and data together: {named(mixed)}"
        findings.add(FindingKind.PACK_MIXED, "", message)
    superfluous = survey.index.superfluous_copies()
    if superfluous:
        findings.add(FindingKind.BLOB_DUPLICATE, "", f"{superfluous} copies of blobs are stored more than once")


class _Reader:
    """Decodes one index file after the other, and remembers how each described each pack."""

    def __init__(self, repository: Repository, survey: IndexSurvey, findings: FindingList) -> None:
        self._repository = repository
        self._survey = survey
        self._findings = findings
        self._descriptions: dict[PackId, int] = {}
        self.repeated: set[PackId] = set()
        self.contradicted: set[PackId] = set()

    def packs(self) -> Iterator[tuple[PackId, list[PackedBlob]]]:
        """Every pack of every readable index file."""
        ids = sorted(storage_id for storage_id, _ in self._repository.stored(FileKind.INDEX))
        workers = self._repository.target.properties.connections
        for index_id, document in zip(ids, load_ahead(self._load, ids, workers), strict=True):
            try:
                if isinstance(document, IntegrityError):
                    raise document
                described = [] if document is None else list(decode_index(document))
                leaving = [] if document is None else _leaving(document)
            except IntegrityError as fault:
                message = f"index {index_id.hex()[:16]} cannot be used: {fault.message}"
                self._findings.add(FindingKind.INDEX_UNREADABLE, index_id.hex(), message)
                continue
            self._survey.leaving.update(leaving)
            for pack, blobs in described:
                if blobs:
                    self._note(pack, blobs)
                    yield pack, blobs

    def _load(self, index_id: bytes) -> Any:
        try:
            return self._repository.files.load_if_there(FileKind.INDEX, index_id)
        except IntegrityError as fault:
            return fault

    def _note(self, pack: PackId, blobs: list[PackedBlob]) -> None:
        listed = frozenset(blobs)
        description = hash(listed)
        known = self._descriptions.setdefault(pack, description)
        if pack not in self._survey.packs:
            self._survey.packs[pack] = outline_of(listed)
        else:
            self.repeated.add(pack)
            if known != description:
                self.contradicted.add(pack)


def outline_of(blobs: Iterable[PackedBlob]) -> Outline:
    """The outline of a pack by the blobs listed for it; listing one twice changes nothing."""
    listed = sorted(set(blobs), key=lambda blob: blob.offset)
    end, overlapping, gapped = 0, False, False
    for blob in listed:
        overlapping = overlapping or blob.offset < end
        gapped = gapped or blob.offset > end
        end = max(end, blob.offset + blob.length)
    trees = sum(blob.type is BlobType.TREE for blob in listed)
    return Outline(pack_size(listed), overlapping, gapped, mixed=0 < trees < len(listed))


def _leaving(document: Any) -> list[PackId]:
    """Packs that rustic has marked to be deleted later: neither missing nor orphaned, whatever becomes of them."""
    try:
        return [PackId(decode_id(pack["id"])) for pack in document.get("packs_to_delete") or ()]
    except (KeyError, ValueError, TypeError, AttributeError) as fault:
        raise IntegrityError(f"an index cannot be understood ({fault})") from fault
