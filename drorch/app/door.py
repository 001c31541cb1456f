"""The door of a repository: opened with what an access says, closed with all that belongs to it."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

from drorch.app.access import Access
from drorch.app.opening import Patience, metadata_view, wrapped
from drorch.app.unlocking import Unlocking
from drorch.clock import SystemClock
from drorch.errors import TargetError
from drorch.repository.repository import Repository
from drorch.storage.local import LocalTarget
from drorch.storage.readonly import ReadOnlyTarget

_ABANDONED_SECONDS = 3600.0


@contextmanager
def opened(access: Access, *, lock: bool = True) -> Iterator[Repository]:
    """The repository, opened, and locked against removal where `lock` and the access say so.

    A target that does not answer at all is given up in seconds, one that did is waited for.
    Raises what `Repository.open` raises, `SecretMissing`, and `RepositoryLocked`.
    """
    clock = SystemClock()
    with ExitStack() as stack:
        unlocking = access.unlocking or stack.enter_context(Unlocking(access.location, access.password))
        target = stack.enter_context(
            closing(wrapped(unlocking.target, access.location, Patience.LONG, clock, access.tell))
        )
        unlocked = unlocking.result()
        if not access.lock:
            target = ReadOnlyTarget(target)
        metadata = metadata_view(target, access.location, unlocked.config.id, clock, saves=access.lock)
        if metadata is not None:
            stack.enter_context(closing(metadata))
        repository = Repository(target, unlocked.master, unlocked.config, clock, metadata)
        if lock and access.lock:
            stack.enter_context(repository.shared_lock(access.retry_lock))
        yield repository


def remove_abandoned(repository: Repository) -> None:
    """Remove what killed writers left half-written on a local target, an hour after they last touched it.

    Where that is not allowed, it stays: it is in nobody's way.
    """
    if isinstance(repository.target, LocalTarget):
        with suppress(TargetError):
            repository.target.remove_abandoned(_ABANDONED_SECONDS, repository.clock.now())
