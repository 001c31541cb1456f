"""A restore as the operator asks for it: a plan that can be shown, then the same plan carried out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from drorch.actions import snapshots as choosing
from drorch.actions.progress import Progress
from drorch.actions.restore.execution import Executor, RestoreResult
from drorch.actions.restore.plan import RestorePlan, plan_restore
from drorch.actions.restore.request import RestoreRequest
from drorch.actions.snapshots import EVERY, Reference, SnapshotFilter
from drorch.app.access import Access
from drorch.app.door import opened
from drorch.errors import Problem
from drorch.ids import PackId
from drorch.repository.cold import frozen_packs
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.sources.files.destination import Destination
from drorch.sources.files.placement import DestinationPolicy


@dataclass(frozen=True, slots=True)
class RestoreSpec:
    """What to put back, where, and how the destination behaves. The path in `request` is that of the reference."""

    reference: Reference
    destination: Path
    request: RestoreRequest
    policy: DestinationPolicy
    chosen: SnapshotFilter = EVERY


@dataclass(frozen=True, slots=True)
class PlannedRestore:
    """A restore that can be shown or carried out while its repository is open. `problems` were met in planning."""

    named: NamedSnapshot
    plan: RestorePlan
    problems: tuple[Problem, ...]
    repository: Repository
    spec: RestoreSpec

    def frozen_packs(self) -> tuple[PackId, ...]:
        """The packs of the plan that must be thawed before they can be fetched. Raises `TargetError`."""
        return frozen_packs(self.repository.target, [pack.pack for pack in self.plan.fetch.packs])

    def execute(self, progress: Progress, *, verify: bool) -> RestoreResult:
        """Do what the plan says. Raises `RestoreError`, `TargetError` and `IntegrityError`."""
        problems = list(self.problems)
        policy = replace(self.spec.policy, expected_bytes=self.plan.total_bytes)
        with Destination(self.spec.destination, policy, problems.append) as destination:
            return Executor(self.repository, destination, problems, progress).execute(self.plan, verify=verify)


@contextmanager
def planned_restore(access: Access, spec: RestoreSpec) -> Iterator[PlannedRestore]:
    """Plan a restore; nothing is written until `PlannedRestore.execute`.

    Raises `UsageError` for a path that is not in the snapshot.
    """
    problems: list[Problem] = []
    with opened(access) as repository:
        named = choosing.find_snapshot(repository, spec.reference.snapshot, spec.chosen)
        request = replace(spec.request, path=spec.reference.path)
        root = named.snapshot.tree
        if spec.destination.exists():
            with Destination(spec.destination, spec.policy, problems.append) as destination:
                plan = plan_restore(repository, root, request, destination)
        else:
            plan = plan_restore(repository, root, request, None)
        yield PlannedRestore(named, plan, tuple(problems), repository, spec)
