"""A hold: retention removes nothing that is held, until somebody lets go."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from drorch.ids import SnapshotId


@dataclass(frozen=True, slots=True)
class Lineage:
    """What retention groups by: all snapshots of one job of one host. `job` is empty for those without a job."""

    host: str
    job: str


HoldSubject = Lineage | SnapshotId
"""A whole lineage, or one snapshot on whatever target."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing of the subject may be forgotten from `since` until it is released.

    `id` is a UUID in 32 hex digits; `by` is who set it, `released_by` who let go.
    """

    id: str
    subject: HoldSubject
    reason: str
    since: datetime
    by: str
    released: datetime | None = None
    released_by: str = ""


def held_by(holds: Iterable[Hold], lineage: Lineage, snapshot: SnapshotId) -> Hold | None:
    """The oldest hold in force on this snapshot of this lineage; None where it may go."""
    in_force = (hold for hold in holds if hold.released is None and hold.subject in (lineage, snapshot))
    return min(in_force, key=lambda hold: hold.since, default=None)
