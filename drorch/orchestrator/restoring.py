"""A restore from a target is written down, and proves what it read: a whole snapshot, if every blob was read."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from drorch.actions.restore.execution import RestoreResult
from drorch.actions.restore.plan import RestorePlan
from drorch.actions.restore.request import RestoreRequest
from drorch.catalog.record import Record
from drorch.clock import Clock
from drorch.ids import SnapshotId
from drorch.model.estimate import READ
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.run import RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.errand import Errand, told, under_way


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, how many bytes it fetched, and whether it read every blob of the snapshot."""

    result: RestoreResult
    bytes_read: int
    read_all: bool


def restore(
    books: Books, errand: Errand, snapshot: SnapshotId, clock: Clock, work: Callable[[], Restored]
) -> RestoreResult:
    """Restore a snapshot. Raises what `work` raises, written down."""
    with under_way(books, errand, clock) as run:
        done = work()
        result = done.result
        ended = replace(
            run,
            ended=clock.now(),
            outcome=RunOutcome.FAILED if result.problems else RunOutcome.OK,
            snapshot=snapshot,
            counters={
                "files_restored": result.files_restored,
                "bytes_restored": result.bytes_restored,
                "files_unchanged": result.files_unchanged,
                "files_skipped": result.skipped,
                "files_deleted": len(result.removed),
                "files_verified": result.verified,
                READ: done.bytes_read,
            },
            problems=told(result.problems),
        )
        read = Proof(errand.target, snapshot, Scope.FULL, ProofLevel.L2, clock.now())
        books.end(Record(ended, proofs=(read,) if done.read_all else ()))
    return result


def reads_all(path: bytes, request: RestoreRequest, plan: RestorePlan, result: RestoreResult) -> bool:
    """Whether a restore of a path read every blob of its snapshot from the target; whatever it reads, it verifies.

    Only where the whole snapshot was restored, nothing went wrong, and nothing that was there already was trusted.
    """
    whole = path == b"/" and not (request.include or request.exclude)
    fetched = all(len(file.wanted) == len(file.content) for file in plan.files)
    left_out = result.skipped or result.files_unchanged or result.files_restored != len(plan.files)
    return whole and fetched and not left_out and not result.problems and not plan.problems
