"""The plan of a restore carried out: folders, then files pack by pack, then links, removals, and folders' metadata.

Every blob is verified before a byte of it is written. A fault of one node is a problem; a repository that cannot be
reached, or a destination that is full, ends the restore, and what was finished stays finished.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from drorch.actions.progress import Progress
from drorch.actions.restore.plan import PlannedFile, RestorePlan
from drorch.actions.restore.survey import Way
from drorch.errors import IntegrityError, Problem
from drorch.ids import BlobId
from drorch.repository.fetch import FetchPlan, fetch, plan_fetch
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.sources.files.destination import Destination
from drorch.sources.files.destination_files import InPlaceFile, PartialFile
from drorch.sources.files.placement import Identity, RelativePath, shown
from drorch.units import KIB

_SMALL_BLOB_BYTES = 16 * KIB
_WINDOW_BLOBS = 200_000
"""Blobs whose places are held in memory at once: a restore of any size goes in windows of so many."""


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """What a restore did. `unchanged` files were right already; `skipped` were left alone as asked."""

    files_restored: int
    bytes_restored: int
    files_unchanged: int
    skipped: int
    removed: tuple[RelativePath, ...]
    verified: int
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Executor:
    """What a restore needs to be carried out. `problems` is where the destination reports to, too."""

    repository: Repository
    destination: Destination
    problems: list[Problem]
    progress: Progress

    def execute(self, plan: RestorePlan, *, verify: bool) -> RestoreResult:
        """Do what the plan says. With `verify`, every file is read back and compared with the snapshot.

        Raises `RestoreError` where the destination is full, `TargetError` where the target fails.
        """
        self.problems.extend(plan.problems)
        self.progress.total(len(plan.files), plan.total_bytes)
        for folder in plan.folders:
            self.destination.make_dir(folder.path, folder.metadata)
        files = _Files(self, plan)
        files.restore()
        for special in plan.specials:
            self.destination.place(special.path, special.metadata)
        self._link(plan, files.identities)
        removed = [path for extra in plan.extras for path in self.destination.remove(extra.path)]
        self.destination.finish_dirs()
        placed = [number for number, identity in enumerate(files.identities) if identity is not None]
        return RestoreResult(
            files_restored=sum(plan.files[number].way is not Way.THERE for number in placed),
            bytes_restored=files.bytes_written,
            files_unchanged=sum(plan.files[number].way is Way.THERE for number in placed),
            skipped=plan.skipped,
            removed=tuple(removed),
            verified=sum(self._is_right(plan.files[number]) for number in placed) if verify else 0,
            problems=tuple(dict.fromkeys(self.problems)),
        )

    def _link(self, plan: RestorePlan, identities: list[Identity | None]) -> None:
        for link in plan.links:
            identity = identities[link.original]
            if identity is None:
                self.report(link.path, "hard link not restored: the file it is a link to was not")
            else:
                self.destination.hardlink(link.path, plan.files[link.original].path, identity)

    def _is_right(self, file: PlannedFile) -> bool:
        back = self.destination.read_back(file.path)
        if back is None:
            return False
        try:
            size = back.size
            pieces = (back.read_at(start, end - start) for _, start, end in _pieces(file))
            wrong = size != file.metadata.size or any(
                hashlib.sha256(piece).digest() != blob for piece, blob in zip(pieces, file.content, strict=True)
            )
        except OSError as fault:
            self.report(file.path, f"not verified: {(fault.strerror or str(fault)).lower()}")
            return False
        if wrong:
            self.report(file.path, "read back, and it is not what the snapshot holds")
        return not wrong

    def report(self, path: RelativePath, message: str) -> None:
        """Note what is wrong with one node."""
        self.problems.append(Problem(shown(path), message))


def _pieces(file: PlannedFile) -> Iterator[tuple[BlobId, int, int]]:
    yield from zip(file.content, file.offsets, file.offsets[1:], strict=False)


class _Files:
    """The files of a plan on their way to the destination. Blobs are delivered by several threads at once."""

    def __init__(self, executor: Executor, plan: RestorePlan) -> None:
        self._executor = executor
        self._destination = executor.destination
        self._plan = plan
        self._files = plan.files
        self._guard = threading.Lock()
        self._places: dict[BlobId, list[tuple[int, int]]] = {}
        self._unfinished: dict[int, _Unfinished] = {}
        self.identities: list[Identity | None] = [None] * len(plan.files)
        self.bytes_written = 0

    def restore(self) -> None:
        """Restore all of them, a window at a time; all at once where one window holds them."""
        planned = self._plan.fetch
        for number, file in enumerate(self._files):
            if not file.wanted:
                self._complete_without_content(number, file)
                continue
            for wanted in file.wanted:
                self._places.setdefault(file.content[wanted], []).append((number, wanted))
                if len(self._places) >= _WINDOW_BLOBS:
                    self._fetch(None)
        self._fetch(planned if len(self._places) == planned.blob_count else None)

    def _fetch(self, plan: FetchPlan | None) -> None:
        repository = self._executor.repository
        plan = plan or plan_fetch(repository.index, ((blob, BlobType.DATA) for blob in self._places))
        small = plan.bytes_to_fetch < plan.blob_count * _SMALL_BLOB_BYTES
        fetch(repository, plan, self._deliver, failed=self._fail, deliverers=1 if small else None)
        self._places.clear()

    def _complete_without_content(self, number: int, file: PlannedFile) -> None:
        if file.way is Way.THERE:
            self.identities[number] = self._destination.adopt(file.path, file.metadata)
            if self.identities[number] is None:
                self._executor.report(file.path, "it was changed while it was being restored; restore it again")
        elif file.way is Way.NEW:
            self.identities[number] = self._destination.write_file(file.path, (), file.metadata)
        else:
            sink = self._open(file)
            self.identities[number] = sink.finish(file.metadata) if sink is not None else None
        self._executor.progress.advance(1, file.metadata.size)

    def _deliver(self, blob: BlobId, plaintext: bytes) -> None:
        for number, wanted in self._places[blob]:
            file = self._files[number]
            start, end = file.offsets[wanted], file.offsets[wanted + 1]
            if len(plaintext) != end - start:
                self._fail_in(number, f"data blob {blob.hex()[:16]} is not as long as the index says")
            elif self._is_written_whole(file):
                self._done(number, self._destination.write_file(file.path, (plaintext,), file.metadata))
            else:
                self._write_region(number, start, plaintext)

    def _write_region(self, number: int, offset: int, plaintext: bytes) -> None:
        file = self._files[number]
        with self._guard:
            unfinished = self._unfinished.setdefault(number, _Unfinished(len(file.wanted)))
            if unfinished.sink is None and not unfinished.failed:
                unfinished.sink = self._open(file)
                unfinished.failed = unfinished.sink is None
            sink = unfinished.sink
        written = sink is not None and sink.write_at(offset, plaintext)
        self._one_less(number, failed=not written)

    def _one_less(self, number: int, *, failed: bool) -> bool:
        """Count a region off and finish the file with the last. True where this is the file's first failure."""
        with self._guard:
            unfinished = self._unfinished.setdefault(number, _Unfinished(len(self._files[number].wanted)))
            first = failed and not unfinished.failed
            unfinished.failed = unfinished.failed or failed
            unfinished.missing -= 1
            if unfinished.missing:
                return first
            del self._unfinished[number]
        identity = None
        if unfinished.sink is not None and unfinished.failed:
            unfinished.sink.discard()
        elif unfinished.sink is not None:
            identity = unfinished.sink.finish(self._files[number].metadata)
        self._done(number, identity)
        return first

    def _done(self, number: int, identity: Identity | None) -> None:
        """A file is finished; without an identity it failed, which was reported."""
        file = self._files[number]
        self.identities[number] = identity
        if identity is not None:
            written = sum(file.offsets[wanted + 1] - file.offsets[wanted] for wanted in file.wanted)
            with self._guard:
                self.bytes_written += written
        self._executor.progress.at(shown(file.path))
        self._executor.progress.advance(1, file.metadata.size)

    def _open(self, file: PlannedFile) -> PartialFile | InPlaceFile | None:
        sink: PartialFile | InPlaceFile | None
        match file.way:
            case Way.IN_PLACE:
                sink = self._destination.open_in_place(file.path, file.metadata)
            case Way.RESUMED:
                sink = self._destination.open_partial(file.path, file.metadata.size)
            case _:
                return self._destination.open_file(file.path, file.metadata.size)
        if sink is None:
            self._executor.report(file.path, "it was changed while it was being restored; restore it again")
        return sink

    def _fail(self, blob: BlobId, fault: IntegrityError) -> None:
        for number, _ in self._places[blob]:
            self._fail_in(number, fault.message)

    def _fail_in(self, number: int, why: str) -> None:
        file = self._files[number]
        if self._is_written_whole(file):
            self._done(number, None)
        elif not self._one_less(number, failed=True):
            return
        self._executor.report(file.path, f"not restored: {why}")

    @staticmethod
    def _is_written_whole(file: PlannedFile) -> bool:
        return len(file.content) == 1 and file.way is Way.NEW


@dataclass(slots=True)
class _Unfinished:
    """A file some regions of which are still to come."""

    missing: int
    sink: PartialFile | InPlaceFile | None = None
    failed: bool = False
