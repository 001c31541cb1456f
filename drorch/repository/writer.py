"""Writing into a repository under a shared lock: packs, then indexes, then the snapshot.

Each step begins only when the one before is durable, so a crash leaves at worst packs nobody refers to. Indexes are
saved on the way too, so that an interrupted run's uploads are found and reused by the next.
"""

import hashlib
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType

from drorch.errors import DrorchError
from drorch.ids import BlobId, PackId, SnapshotId, TreeId
from drorch.repository.compression import Compression
from drorch.repository.index import encode_index
from drorch.repository.layout import FileKind
from drorch.repository.pack import BlobType, FinishedPack, PackedBlob
from drorch.repository.packer import Sealing
from drorch.repository.repository import NO_WAIT, Repository
from drorch.repository.snapshot import Snapshot, encode_snapshot
from drorch.repository.uploader import PackUploader


@dataclass(frozen=True, slots=True)
class WritePolicy:
    """How a writer writes. An index is saved once it has so many blobs, or its oldest pack waits for so long."""

    compression: Compression = Compression.AUTO
    index_blobs: int = 50_000
    index_seconds: float = 5 * 60.0
    retry_lock: timedelta = NO_WAIT


DEFAULT_POLICY = WritePolicy()


@dataclass(frozen=True, slots=True)
class Stored:
    """What a writer has stored so far: blobs by type, their bytes before compression and in packs."""

    data_blobs: int = 0
    tree_blobs: int = 0
    data_added: int = 0
    data_added_packed: int = 0

    def plus(self, blobs: Sequence[PackedBlob]) -> "Stored":
        """With the blobs of one more pack."""
        trees = sum(blob.type is BlobType.TREE for blob in blobs)
        return Stored(
            self.data_blobs + len(blobs) - trees,
            self.tree_blobs + trees,
            self.data_added + sum(blob.plaintext_length for blob in blobs),
            self.data_added_packed + sum(blob.length for blob in blobs),
        )


class Writer:
    """Saves blobs and snapshots. A context manager that holds the lock; safe to use from several threads.

    Left by an exception, it still records in an index what had become durable, and raises the exception on.
    """

    def __init__(self, repository: Repository, policy: WritePolicy = DEFAULT_POLICY) -> None:
        self.repository = repository
        self.sealing = Sealing(repository.box, repository.config.version, policy.compression)
        self._policy = policy
        self._lock = repository.shared_lock(policy.retry_lock)
        self._guard = threading.Lock()
        self._tree_guard = threading.Lock()
        self._claimed: set[bytes] = set()
        self._unindexed: list[tuple[PackId, tuple[PackedBlob, ...]]] = []
        self._unindexed_since = 0.0
        self._stored = Stored()
        self._uploader = PackUploader(repository, self._take_in)
        self._trees = self.sealing.packer(BlobType.TREE, self.accept)

    def __enter__(self) -> "Writer":
        """Take the lock. Raises `RepositoryLocked`."""
        self._lock.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Save what is still open, give back the lock."""
        try:
            if fault is None:
                self.flush()
            else:
                self._trees.discard()
                with suppress(DrorchError):
                    self._uploader.close()
                    self._save_index()
        finally:
            self._uploader.close()
            self._lock.__exit__(kind, fault, trace)

    @property
    def stored(self) -> Stored:
        """What has become durable so far."""
        return self._stored

    def knows(self, blob_id: bytes, blob_type: BlobType) -> bool:
        """Whether the repository's index lists the blob already."""
        with self._guard:
            return self.repository.index.has(blob_id, blob_type)

    def claim(self, blob_ids: Sequence[BlobId] | Sequence[TreeId], blob_type: BlobType) -> list[bool]:
        """For each blob, whether the caller is the one to store it: it is unknown, and nobody claimed it before."""
        with self._guard:
            return [self._claim(blob_id, blob_type) for blob_id in blob_ids]

    def _claim(self, blob_id: bytes, blob_type: BlobType) -> bool:
        token = blob_id + bytes((blob_type,))
        if token in self._claimed or self.repository.index.has(blob_id, blob_type):
            return False
        self._claimed.add(token)
        return True

    def accept(self, pack: FinishedPack) -> None:
        """Upload a pack whose blobs were claimed; waits while too many are under way."""
        self._lock.wait_until_settled()
        self._uploader.accept(pack)

    def save_tree(self, blob: bytes) -> TreeId:
        """Store the blob of a tree, unless the repository has it; its id."""
        tree_id = TreeId(hashlib.sha256(blob).digest())
        if self.claim([tree_id], BlobType.TREE)[0]:
            sealed = self._trees.seal(BlobId(tree_id), blob)
            # A lock of its own: adding may wait for an upload, and uploads report under the other one.
            with self._tree_guard:
                self._trees.add(sealed)
        return tree_id

    def save_snapshot(self, snapshot: Snapshot) -> SnapshotId:
        """Commit: everything before becomes durable and indexed, then the snapshot is saved."""
        self.flush()
        self._lock.assert_held()
        return SnapshotId(self.repository.files.save(FileKind.SNAPSHOT, encode_snapshot(snapshot)))

    def flush(self) -> None:
        """Make everything saved so far durable and indexed. Packs of others must have been accepted before."""
        with self._tree_guard:
            self._trees.flush()
        self._uploader.drain()
        self._save_index()

    def _take_in(self, pack: FinishedPack) -> None:
        now = self.repository.clock.monotonic()
        with self._guard:
            if not self._unindexed:
                self._unindexed_since = now
            self._unindexed.append((pack.id, pack.blobs))
            self._stored = self._stored.plus(pack.blobs)
            self.repository.index.add_pack(pack.id, pack.blobs)
            self._claimed.difference_update(blob.id + bytes((blob.type,)) for blob in pack.blobs)
            blobs = sum(len(blobs) for _, blobs in self._unindexed)
            due = blobs >= self._policy.index_blobs or now - self._unindexed_since >= self._policy.index_seconds
        if due:
            self._save_index()

    def _save_index(self) -> None:
        with self._guard:
            packs, self._unindexed = self._unindexed, []
            self.repository.index.freeze()
        if packs:
            self._lock.assert_held()
            self.repository.files.save(FileKind.INDEX, encode_index(packs))
