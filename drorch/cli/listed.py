"""What `drorch snapshots` does once its repository is being unlocked: the listing, with what is proven of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from drorch.app import reading as app_reading
from drorch.app.access import Access
from drorch.cli.choosing import chosen
from drorch.cli.output.writer import Output
from drorch.cli.proofs import proof_record, proofs_text
from drorch.cli.proving import place_of, proving, tell
from drorch.cli.records import local_time, snapshot_record
from drorch.cli.session import Session
from drorch.clock import SystemClock
from drorch.errors import IntegrityError, Problem
from drorch.ids import SHORT_HEX, SnapshotId
from drorch.model.proof import Proof, Scope, highest
from drorch.repository.repository import NamedSnapshot
from drorch.units import counted, format_size

_COLUMNS = ("ID", "Time", "Host", "Tags", "Paths", "Size")


def run(session: Session, access: Access, options: Mapping[str, Any]) -> int:
    """List; the exit code. Raises what `drorch.app.reading.snapshots` raises."""
    place, output = place_of(session, access), session.output
    wanted, ids, latest = chosen(options), options["ids"], int(options["latest"] or 0)
    if place is None:
        found, alarmed = app_reading.snapshots(access, wanted, ids=ids, latest=latest), 0
        _show(output, found.snapshots, None)
    else:
        listed = proving().snapshots(place, SystemClock(), wanted, ids=ids, latest=latest)
        found, alarmed = listed.listing, tell(output, listed.alarms, listed.complaints)
        _show(output, found.snapshots, _Proven(_by_snapshot(listed.proofs), listed.at))
    for snapshot_id, fault in found.faults:
        output.problem(Problem(snapshot_id.hex()[:SHORT_HEX], fault.message), during="snapshot")
    return IntegrityError.exit_code if found.faults else alarmed


@dataclass(frozen=True, slots=True)
class _Proven:
    """What is proven of snapshots, at this time."""

    proofs: Mapping[SnapshotId, Sequence[Proof]]
    at: datetime

    def text(self, snapshot: SnapshotId) -> str:
        return proofs_text(self.proofs.get(snapshot, ()), self.at)

    def record(self, snapshot: SnapshotId) -> dict[str, object]:
        known = self.proofs.get(snapshot, ())
        return {
            "proof": proof_record(highest(known), self.at),
            "proof_of_sample": proof_record(highest(known, Scope.SAMPLE), self.at),
        }


def _by_snapshot(proofs: Iterable[Proof]) -> Mapping[SnapshotId, Sequence[Proof]]:
    found: dict[SnapshotId, list[Proof]] = {}
    for proof in proofs:
        found.setdefault(proof.snapshot, []).append(proof)
    return found


def _show(output: Output, snapshots: Sequence[NamedSnapshot], proven: _Proven | None) -> None:
    if output.json:
        output.message([{**snapshot_record(item), **(proven.record(item.id) if proven else {})} for item in snapshots])
    elif snapshots:
        rows = [(*_row(item), *([proven.text(item.id)] if proven else [])) for item in snapshots]
        output.table((*_COLUMNS, *(["Proof"] if proven else [])), rows)
        output.note(counted(len(snapshots), "snapshot"))
    else:
        output.note("no snapshots")


def _row(item: NamedSnapshot) -> tuple[str, ...]:
    snapshot = item.snapshot
    size = snapshot.summary.get("total_bytes_processed")
    return (
        item.id.hex()[:SHORT_HEX],
        local_time(snapshot.time),
        snapshot.hostname,
        ",".join(snapshot.tags),
        " ".join(snapshot.paths),
        format_size(size) if isinstance(size, int) else "",
    )
