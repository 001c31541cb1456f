"""Making a repository, removing its locks, looking for damage."""

from contextlib import closing
from dataclasses import dataclass

from drorch.actions import check as checking
from drorch.actions import unlock as unlocking
from drorch.actions.check import CheckReport, CheckRequest
from drorch.actions.progress import Progress
from drorch.actions.unlock import UnlockResult
from drorch.app.access import Access
from drorch.app.door import opened
from drorch.app.opening import Patience, open_target
from drorch.repository import repository as engine


@dataclass(frozen=True, slots=True)
class Initialized:
    """A new repository: its id, where it is, its format version."""

    id: str
    place: str
    version: int


def initialize(access: Access, *, version: int = 2, like: Access | None = None) -> Initialized:
    """Make a repository; `like` another one it shares the chunker's polynomial, so that copies deduplicate.

    Raises `RepositoryError` where there is one already.
    """
    polynomial = None
    if like is not None:
        with opened(like, lock=False) as model:
            polynomial = model.config.chunker_polynomial
    with closing(open_target(access.location, Patience.BRIEF)) as target:
        made = engine.initialize(target, access.password.read(), version=version, polynomial=polynomial)
        return Initialized(made.config.id, target.properties.description, version)


def unlock(access: Access, *, remove_all: bool) -> UnlockResult:
    """Remove locks that nobody holds, or all. See `actions.unlock.unlock`."""
    with opened(access, lock=False) as repository:
        return unlocking.unlock(repository, remove_all=remove_all)


def check(access: Access, request: CheckRequest, progress: Progress) -> CheckReport:
    """Look for damage. See `actions.check.check`."""
    with opened(access) as repository:
        return checking.check(repository, request, progress)
