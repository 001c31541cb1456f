"""A repository, opened for reading. What may be done beyond that is in the type of what is asked for it.

`Repository` reads; `with Writer(repository) as writer` (writer.py) may save, under a shared lock. Readers list
snapshots before they load the index, so that whatever a listed snapshot needs is in the index they see.
docs/FORMAT.md, "Ordering".
"""

import hashlib
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from drorch.clock import Clock, SystemClock
from drorch.errors import IntegrityError, ObjectMissing, RepositoryError, TargetError, UsageError
from drorch.ids import BlobId, SnapshotId, TreeId
from drorch.repository import configfile
from drorch.repository.compression import decompress
from drorch.repository.configfile import RepositoryConfig
from drorch.repository.crypto import Box, BoxKey, Buffer
from drorch.repository.index import Index, Location
from drorch.repository.keys import ScryptCost, save_key
from drorch.repository.layout import FileKind, key_of, stored_ids
from drorch.repository.lock import Lock, LockFolder
from drorch.repository.pack import BlobType, PackedBlob
from drorch.repository.parallel import load_ahead
from drorch.repository.sealedfile import SealedFiles
from drorch.repository.snapshot import Snapshot, decode_snapshot
from drorch.repository.timestamps import from_datetime
from drorch.repository.tree import Tree, decode_tree
from drorch.repository.unlocking import unlock
from drorch.storage.target import Target

NO_WAIT = timedelta(0)


@dataclass(frozen=True, slots=True)
class NamedSnapshot:
    """A snapshot and the id it is stored under."""

    id: SnapshotId
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class SnapshotListing:
    """All snapshots that can be read, oldest first, and what is wrong with the others."""

    snapshots: tuple[NamedSnapshot, ...]
    faults: tuple[tuple[SnapshotId, IntegrityError], ...]


def initialize(
    target: Target,
    password: str,
    *,
    version: int = 2,
    polynomial: int | None = None,
    cost: ScryptCost | None = None,
    clock: Clock | None = None,
) -> "Repository":
    """Make a new repository: key file first, then config, which is the commit point.

    Raises `RepositoryError` where a config, a key or a snapshot is there already.
    """
    clock = clock or SystemClock()
    if configfile.exists(target) or any(
        next(stored_ids(target, kind), None) for kind in (FileKind.KEY, FileKind.SNAPSHOT)
    ):
        raise RepositoryError(
            f"{target.properties.description} holds a repository already",
            hint="Use it as it is, or give another place.",
        )
    target.create()
    master = BoxKey.generate()
    save_key(target, master, password, from_datetime(clock.now()), cost or ScryptCost())
    config = configfile.fresh_config(version, polynomial)
    configfile.save(target, Box(master), config)
    return Repository(target, master, config, clock)


