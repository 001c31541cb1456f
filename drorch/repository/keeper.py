"""What only the one who has a repository for himself may do: write snapshots anew and remove the old ones.

Promise: what takes a snapshot's place is durable before the old one goes, whenever the process dies.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import TracebackType

from drorch.ids import SnapshotId
from drorch.repository.layout import FileKind
from drorch.repository.lock import Lock
from drorch.repository.repository import NO_WAIT, NamedSnapshot, Repository
from drorch.repository.snapshot import encode_snapshot

Announce = Callable[[NamedSnapshot], None]
"""Is told of a snapshot once it is durable, before the one it replaces is removed."""


class Keeper:
    """Holds the exclusive lock of a repository. A context manager."""

    def __init__(self, repository: Repository, retry_for: timedelta = NO_WAIT) -> None:
        self.repository = repository
        self._lock = Lock(repository.locks, exclusive=True, retry_for=retry_for, clock=repository.clock)

    def __enter__(self) -> "Keeper":
        """Take the lock. Raises `RepositoryLocked`."""
        self._lock.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lock back."""
        self._lock.__exit__(kind, fault, trace)

    def retag(self, named: NamedSnapshot, tags: tuple[str, ...], announce: Announce = lambda _: None) -> NamedSnapshot:
        """Give a snapshot other tags: it is saved anew, its first id as `original`, then the old file is removed.

        As `restic tag` does it; fields drorch does not know survive. Raises `RepositoryLocked` where the lock was
        taken away, and `TargetError`; what `announce` raises leaves the old file in place.
        """
        tagged = replace(named.snapshot, tags=tags, original=named.snapshot.original or named.id)
        self._lock.assert_held()
        saved = self.repository.files.save(FileKind.SNAPSHOT, encode_snapshot(tagged))
        new = NamedSnapshot(SnapshotId(saved), tagged)
        announce(new)
        self.remove(named)
        return new

    def remove(self, named: NamedSnapshot) -> None:
        """Remove a snapshot file; a missing one is fine. Raises `RepositoryLocked` and `TargetError`."""
        self._lock.assert_held()
        self.repository.files.remove(FileKind.SNAPSHOT, named.id)
