"""The crew that reads files: nobody but ourselves while there is little to do, worker processes for more.

`submit` takes tasks, `results` gives what became of them, in any order. Claims are answered and packs uploaded by
one thread a worker; a worker is sent at most two batches at a time, so a queue never grows.
"""

import os
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from drorch.errors import DrorchError
from drorch.process.workers import Worker, WorkerDied, start_worker
from drorch.repository.chunker import Chunker
from drorch.repository.pack import BlobType, FinishedPack
from drorch.repository.packer import SealedBlob
from drorch.repository.pipeline.entries import Reader
from drorch.repository.pipeline.filework import FileWork, Parcel
from drorch.repository.pipeline.messages import (
    Assignment,
    Batch,
    Claim,
    Failed,
    FileResult,
    FileTask,
    Finish,
    Finished,
    Grant,
    PackReady,
    Results,
)
from drorch.repository.pipeline.worker import ENTRY
from drorch.repository.writer import Writer
from drorch.units import KIB, MIB

BATCH_BYTES = 4 * MIB
BATCH_FILES = 512
_BATCH_NAME_BYTES = 64 * KIB
"""A batch must fit into a socket's buffer: then a worker and its thread can never wait for each other."""

_BATCHES_AHEAD = 2
_WORKERS_LIMIT = 8


def default_workers() -> int:
    """One worker for each core this process may use, at most eight."""
    return min(len(os.sched_getaffinity(0)), _WORKERS_LIMIT)


@dataclass(slots=True)
class _Draft:
    """A batch that is being filled."""

    tasks: list[FileTask]
    size: int = 0
    name_bytes: int = 0

    def add(self, task: FileTask, size: int) -> None:
        self.tasks.append(task)
        self.size += size
        self.name_bytes += len(task.name) + len(task.locator if isinstance(task.locator, bytes) else b"")

    @property
    def full(self) -> bool:
        return self.size >= BATCH_BYTES or len(self.tasks) >= BATCH_FILES or self.name_bytes >= _BATCH_NAME_BYTES


