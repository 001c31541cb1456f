"""A copy as the operator asks for it: snapshots of one repository into another, planned, shown, carried out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from drorch.actions import snapshots as choosing
from drorch.actions.copy import CopyPlan, CopyResult, copies_among, execute_copy, plan_copy
from drorch.actions.progress import Progress
from drorch.actions.snapshots import EVERY, SnapshotFilter
from drorch.app.access import Access
from drorch.app.door import opened
from drorch.errors import IntegrityError, UsageError
from drorch.ids import SnapshotId
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.repository.writer import WritePolicy, Writer


@dataclass(frozen=True, slots=True)
class CopySpec:
    """Which snapshots are copied: those named by `ids`, or all that pass the filter.

    drorch's own state is among them only where ids or tags ask for it: every target is sent that directly.
    """

    ids: tuple[str, ...] = ()
    chosen: SnapshotFilter = EVERY


@dataclass(frozen=True, slots=True)
class PlannedCopy:
    """A copy that can be shown or carried out while both repositories are open.

    `present` are snapshots that the destination has already. `faults` are snapshots that cannot be read.
    """

    plan: CopyPlan
    present: tuple[NamedSnapshot, ...]
    faults: tuple[tuple[SnapshotId, IntegrityError], ...]
    source: Repository
    destination: Repository
    policy: WritePolicy

    def execute(self, progress: Progress) -> CopyResult:
        """Do what the plan says. Raises `RepositoryError` and `TargetError`."""
        with Writer(self.destination, self.policy) as writer:
            return execute_copy(self.source, writer, self.plan, progress)


@contextmanager
def planned_copy(source: Access, destination: Access, spec: CopySpec) -> Iterator[PlannedCopy]:
    """Plan a copy; nothing is written until `PlannedCopy.execute`.

    Raises `UsageError` where both are one repository, and what opening either raises.
    """
    if not destination.lock:
        raise UsageError("a copy cannot do without its lock", hint="Leave --no-lock out.")
    with opened(source) as giver, opened(destination) as taker:
        listing = choosing.list_snapshots(giver, spec.chosen, ids=spec.ids)
        wanted = _wanted(listing.snapshots, spec)
        there = taker.list_snapshots().snapshots
        present = copies_among(wanted, there)
        missing = [named for named in wanted if named.id not in present]
        plan = plan_copy(giver, taker, missing, there)
        policy = WritePolicy(retry_lock=destination.retry_lock)
        yield PlannedCopy(plan, tuple(present.values()), listing.faults, giver, taker, policy)


def _wanted(found: Sequence[NamedSnapshot], spec: CopySpec) -> list[NamedSnapshot]:
    asked = bool(spec.ids or spec.chosen.tags)
    return [named for named in found if asked or not choosing.is_state(named)]
