"""What a target shows against what is known of it: a snapshot that vanished or changed unasked is an alarm.

A snapshot drorch itself removed or wrote anew is taken off the known ones at that time, so whatever differs here
was done by others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drorch.ids import SnapshotId, TreeId
from drorch.model.event import Event, EventKind
from drorch.model.finding import Finding, FindingKind
from drorch.model.hold import Hold, Lineage


@dataclass(frozen=True, slots=True)
class SeenSnapshot:
    """A snapshot as a target's listing shows it.

    `original` is the id it had before it was tagged, rewritten or copied, its own where it never was. `tree` is None
    where the snapshot is there and cannot be read.
    """

    id: SnapshotId
    original: SnapshotId
    tree: TreeId | None
    lineage: Lineage
    taken: datetime


class ChangeKind(StrEnum):
    """How a known snapshot is not what it was."""

    VANISHED = "vanished"
    UNREADABLE = "unreadable"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A known snapshot that is not there as it was; `now` is what stands in its place, if anything."""

    kind: ChangeKind
    known: SeenSnapshot
    now: SeenSnapshot | None = None

    @property
    def message(self) -> str:
        """What happened, in words."""
        name = f"snapshot {self.known.id.hex()[:8]} of {self.known.lineage.job or 'no job'}"
        match self.kind:
            case ChangeKind.VANISHED:
                return f"{name} has vanished"
            case ChangeKind.UNREADABLE:
                return f"{name} can no longer be read"
            case ChangeKind.REPLACED:
                assert self.now is not None
                same = self.now.tree == self.known.tree
                return f"{name} was replaced by {self.now.id.hex()[:8]}, {'same' if same else 'other'} content"


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What a listing means: faults among the known snapshots, and snapshots that were not known."""

    target: str
    discrepancies: tuple[Discrepancy, ...]
    new: tuple[SeenSnapshot, ...]
    unchanged: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """What one discrepancy gives rise to: the event that is told, the finding, the hold on retention."""

    discrepancy: Discrepancy
    event: Event
    finding: Finding
    hold: Hold


def reconcile(target: str, known: Iterable[SeenSnapshot], listed: Iterable[SeenSnapshot]) -> Reconciliation:
    """Compare the known snapshots of a target with its present, complete listing."""
    present = {snapshot.id: snapshot for snapshot in listed}
    remembered = {snapshot.id: snapshot for snapshot in known}
    new = [snapshot for snapshot in present.values() if snapshot.id not in remembered]
    heirs: dict[SnapshotId, SeenSnapshot] = {snapshot.original: snapshot for snapshot in new}
    found = [_compared(snapshot, present, heirs) for snapshot in remembered.values()]
    faults = tuple(one for one in found if one is not None)
    return Reconciliation(target, faults, tuple(new), len(found) - len(faults))


def _compared(
    known: SeenSnapshot, present: Mapping[SnapshotId, SeenSnapshot], heirs: Mapping[SnapshotId, SeenSnapshot]
) -> Discrepancy | None:
    now = present.get(known.id)
    if now is None:
        heir = heirs.get(known.original)
        return Discrepancy(ChangeKind.REPLACED if heir else ChangeKind.VANISHED, known, heir)
    if now.tree is None and known.tree is not None:
        return Discrepancy(ChangeKind.UNREADABLE, known, now)
    if known.tree is not None and now.tree != known.tree:
        return Discrepancy(ChangeKind.REPLACED, known, now)
    return None


def alarm(target: str, discrepancy: Discrepancy, at: datetime, ids: tuple[str, str], run: str | None = None) -> Alarm:
    """Event, finding and hold for a discrepancy; `ids` are new ids for the finding and the hold."""
    vanished = discrepancy.kind is ChangeKind.VANISHED
    subject = f"{target}:{discrepancy.known.id.hex()}"
    message = f"{discrepancy.message} (target {target})"
    return Alarm(
        discrepancy,
        Event(EventKind.SNAPSHOT_VANISHED if vanished else EventKind.SNAPSHOT_CHANGED, at, subject, message, run),
        Finding(
            ids[0],
            FindingKind.SNAPSHOT_VANISHED if vanished else FindingKind.SNAPSHOT_CHANGED,
            subject,
            message,
            at,
            run=run,
        ),
        Hold(ids[1], discrepancy.known.lineage, message, at, "drorch"),
    )