class Repository:
    """An opened repository. Safe to read from several threads.

    `metadata` is where indexes, snapshots and packs of trees are read and saved: the target itself, or a view of it
    that remembers (docs/adr/0009-metadata-is-read-through-a-cache.md). Everything else is the target's own.
    """

    def __init__(
        self, target: Target, master: BoxKey, config: RepositoryConfig, clock: Clock, metadata: Target | None = None
    ) -> None:
        self.target = target
        self.metadata = target if metadata is None else metadata
        self.master = master
        self.config = config
        self.clock = clock
        self.box = Box(master)
        self.files = SealedFiles(self.metadata, self.box, config.version)
        self.locks = LockFolder(target, SealedFiles(target, self.box, config.version), clock)
        self._index: Index | None = None

    @staticmethod
    def open(target: Target, password: str, clock: Clock | None = None) -> "Repository":
        """Open with a password.

        Raises `RepositoryMissing`, `WrongPassword`, `IntegrityError`, `FormatUnsupported`, or a `TargetError`.
        """
        unlocked = unlock(target, password)
        return Repository(target, unlocked.master, unlocked.config, clock or SystemClock())

    def with_metadata(self, metadata: Target) -> "Repository":
        """The same repository, not yet read, with its metadata read and saved through a view of the same target."""
        return Repository(self.target, self.master, self.config, self.clock, metadata)

    def direct(self) -> "Repository":
        """This repository with everything read from the target itself: for whatever proves anything."""
        return self if self.metadata is self.target else self.with_metadata(self.target)

    def holder_of(self, blobs: Iterable[PackedBlob]) -> Target:
        """Where blobs of one pack are read, and the pack is saved: trees are metadata, data is not."""
        return self.metadata if all(blob.type is BlobType.TREE for blob in blobs) else self.target

    def shared_lock(self, retry_for: timedelta = NO_WAIT) -> Lock:
        """A lock that keeps others from removing while we read or write. A context manager."""
        return Lock(self.locks, exclusive=False, retry_for=retry_for, clock=self.clock)

    def list_snapshots(self) -> SnapshotListing:
        """Every snapshot of the repository. One that is damaged is a fault of the listing, and hides no other."""
        ids = [SnapshotId(storage_id) for storage_id, _ in stored_ids(self.metadata, FileKind.SNAPSHOT)]
        found: list[NamedSnapshot] = []
        faults: list[tuple[SnapshotId, IntegrityError]] = []
        with ThreadPoolExecutor(self.target.properties.connections) as pool:
            for snapshot_id, outcome in zip(ids, pool.map(self._try_snapshot, ids), strict=True):
                if isinstance(outcome, IntegrityError):
                    faults.append((snapshot_id, outcome))
                elif outcome is not None:
                    found.append(NamedSnapshot(snapshot_id, outcome))
        found.sort(key=lambda item: (item.snapshot.time, item.id))
        return SnapshotListing(tuple(found), tuple(sorted(faults, key=lambda fault: fault[0])))

    def _try_snapshot(self, snapshot_id: SnapshotId) -> Snapshot | IntegrityError | None:
        try:
            return self.load_snapshot(snapshot_id)
        except IntegrityError as fault:
            return fault
        except ObjectMissing:
            return None

    def load_snapshot(self, snapshot_id: SnapshotId) -> Snapshot:
        """One snapshot. Raises `ObjectMissing` or `IntegrityError`."""
        fields = self.files.load(FileKind.SNAPSHOT, snapshot_id)
        try:
            return decode_snapshot(fields)
        except IntegrityError as fault:
            raise IntegrityError(f"snapshot {snapshot_id.hex()[:8]}: {fault.message}", hint=fault.hint) from fault

    def find_snapshot_id(self, prefix: str) -> SnapshotId:
        """The snapshot whose id starts with these hex digits. Raises `UsageError` where none or several do."""
        ids = [storage_id for storage_id, _ in stored_ids(self.metadata, FileKind.SNAPSHOT)]
        matching = [storage_id for storage_id in ids if storage_id.hex().startswith(prefix.lower())]
        if len(matching) != 1:
            what = "is the beginning of several snapshots' ids" if matching else "is no snapshot of this repository"
            raise UsageError(f"{prefix!r} {what}", hint="To see their ids, type: drorch snapshots")
        return SnapshotId(matching[0])

    @property
    def index(self) -> Index:
        """The index, loaded at first use. Raises `IntegrityError` where an index file is damaged."""
        if self._index is None:
            self._index = self._load_index()
        return self._index

    def _load_index(self) -> Index:
        index = Index()
        ids = [storage_id for storage_id, _ in stored_ids(self.metadata, FileKind.INDEX)]
        documents = load_ahead(self._load_index_file, ids, self.target.properties.connections)
        index.take_in(document for document in documents if document is not None)
        return index

    def _load_index_file(self, index_id: bytes) -> Any | None:
        return self.files.load_if_there(FileKind.INDEX, index_id)

    def load_blob(self, blob_id: BlobId | TreeId, blob_type: BlobType) -> bytes:
        """The plaintext of a blob, verified against its id. Another copy is tried where one is damaged.

        Raises `IntegrityError` where no copy can be read, and `TargetError` where the target fails otherwise.
        """
        locations = self.index.locations(blob_id, blob_type)
        if not locations:
            raise IntegrityError(
                f"{blob_type.word} blob {blob_id.hex()[:16]} is not in the index",
                hint="Type: drorch check, to see which snapshots need it.",
            )
        faults: list[IntegrityError | ObjectMissing] = []
        for location in locations:
            try:
                return self.load_copy(location)
            except (IntegrityError, ObjectMissing) as fault:
                faults.append(fault)
        raise IntegrityError(
            f"{blob_type.word} blob {blob_id.hex()[:16]} cannot be read: {faults[0].message}",
            hint="Type: drorch check --read-data, to see what is damaged and which snapshots need it.",
        ) from faults[0]

    def load_copy(self, location: Location) -> bytes:
        """The plaintext of one copy of a blob, verified. Raises `IntegrityError` where the copy is damaged or gone."""
        return open_blob(self.box, location.blob, self.load_sealed(location))

    def load_sealed(self, location: Location) -> bytes:
        """One copy of a blob in its box, unverified. Raises `IntegrityError` where it is not there whole."""
        blob = location.blob
        key = key_of(FileKind.PACK, location.pack)
        try:
            return self.holder_of((blob,)).load(key, blob.offset, blob.length)
        except ObjectMissing as fault:
            raise IntegrityError(f"pack {location.pack.hex()[:16]} is missing") from fault
        except TargetError as fault:
            if self._reaches_beyond(key, blob):
                raise IntegrityError(f"pack {location.pack.hex()[:16]} is truncated") from fault
            raise

    def _reaches_beyond(self, key: str, blob: PackedBlob) -> bool:
        try:
            return self.target.stat(key).size < blob.offset + blob.length
        except ObjectMissing:
            return True

    def load_tree(self, tree_id: TreeId) -> Tree:
        """A tree. Raises `IntegrityError` where it cannot be read or is none."""
        blob = self.load_blob(tree_id, BlobType.TREE)
        try:
            return decode_tree(blob)
        except IntegrityError as fault:
            raise IntegrityError(f"tree {tree_id.hex()[:16]}: {fault.message}") from fault

    def stored(self, kind: FileKind) -> Iterator[tuple[bytes, int]]:
        """All files of a kind on the target as (storage id, size in bytes)."""
        for storage_id, item in stored_ids(self.target, kind):
            yield storage_id, item.size


def open_blob(box: Box, blob: PackedBlob, sealed: Buffer) -> bytes:
    """The plaintext of a sealed blob, verified against its id. Raises `IntegrityError`."""
    return _verified(box, blob, sealed)[0]


@dataclass(frozen=True, slots=True)
class BlobContent:
    """A blob that was taken out of its box and verified.

    `boxed` is what was in the box: a zstd frame where `uncompressed_length` is not 0, the plaintext itself otherwise.
    """

    plaintext: bytes
    boxed: bytes
    uncompressed_length: int


def open_content(box: Box, blob: PackedBlob, sealed: Buffer) -> BlobContent:
    """What a sealed blob holds, verified against its id. Raises `IntegrityError`."""
    plaintext, boxed = _verified(box, blob, sealed)
    return BlobContent(plaintext, boxed, blob.uncompressed_length)


def _verified(box: Box, blob: PackedBlob, sealed: Buffer) -> tuple[bytes, bytes]:
    boxed = box.open(sealed)
    plaintext = decompress(boxed, blob.uncompressed_length) if blob.uncompressed_length else boxed
    if hashlib.sha256(plaintext).digest() != blob.id:
        raise IntegrityError("its content does not match its id")
    return plaintext, boxed
