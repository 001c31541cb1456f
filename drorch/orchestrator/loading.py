"""A database that is restored from a snapshot is written down: as a run, and what it read of the snapshot as proof.

That it was loaded and agrees with the facts is told, and is no proof: that is a drill's, on a server of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from drorch.catalog.record import Record
from drorch.clock import Clock
from drorch.errors import Problem
from drorch.ids import SnapshotId
from drorch.model.estimate import READ
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.run import RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.errand import Errand, told, under_way
from drorch.sources.databases.contract import Loaded


@dataclass(frozen=True, slots=True)
class LoadedFrom:
    """What was loaded, how many bytes that read, and whether it read every blob of the snapshot from the target."""

    loaded: Loaded
    bytes_read: int
    read_all: bool


def load(
    books: Books, errand: Errand, snapshot: SnapshotId, clock: Clock, work: Callable[[], LoadedFrom]
) -> LoadedFrom:
    """Restore a database. Raises what `work` raises, written down; a difference from the facts is no such failure."""
    with under_way(books, errand, clock) as run:
        done = work()
        loaded = done.loaded
        ended = replace(
            run,
            ended=clock.now(),
            outcome=RunOutcome.INCOMPLETE if loaded.differences else RunOutcome.OK,
            snapshot=snapshot,
            counters={
                "databases_restored": len(loaded.databases),
                "databases_compared": len(loaded.databases) if loaded.compared else 0,
                "differences": len(loaded.differences),
                READ: done.bytes_read,
            },
            problems=told([Problem("/".join(loaded.databases), text) for text in loaded.differences]),
        )
        read = Proof(errand.target, snapshot, Scope.FULL, ProofLevel.L2, clock.now())
        books.end(Record(ended, proofs=(read,) if done.read_all and errand.target else ()))
    return done
