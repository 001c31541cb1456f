"""A target in this process's memory: as real as the others, gone when the process ends."""

import threading
from collections.abc import Iterator

from drorch.errors import ObjectMissing, TargetUnavailable
from drorch.storage.keys import check_key, check_prefix, check_range
from drorch.storage.target import Buffer, StoredObject, TargetProperties


class MemoryTarget:
    """Objects in a dict. Keeps every promise of `Target` but to survive a power cut."""

    def __init__(self, description: str = "memory") -> None:
        self._properties = TargetProperties(description=description, connections=4)
        self._objects: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._properties

    def create(self) -> None:
        """Nothing to make."""

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`."""
        check_key(key)
        copy = bytes(data)
        with self._lock:
            self._objects[key] = copy

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`."""
        check_key(key)
        check_range(offset, length)
        data = self._find(key)
        end = max(offset, len(data)) if length is None else offset + length
        if end > len(data):
            raise TargetUnavailable(
                f"target {self._properties.description}: {key} has {len(data)} bytes, wanted those up to {end}"
            )
        return data[offset:end]

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        check_key(key)
        return StoredObject(key, len(self._find(key)))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`."""
        start = check_prefix(prefix) + "/"
        with self._lock:
            return iter([StoredObject(key, len(data)) for key, data in self._objects.items() if key.startswith(start)])

    def remove(self, key: str) -> None:
        """See `Target`."""
        check_key(key)
        with self._lock:
            self._objects.pop(key, None)

    def close(self) -> None:
        """Nothing to give back."""

    def _find(self, key: str) -> bytes:
        with self._lock:
            data = self._objects.get(key)
        if data is None:
            raise ObjectMissing(f"target {self._properties.description}: there is no {key}")
        return data
