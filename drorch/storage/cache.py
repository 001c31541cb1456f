"""A target with a local cache of what says where things are: indexes, snapshots, and packs of trees.

Whoever reads through it gets what the names say (cachefolder.py), but does not learn whether the target still has it:
a repository reads its metadata through a cache and nothing else, and what proves anything goes around it
(docs/adr/0009-metadata-is-read-through-a-cache.md).
"""

import hashlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from drorch.clock import Clock
from drorch.storage.cachefolder import CacheFolder, is_kept
from drorch.storage.keys import check_key, check_range
from drorch.storage.target import Buffer, StoredObject, Target, TargetProperties
from drorch.units import MIB

LARGEST_PACK = 128 * MIB
"""Packs beyond this size are read in parts and not kept: a pack of trees is 16 MiB large, with restic 128 at most."""

_HEX_ID = re.compile(r"[0-9a-f]{64}")
_TURNS = 64


class CachedTarget:
    """Keeps what is loaded and saved through it and named by the hash of its content; passes all else on.

    A pack is fetched whole when some of it is wanted for the first time. Listings always ask the target, and what is
    listed no more is dropped. Keys, locks and the config are never kept.
    """

    def __init__(self, target: Target, folder: CacheFolder) -> None:
        self._target = target
        self._folder = folder
        self._turns = tuple(threading.Lock() for _ in range(_TURNS))
        self._unfit: set[str] = set()

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._target.properties

    def create(self) -> None:
        """See `Target`."""
        self._target.create()

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`."""
        self._target.save(key, data)
        if is_kept(key):
            self._put(key, data)

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`."""
        check_key(key)
        check_range(offset, length)
        if not is_kept(key):
            return self._target.load(key, offset, length)
        found = self._folder.read(key, offset, length)
        if found is None and key not in self._unfit:
            found = self._fetch(key, offset, length)
        return self._target.load(key, offset, length) if found is None else found

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        size = self._folder.size(key) if is_kept(check_key(key)) else None
        return self._target.stat(key) if size is None else StoredObject(key, size)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`. Asks the target, always."""
        # In this order: what another thread saves meanwhile is not in here, and stays.
        kept = self._folder.keys(prefix)
        return self._listed(self._target.list(prefix), kept)

    def remove(self, key: str) -> None:
        """See `Target`."""
        try:
            self._target.remove(key)
        finally:
            if is_kept(key):
                self._folder.drop(key)

    def close(self) -> None:
        """See `Target`."""
        self._target.close()

    def _listed(self, found: Iterator[StoredObject], kept: set[str]) -> Iterator[StoredObject]:
        for item in found:
            kept.discard(item.key)
            yield item
        for key in kept:
            self._folder.drop(key)

    def _fetch(self, key: str, offset: int, length: int | None) -> bytes | None:
        """Part of an object that is fetched whole and kept; None where it will not be kept, or is not that long.

        Of several threads that want the same object one fetches it, and the others wait.
        """
        with self._turns[hash(key) % _TURNS]:
            found = self._folder.read(key, offset, length)
            if found is not None or key in self._unfit:
                return found
            size = self._target.stat(key).size
            if size > LARGEST_PACK or not self._folder.room_for(key, size):
                return None
            content = self._target.load(key)
            end = len(content) if length is None else offset + length
            return content[offset:end] if self._put(key, content) and max(offset, end) <= len(content) else None

    def _put(self, key: str, data: Buffer) -> bool:
        is_right = self._folder.put(key, data)
        if is_right:
            self._unfit.discard(key)
        else:
            self._unfit.add(key)
        return is_right


def cached(target: Target, root: Path, repository_id: str, clock: Clock) -> CachedTarget:
    """A target with the cache of one repository: a folder below `root`, named by the repository's id.

    The id comes from the target and may say anything: one that is not 64 hex digits is hashed.
    """
    name = repository_id
    if _HEX_ID.fullmatch(name) is None:
        name = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return CachedTarget(target, CacheFolder(root / name, clock))
