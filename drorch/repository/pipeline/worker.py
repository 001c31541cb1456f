"""A worker process: reads files, seals what of them is new, and hands over finished packs.

It holds no target and decides nothing: which blobs are new, the coordinator says. One parcel is always being read
while the claim for the one before is on its way.
"""

import os
import traceback
from collections import deque

from drorch.errors import DrorchError
from drorch.process.workers import Channel, WorkerDied
from drorch.repository.chunker import Chunker
from drorch.repository.crypto import Box
from drorch.repository.pack import BlobType, FinishedPack
from drorch.repository.packer import Sealing
from drorch.repository.pipeline.filework import FileWork, Parcel
from drorch.repository.pipeline.messages import (
    Assignment,
    Batch,
    Claim,
    Failed,
    Finish,
    Finished,
    Grant,
    PackReady,
    Results,
)

ENTRY = f"{__name__}:run"


def run(channel: Channel) -> None:
    """Work until told to finish, or until nobody listens any more."""
    try:
        _Worker(channel, channel.receive()).work()
    except WorkerDied:
        raise
    except DrorchError as fault:
        channel.send(Failed(fault.message, traceback.format_exc()))
    except Exception as fault:  # noqa: BLE001  (the coordinator must hear of a bug here, whatever it is)
        channel.send(Failed(f"a worker process failed: {fault}", traceback.format_exc()))


class _Worker:
    def __init__(self, channel: Channel, assignment: Assignment) -> None:
        self._channel = channel
        sealing = Sealing(Box(assignment.master), assignment.version, assignment.compression)
        packer = sealing.packer(BlobType.DATA, self._hand_over)
        self._files = FileWork(assignment.reader, Chunker(assignment.polynomial), packer)
        self._batches: deque[Batch] = deque()
        self._waiting: deque[Parcel] = deque()
        self._finishing = False

    def work(self) -> None:
        while not (self._finishing and not self._batches):
            if self._batches:
                self._do(self._batches.popleft())
            elif self._waiting:
                self._settle()
            else:
                self._receive()
        while self._waiting:
            self._settle()
        self._files.finish()
        self._channel.send(Finished())

    def _do(self, batch: Batch) -> None:
        for parcel in self._files.parcels(batch.tasks):
            self._channel.send(Claim(parcel.ids))
            self._waiting.append(parcel)
            while len(self._waiting) > 1:
                self._settle()
        self._waiting[-1].batches += 1

    def _settle(self) -> None:
        """Wait for the answer to the oldest claim, and store what it grants."""
        grant = self._receive()
        while grant is None:
            grant = self._receive()
        parcel = self._waiting.popleft()
        self._files.store(parcel, grant.granted)
        self._channel.send(Results(tuple(parcel.results), parcel.batches))

    def _receive(self) -> Grant | None:
        match self._channel.receive():
            case Grant() as grant:
                return grant
            case Batch() as batch:
                self._batches.append(batch)
            case Finish():
                self._finishing = True
        return None

    def _hand_over(self, pack: FinishedPack) -> None:
        self._channel.send(PackReady(pack.id, pack.size, pack.blobs))
        self._channel.send_descriptor(pack.descriptor)
        os.close(pack.descriptor)