class Ourselves:
    """Reads files in this process, at once. What small backups and streams are read by."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        packer = writer.sealing.packer(BlobType.DATA, writer.accept)
        self._files = FileWork(reader, Chunker(writer.repository.config.chunker_polynomial), packer)

    def read(self, tasks: tuple[FileTask, ...]) -> Iterator[FileResult]:
        """Read files, one after the other."""
        # While a parcel is sealed, the next is read: a program that prints a stream is kept waiting by neither.
        before: tuple[Parcel, Iterator[SealedBlob]] | None = None
        for parcel in self._files.parcels(tasks):
            sealing = self._files.sealing(parcel, self._writer.claim(parcel.ids, BlobType.DATA))
            if before is not None:
                yield from self._stored(*before)
            before = parcel, sealing
        if before is not None:
            yield from self._stored(*before)

    def _stored(self, parcel: Parcel, sealed: Iterator[SealedBlob]) -> list[FileResult]:
        self._files.pack(sealed)
        return parcel.results

    def finish(self) -> None:
        """Hand on the open pack."""
        self._files.finish()

    def discard(self) -> None:
        """Drop the open pack."""
        self._files.discard()


class Crew:
    """Reads files with as many workers as it pays. A context manager: the workers are gone on exit."""

    def __init__(self, writer: Writer, reader: Reader, workers: int) -> None:
        self._writer = writer
        self._reader = reader
        self._workers = workers
        self._ourselves = Ourselves(writer, reader)
        self._draft = _Draft([])
        self._queue: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._members: list[_Member] = []
        self._results: SimpleQueue[FileResult] = SimpleQueue()
        self._failure: BaseException | None = None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._ourselves.discard()
        for member in self._members:
            member.end(kill=kind is not None)

    def submit(self, task: FileTask, size: int) -> None:
        """Add a file of about so many bytes. Waits while the workers have enough to do."""
        self._draft.add(task, size)
        if self._draft.full:
            self._send_draft()

    def read_here(self, task: FileTask) -> None:
        """Read a file in this process, now: one that can be read only here."""
        for result in self._ourselves.read((task,)):
            self._results.put(result)

    def results(self) -> Iterator[FileResult]:
        """What is done so far, without waiting. Raises what a worker failed with."""
        while True:
            try:
                yield self._results.get_nowait()
            except Empty:
                self._raise_failure()
                return

    def finish(self) -> Iterator[FileResult]:
        """What is still to come, up to the last file; every pack has been accepted by the writer then."""
        self._send_draft()
        if not self._members:
            for batch in self._queue:
                yield from self._ourselves.read(batch.tasks)
            self._queue.clear()
        with self._changed:
            self._changed.wait_for(lambda: self._failure or not self._queue)
        for member in self._members:
            member.send(Finish())
        for member in self._members:
            member.join()
        self._raise_failure()
        self._ourselves.finish()
        yield from self.results()

    def _send_draft(self) -> None:
        batch, self._draft = Batch(tuple(self._draft.tasks)), _Draft([])
        if not batch.tasks:
            return
        with self._changed:
            self._queue.append(batch)
            # Two batches are read here just as fast as workers start; with more, they pay.
            if not self._members and len(self._queue) > _BATCHES_AHEAD and self._workers > 0:
                self._members = [_Member(self) for _ in range(self._workers)]
            self._dispatch()
            if self._members:
                self._changed.wait_for(lambda: self._failure or len(self._queue) <= len(self._members))
        self._raise_failure()
        if not self._workers:
            self._read_queue_here()

    def _read_queue_here(self) -> None:
        while self._queue:
            for result in self._ourselves.read(self._queue.popleft().tasks):
                self._results.put(result)

    def _dispatch(self) -> None:
        """Give waiting batches to the members that have least to do. Called with the condition held."""
        while self._queue and self._members:
            member = min(self._members, key=lambda member: member.outstanding)
            if member.outstanding >= _BATCHES_AHEAD:
                return
            member.outstanding += 1
            member.send(self._queue.popleft())

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def assignment(self) -> Assignment:
        """What a worker needs to know."""
        repository, sealing = self._writer.repository, self._writer.sealing
        return Assignment(
            repository.master,
            sealing.version,
            sealing.compression,
            repository.config.chunker_polynomial,
            self._reader,
        )

    def claim(self, claim: Claim) -> Grant:
        """Answer a worker's claim."""
        return Grant(tuple(self._writer.claim(claim.blobs, BlobType.DATA)))

    def accept(self, pack: FinishedPack) -> None:
        """Upload a worker's pack."""
        self._writer.accept(pack)

    def take(self, member: "_Member", results: Results) -> None:
        """Take in what a worker has done, and give it more."""
        for result in results.results:
            self._results.put(result)
        with self._changed:
            member.outstanding -= results.batches
            self._dispatch()
            self._changed.notify_all()

    def fail(self, fault: BaseException) -> None:
        """Keep the first failure, for the coordinator to raise."""
        with self._changed:
            self._failure = self._failure or fault
            self._changed.notify_all()


class _Member:
    """One worker of the crew and the thread that serves it."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self._worker: Worker = start_worker(ENTRY)
        self._sending = threading.Lock()
        self.outstanding = 0
        self._worker.channel.send(crew.assignment())
        self._thread = threading.Thread(target=self._serve, name=f"worker {self._worker.pid}", daemon=True)
        self._thread.start()

    def send(self, message: object) -> None:
        """Send to the worker; a worker that died is reported by its own thread."""
        with self._sending:
            try:
                self._worker.channel.send(message)
            except WorkerDied as fault:
                self._crew.fail(fault)

    def join(self) -> None:
        """Wait until it has handed over everything, or failed."""
        self._thread.join()

    def end(self, *, kill: bool) -> None:
        """Be sure that it is gone."""
        if kill:
            self._worker.kill()
        else:
            self._worker.stop()
        self._thread.join()

    def _serve(self) -> None:
        try:
            while self._answer(self._worker.channel.receive()):
                pass
        except BaseException as fault:  # noqa: BLE001  (whatever it is, the coordinator must hear of it)
            self._crew.fail(fault)

    def _answer(self, message: object) -> bool:
        match message:
            case Claim():
                self.send(self._crew.claim(message))
            case PackReady():
                descriptor = self._worker.channel.receive_descriptor()
                self._crew.accept(FinishedPack(message.id, descriptor, message.size, message.blobs))
            case Results():
                self._crew.take(self, message)
            case Failed():
                raise DrorchError(message.message, context={"trace": message.trace})
            case Finished():
                return False
        return True
