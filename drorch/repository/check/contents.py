"""Reading the packs that were chosen, several at once, and saying what is damaged in them."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from drorch.ids import BlobId, PackId
from drorch.repository.check.damage import Damage
from drorch.repository.check.findings import FindingKind, FindingList, named
from drorch.repository.check.indexes import IndexSurvey
from drorch.repository.check.packdata import PackReading, read_pack
from drorch.repository.pack import PackedBlob
from drorch.repository.parallel import Stopped, work_through
from drorch.repository.repository import Repository


@dataclass(slots=True)
class ContentCheck:
    """Reads packs; `read` holds those that were read from end to end, whatever was found.

    `frozen` counts those in cold storage: about their data nothing is known.
    """

    repository: Repository
    findings: FindingList
    damage: Damage
    read: set[PackId] = field(default_factory=set)
    bytes_read: int = 0
    frozen: int = 0
    _thawing: str = ""
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def run(self, survey: IndexSurvey, sizes: dict[PackId, int], done: Callable[[int], None]) -> None:
        """Read these packs, of these sizes; `done` is called with the size of each. Raises `TargetError`."""

        def work(item: tuple[PackId, list[PackedBlob]], _: Stopped) -> None:
            pack, blobs = item
            reading = read_pack(self.repository, pack, sizes[pack], blobs)
            with self._guard:
                self._judge(pack, blobs, reading)
                if reading.complete:
                    self.read.add(pack)
                    self.bytes_read += sizes[pack]
                if survey.packs[pack].gapped:
                    message = f"pack {pack.hex()[:16]}: the index leaves gaps between its blobs"
                    self.damage.add_pack(pack, self.findings.add(FindingKind.PACK_GAP, pack.hex(), message))
            done(sizes[pack])

        if sizes:
            workers = self.repository.target.properties.connections
            work_through(survey.index.by_pack(sizes.__contains__), work, workers)
        if self.frozen:
            message = f"{self.frozen} packs are in cold storage and were not read; to thaw one: {self._thawing}"
            self.findings.add(FindingKind.PACKS_FROZEN, "", message)

    def _judge(self, pack: PackId, blobs: Sequence[PackedBlob], reading: PackReading) -> None:
        name = f"pack {pack.hex()[:16]}"
        if reading.frozen:
            self.frozen += 1
            self._thawing = reading.frozen
        elif reading.unreadable:
            message = f"{name} cannot be read: {reading.unreadable}"
            self.damage.add_pack(pack, self.findings.add(FindingKind.PACK_UNREADABLE, pack.hex(), message))
        elif not reading.good:
            message = f"{name}: {'; '.join((*reading.faults, _blame(blobs, reading.damaged)))}"
            number = self.findings.add(FindingKind.PACK_DAMAGED, pack.hex(), message)
            if reading.damaged:
                self.damage.add_copies(pack, reading.damaged, number)
            else:
                self.damage.add_pack(pack, number)


def _blame(blobs: Sequence[PackedBlob], damaged: Sequence[BlobId]) -> str:
    if not damaged:
        return "its blobs are intact"
    return f"{len(damaged)} of its {len(blobs)} blobs are damaged: {named(damaged)}"
