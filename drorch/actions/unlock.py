"""Removes locks that nobody holds any more."""

from dataclasses import dataclass

from drorch.repository.layout import FileKind
from drorch.repository.lock import LockFile
from drorch.repository.repository import Repository


@dataclass(frozen=True, slots=True)
class UnlockResult:
    """How many locks were removed, and those that stay because their writers may be alive."""

    removed: int
    kept: tuple[LockFile, ...] = ()


def unlock(repository: Repository, *, remove_all: bool = False) -> UnlockResult:
    """Remove the locks whose writer is gone or silent for 30 minutes; with `remove_all`, every lock.

    Raises `RepositoryLocked` for a lock that cannot be read, unless all are to be removed.
    """
    if remove_all:
        ids = [lock_id for lock_id, _ in list(repository.stored(FileKind.LOCK))]
        for lock_id in ids:
            repository.locks.remove(lock_id)
        return UnlockResult(len(ids))
    now = repository.locks.now()
    locks = list(repository.locks.read())
    gone = [lock for lock in locks if lock.is_provably_gone() or lock.is_stale(now)]
    for lock in gone:
        repository.locks.remove(lock.id)
    return UnlockResult(len(gone), tuple(lock for lock in locks if lock not in gone))
