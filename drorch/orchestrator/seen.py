"""Snapshots as a target shows them, in the words of the model: whose they are, and what they hold."""

from collections.abc import Mapping
from dataclasses import replace

from drorch.ids import SnapshotId
from drorch.model.hold import Lineage
from drorch.model.names import JOB_TAG
from drorch.model.reconciliation import SeenSnapshot
from drorch.repository.repository import NamedSnapshot, SnapshotListing
from drorch.repository.snapshot import Snapshot


def job_of(snapshot: Snapshot) -> str:
    """The job whose tag a snapshot carries; empty where it has none."""
    return next((tag.removeprefix(JOB_TAG) for tag in snapshot.tags if tag.startswith(JOB_TAG)), "")


def seen(named: NamedSnapshot) -> SeenSnapshot:
    """A snapshot of a listing."""
    snapshot = named.snapshot
    return SeenSnapshot(
        id=named.id,
        original=snapshot.original or named.id,
        tree=snapshot.tree,
        lineage=Lineage(snapshot.hostname, job_of(snapshot)),
        taken=snapshot.moment,
    )


def seen_in(listing: SnapshotListing, known: Mapping[SnapshotId, SeenSnapshot]) -> list[SeenSnapshot]:
    """All snapshots of a listing, those that cannot be read included where they are known from before."""
    damaged = [replace(known[snapshot_id], tree=None) for snapshot_id, _ in listing.faults if snapshot_id in known]
    return [seen(named) for named in listing.snapshots] + damaged
