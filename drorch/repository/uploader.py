"""Packs on their way to the target: several at once, a bounded number waiting, the first failure kept."""

import mmap
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import FinishedPack
from drorch.repository.repository import Repository


class PackUploader:
    """Saves finished packs in background threads and tells `stored` of each that is durable.

    After a failure nothing more is uploaded; `accept` and `drain` raise it.
    """

    def __init__(self, repository: Repository, stored: Callable[[FinishedPack], None]) -> None:
        self._repository = repository
        self._stored = stored
        connections = repository.target.properties.connections
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="uploader")
        self._slots = threading.BoundedSemaphore(connections + 1)
        self._failure: BaseException | None = None
        self._pending: set[Future[None]] = set()

    def accept(self, pack: FinishedPack) -> None:
        """Take over a pack; waits while too many are under way. Raises what an earlier upload failed with."""
        self._slots.acquire()
        if self._failure is not None:
            self._slots.release()
            os.close(pack.descriptor)
            raise self._failure
        future = self._pool.submit(self._upload, pack)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def _upload(self, pack: FinishedPack) -> None:
        try:
            if self._failure is None:
                self._save(pack)
                self._stored(pack)
        except BaseException as fault:  # noqa: BLE001  (whatever it is, the run must hear of it)
            self._failure = self._failure or fault
        finally:
            os.close(pack.descriptor)
            self._slots.release()

    def _save(self, pack: FinishedPack) -> None:
        content = mmap.mmap(pack.descriptor, pack.size, prot=mmap.PROT_READ)
        # Not closed: after a failure the frames of its traceback still hold parts, and closing would hide the failure.
        with memoryview(content) as view:
            self._repository.holder_of(pack.blobs).save(key_of(FileKind.PACK, pack.id), view)

    def drain(self) -> None:
        """Wait until everything accepted is durable. Raises what an upload failed with."""
        for future in list(self._pending):
            future.result()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the threads, after the uploads that are under way."""
        self._pool.shutdown()
