"""What a listing means: each way in which a known snapshot is not there as it was, and no false alarm."""

from datetime import UTC, datetime

import pytest

from drorch.ids import SnapshotId, TreeId
from drorch.model.event import EventKind
from drorch.model.finding import FindingKind
from drorch.model.hold import Hold, Lineage, held_by
from drorch.model.reconciliation import ChangeKind, Discrepancy, SeenSnapshot, alarm, reconcile

_NOW = datetime(2026, 3, 1, tzinfo=UTC)
_HOMES = Lineage("web1", "homes")


def _id(number: int) -> SnapshotId:
    return SnapshotId(bytes([number]) * 32)


def _seen(number: int, *, original: int | None = None, tree: int | None = -1) -> SeenSnapshot:
    content = None if tree is None else TreeId(bytes([number if tree < 0 else tree]) * 32)
    return SeenSnapshot(_id(number), _id(original or number), content, _HOMES, _NOW)


@pytest.mark.parametrize(
    ("known", "listed", "discrepancies", "new", "unchanged"),
    [
        ([], [], [], [], 0),
        ([_seen(1)], [_seen(1)], [], [], 1),
        ([_seen(1)], [_seen(1), _seen(2)], [], [_seen(2)], 1),
        ([_seen(1), _seen(2)], [_seen(2)], [(ChangeKind.VANISHED, 1, None)], [], 1),
        ([_seen(1)], [_seen(1, tree=None)], [(ChangeKind.UNREADABLE, 1, 1)], [], 0),
        ([_seen(1)], [_seen(1, tree=9)], [(ChangeKind.REPLACED, 1, 1)], [], 0),
        ([_seen(1)], [_seen(5, original=1)], [(ChangeKind.REPLACED, 1, 5)], [_seen(5, original=1)], 0),
        ([_seen(4, original=1)], [_seen(5, original=1)], [(ChangeKind.REPLACED, 4, 5)], [_seen(5, original=1)], 0),
        ([_seen(1)], [_seen(1), _seen(5, original=1)], [], [_seen(5, original=1)], 1),
        ([_seen(1, tree=None)], [_seen(1)], [], [], 1),
    ],
)
def test_a_listing_is_compared_with_what_is_known(
    known: list[SeenSnapshot],
    listed: list[SeenSnapshot],
    discrepancies: list[tuple[ChangeKind, int, int | None]],
    new: list[SeenSnapshot],
    unchanged: int,
) -> None:
    found = reconcile("onsite", known, listed)
    told = [(one.kind, one.known.id, one.now.id if one.now else None) for one in found.discrepancies]
    assert told == [(kind, _id(was), _id(now) if now else None) for kind, was, now in discrepancies]
    assert (list(found.new), found.unchanged) == (new, unchanged)


@pytest.mark.parametrize(
    ("discrepancy", "event", "finding", "message"),
    [
        (
            Discrepancy(ChangeKind.VANISHED, _seen(1)),
            EventKind.SNAPSHOT_VANISHED,
            FindingKind.SNAPSHOT_VANISHED,
            "snapshot 01010101 of homes has vanished (target onsite)",
        ),
        (
            Discrepancy(ChangeKind.UNREADABLE, _seen(1), _seen(1, tree=None)),
            EventKind.SNAPSHOT_CHANGED,
            FindingKind.SNAPSHOT_CHANGED,
            "snapshot 01010101 of homes can no longer be read (target onsite)",
        ),
        (
            Discrepancy(ChangeKind.REPLACED, _seen(1), _seen(5, original=1)),
            EventKind.SNAPSHOT_CHANGED,
            FindingKind.SNAPSHOT_CHANGED,
            "snapshot 01010101 of homes was replaced by 05050505, other content (target onsite)",
        ),
        (
            Discrepancy(ChangeKind.REPLACED, _seen(1), _seen(5, original=1, tree=1)),
            EventKind.SNAPSHOT_CHANGED,
            FindingKind.SNAPSHOT_CHANGED,
            "snapshot 01010101 of homes was replaced by 05050505, same content (target onsite)",
        ),
    ],
)
def test_a_discrepancy_is_an_event_a_finding_and_a_hold(
    discrepancy: Discrepancy, event: EventKind, finding: FindingKind, message: str
) -> None:
    raised = alarm("onsite", discrepancy, _NOW, ("f" * 32, "a" * 32), "run")
    assert (raised.event.kind, raised.event.message, raised.event.run) == (event, message, "run")
    assert (raised.finding.kind, raised.finding.id) == (finding, "f" * 32)
    assert raised.finding.subject == raised.event.subject == f"onsite:{'01' * 32}"
    assert raised.hold == Hold("a" * 32, _HOMES, message, _NOW, "drorch")


def test_a_hold_holds_its_lineage_or_its_snapshot_until_it_is_released() -> None:
    later = _NOW.replace(hour=1)
    of_lineage = Hold("a" * 32, _HOMES, "court order", later, "anna")
    of_snapshot = Hold("b" * 32, _id(1), "looks odd", _NOW, "anna")
    released = Hold("c" * 32, _HOMES, "over", _NOW, "anna", released=later, released_by="ben")
    other = Lineage("web2", "homes")
    assert held_by([of_lineage, of_snapshot], _HOMES, _id(1)) == of_snapshot, "the oldest"
    assert held_by([of_lineage, of_snapshot], _HOMES, _id(2)) == of_lineage
    assert held_by([of_lineage, of_snapshot], other, _id(2)) is None
    assert held_by([of_lineage, of_snapshot], other, _id(1)) == of_snapshot
    assert held_by([released], _HOMES, _id(1)) is None
