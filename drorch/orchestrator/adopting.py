"""Adoption: snapshots that others made, or a job of another name, become the history of a job.

A snapshot says whose it is by its tag, so it is written anew with another one; the ledger is told before the old file
goes, so that no alarm is raised, and proof goes with it. Whenever the process dies, the next adoption finishes it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from drorch.catalog.open import Catalog
from drorch.catalog.record import Stored
from drorch.clock import Clock
from drorch.ids import SnapshotId
from drorch.model.names import JOB_TAG, JobName
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.orchestrator.seen import job_of, seen
from drorch.repository.keeper import Keeper
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing


@dataclass(frozen=True, slots=True)
class Adoption:
    """Whose history snapshots become: those of no job, or of `former`, that `accepts` means."""

    job: JobName
    accepts: Callable[[NamedSnapshot], bool]
    former: str = ""

    def tags(self, named: NamedSnapshot) -> tuple[str, ...]:
        """The tags a snapshot gets."""
        return (*(tag for tag in named.snapshot.tags if not tag.startswith(JOB_TAG)), f"{JOB_TAG}{self.job}")


@dataclass(frozen=True, slots=True)
class AdoptionPlan:
    """What an adoption does on a target: snapshots that get other tags, and old files of ones that have them already.

    `left` are snapshots of no job (or of the former one) that are not meant; `damaged` those that cannot be read.
    """

    target: str
    retagged: tuple[NamedSnapshot, ...]
    superseded: tuple[tuple[NamedSnapshot, NamedSnapshot], ...]
    left: tuple[NamedSnapshot, ...]
    damaged: tuple[SnapshotId, ...]


def plan_adoption(target: str, listing: SnapshotListing, adoption: Adoption) -> AdoptionPlan:
    """Plan an adoption from a target's listing. Changes nothing."""
    free = [named for named in listing.snapshots if job_of(named.snapshot) == adoption.former]
    meant = [named for named in free if adoption.accepts(named)]
    heirs = {
        _content(named): named
        for named in listing.snapshots
        if job_of(named.snapshot) == adoption.job != adoption.former
    }
    finished = tuple((named, heirs[_content(named)]) for named in meant if _content(named) in heirs)
    done = {named.id for named, _ in finished}
    return AdoptionPlan(
        target,
        tuple(named for named in meant if named.id not in done),
        finished,
        tuple(named for named in free if named not in meant),
        tuple(snapshot for snapshot, _ in listing.faults),
    )


def _content(named: NamedSnapshot) -> tuple[object, ...]:
    snapshot = named.snapshot
    return snapshot.original or named.id, snapshot.tree, snapshot.time


def adopt(
    repository: Repository, target: str, adoption: Adoption, catalog: Catalog, retry_lock: timedelta
) -> Sequence[tuple[NamedSnapshot, NamedSnapshot]]:
    """Carry an adoption out on a target: each snapshot as it was, and as it is now.

    Raises `RepositoryLocked` where others are at work in the repository, `TargetError`, and `CatalogError`: what the
    catalog was not told is not done.
    """
    with Keeper(repository, retry_lock) as keeper:
        plan = plan_adoption(target, repository.list_snapshots(), adoption)
        telling = _Telling(catalog, target, repository.clock)
        for old, new in plan.superseded:
            telling.tell(old, new)
            keeper.remove(old)
        return [
            *plan.superseded,
            *((old, keeper.retag(old, adoption.tags(old), telling.about(old))) for old in plan.retagged),
        ]


@dataclass(frozen=True, slots=True)
class _Telling:
    """Tells the catalog that a snapshot was written anew."""

    catalog: Catalog
    target: str
    clock: Clock

    def about(self, old: NamedSnapshot) -> Callable[[NamedSnapshot], None]:
        return lambda new: self.tell(old, new)

    def tell(self, old: NamedSnapshot, new: NamedSnapshot) -> None:
        ledger, queries = self.catalog.ledger, self.catalog.queries
        for hold in queries.holds():
            if hold.subject == old.id:
                ledger.set_hold(replace(hold, subject=new.id))
        proven = queries.proofs(self.target, [old.id])
        if proven:
            ledger.rewritten(self.target, old.id, seen(new))
        else:
            # Told before, or never known: what is proven of the new one must stay.
            ledger.removed(self.target, [old.id])
            ledger.know([Stored(self.target, seen(new))])
        if not proven and not queries.proofs(self.target, [new.id]):
            ledger.prove([Proof(self.target, new.id, Scope.FULL, ProofLevel.L0, self.clock.now())])
