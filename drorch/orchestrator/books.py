"""The books: everything that happened is written down here, and nothing that happened is undone because it cannot be.

A catalog that cannot be written never fails a run whose snapshot is saved: its record waits in the spool. What could
not be written down is kept in `complaints`, to be told.
"""

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from drorch.catalog.ledger import Ledger
from drorch.catalog.open import Catalog
from drorch.catalog.paths.recording import HistoryGap
from drorch.catalog.paths.values import RecordedSnapshot
from drorch.catalog.queries import RunQuery
from drorch.catalog.record import Record, Stored
from drorch.catalog.spool import Spool, record_or_spool
from drorch.clock import Clock
from drorch.errors import CatalogError, DrorchError
from drorch.ids import SnapshotId
from drorch.model.audit import Deed
from drorch.model.finding import Comment, Finding, FindingKind
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import Alarm, SeenSnapshot, alarm, reconcile
from drorch.model.run import Run
from drorch.orchestrator.deeds import write_down
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.history import path_changes
from drorch.orchestrator.seen import seen, seen_in
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing
from drorch.units import counted


@dataclass(frozen=True, slots=True)
class Look:
    """A target's listing, and the alarms that it gave rise to."""

    listing: SnapshotListing
    alarms: tuple[Alarm, ...]


class Books:
    """Writes down what happens. `catalog` is None where it cannot be opened (`closed`): then records wait."""

    def __init__(self, catalog: Catalog | None, spool: Spool, clock: Clock, closed: CatalogError | None = None) -> None:
        self.catalog = catalog
        self._closed = closed or CatalogError("the catalog is not open")
        self._spool = spool
        self._clock = clock
        self.complaints: list[str] = []

    @property
    def _ledger(self) -> Ledger | None:
        return None if self.catalog is None else self.catalog.ledger

    def begin(self, run: Run) -> None:
        """Note that a run is under way."""
        if self.catalog is None:
            return
        try:
            self.catalog.ledger.begin(run)
        except CatalogError as fault:
            self.complaints.append(fault.message)

    def end(self, record: Record) -> None:
        """Note how a run ended."""
        try:
            reason = record_or_spool(record, self._ledger, self._spool)
        except CatalogError as fault:
            self.complaints.append(fault.message)
            return
        if reason is not None:
            waits = "what happened is kept in the spool until it can be written"
            self.complaints.append(self._without_catalog if self.catalog is None else f"{reason.message}; {waits}")

    @property
    def _without_catalog(self) -> str:
        """All that follows from a catalog that cannot be opened, in one line."""
        mend = f". {self._closed.hint}" if self._closed.hint else ""
        waits = "what happens is kept in the spool until it can be written, but for the audit log"
        return f"{self._closed.message}; {waits}{mend}"

    def did(self, doer: Doer, action: str, **detail: str) -> None:
        """Note in the audit log who did what; `configuration` is the digest of the one in force."""
        if self.catalog is None:
            self.complaints.append(self._without_catalog)
            return
        try:
            deed = Deed(self._clock.now(), doer.user, doer.uid, doer.tty, action, detail)
            write_down(self.catalog.audit, deed)
        except CatalogError as fault:
            self.complaints.append(fault.message)

    def look(self, target: str, repository: Repository, run: str | None) -> Look:
        """List the snapshots of a target, which proves that they decrypt, and compare them with what is known of it.

        What vanished or changed raises the alarm. What is known is asked before the target is: a snapshot that another
        process saves meanwhile cannot seem to have vanished.
        """
        known = self._known(target)
        listing = repository.list_snapshots()
        if self.catalog is None or known is None:
            return Look(listing, ())
        try:
            found = reconcile(target, known, seen_in(listing, {one.id: one for one in known}))
            now = self._clock.now()
            alarms = [
                alarm(target, fault, now, (uuid.uuid4().hex, uuid.uuid4().hex), run) for fault in found.discrepancies
            ]
            raised = self.catalog.ledger.alarm(target, alarms)
            self.catalog.ledger.know(Stored(target, snapshot) for snapshot in found.new)
            self.catalog.ledger.withdraw(target, [fault.known.id for fault in found.discrepancies], ProofLevel.L0)
            self.catalog.ledger.prove(
                Proof(target, named.id, Scope.FULL, ProofLevel.L0, now) for named in listing.snapshots
            )
        except CatalogError as fault:
            self.complaints.append(fault.message)
            return Look(listing, ())
        return Look(listing, tuple(raised))

    def _known(self, target: str) -> list[SeenSnapshot] | None:
        if self.catalog is None:
            return None
        try:
            return self.catalog.queries.known(target)
        except CatalogError as fault:
            self.complaints.append(fault.message)
            return None

    def withdraw(self, target: str, snapshots: Collection[SnapshotId], above: ProofLevel) -> None:
        """Take back proof above a level from snapshots that turned out not to be what they were."""
        if self.catalog is None or not snapshots:
            return
        try:
            self.catalog.ledger.withdraw(target, snapshots, above)
        except CatalogError as fault:
            self.complaints.append(fault.message)

    def proofs(self, target: str) -> list[Proof]:
        """What is proven of the snapshots of a target."""
        if self.catalog is None:
            return []
        try:
            return self.catalog.queries.proofs(target)
        except CatalogError as fault:
            self.complaints.append(fault.message)
            return []

    def runs(self, wanted: RunQuery) -> list[Run]:
        """Runs that are written down, newest first."""
        if self.catalog is None:
            return []
        try:
            return self.catalog.queries.runs(wanted)
        except CatalogError as fault:
            self.complaints.append(fault.message)
            return []

    def remember_paths(self, repository: Repository, named: NamedSnapshot) -> None:
        """Take a snapshot's paths into path history: what differs from the one before, or all of it."""
        if self.catalog is None:
            return
        snapshot = seen(named)
        recorded = RecordedSnapshot(snapshot.original, snapshot.lineage, snapshot.taken)
        try:
            recorder = self.catalog.recorder
            before = recorder.newest(snapshot.lineage)
            if before is None:
                self._tell_unrecorded(snapshot)
            older = self._still_there(repository, before)
            if older is None:
                recorder.record_listing(recorded, path_changes(repository, None, named.snapshot.tree))
                return
            try:
                recorder.record_delta(
                    recorded, before, path_changes(repository, older.snapshot.tree, named.snapshot.tree)
                )
            except HistoryGap:
                recorder.record_listing(recorded, path_changes(repository, None, named.snapshot.tree))
        except DrorchError as fault:
            mend = f". {fault.hint}" if fault.hint else ""
            self.complaints.append(f"path history lacks snapshot {named.id.hex()[:8]}: {fault.message}{mend}")

    def _tell_unrecorded(self, first: SeenSnapshot) -> None:
        """Say what path history was never told, or does not know any more, of a job that begins to be recorded."""
        assert self.catalog is not None
        others = {stored.snapshot.original for stored in self.catalog.queries.known_of(first.lineage)}
        older = len(others - {first.original})
        if older:
            said = f"path history knows nothing of {counted(older, 'older snapshot')} of {first.lineage.job}"
            self.complaints.append(f"{said}. Run drorch catalog rebuild.")

    @staticmethod
    def _still_there(repository: Repository, snapshot: SnapshotId | None) -> NamedSnapshot | None:
        if snapshot is None:
            return None
        try:
            return NamedSnapshot(snapshot, repository.load_snapshot(snapshot))
        except DrorchError:
            return None

    def open_finding(self, kind: FindingKind, subject: str, message: str, run: str | None) -> None:
        """Open a finding, unless one of its kind is open about the subject already."""
        if self.catalog is None:
            return
        try:
            finding = Finding(uuid.uuid4().hex, kind, subject, message, self._clock.now(), run=run)
            self.catalog.ledger.open_finding(finding)
        except CatalogError as fault:
            self.complaints.append(fault.message)

    def close_findings(self, kinds: Iterable[FindingKind], subject: str, reason: str) -> None:
        """Close what is open about a subject, because it is well again."""
        if self.catalog is None:
            return
        wanted = set(kinds)
        try:
            for finding in self.catalog.queries.findings():
                if finding.subject == subject and finding.kind in wanted:
                    word = Comment(self._clock.now(), "drorch", reason)
                    self.catalog.ledger.close_finding(finding.id, word)
        except CatalogError as fault:
            self.complaints.append(fault.message)
