"""People answer for findings, and set and release holds; each time it is written down who did."""

import uuid
from dataclasses import dataclass

from drorch.catalog.open import Catalog
from drorch.clock import Clock
from drorch.errors import CatalogError, UsageError
from drorch.ids import ID_BYTES, SHORT_HEX, SnapshotId
from drorch.model.audit import Deed
from drorch.model.finding import Comment, Finding, FindingState
from drorch.model.hold import Hold, HoldSubject, Lineage
from drorch.orchestrator.deeds import CONFIGURATION, write_down
from drorch.orchestrator.doer import Doer


@dataclass(frozen=True, slots=True)
class Hand:
    """Who acts, under which configuration (its digest)."""

    doer: Doer
    configuration: str


class Desk:
    """Where people deal with findings and holds. Ids may be shortened; what is not there raises `CatalogError`."""

    def __init__(self, catalog: Catalog, hand: Hand, clock: Clock) -> None:
        self._catalog = catalog
        self._hand = hand
        self._clock = clock

    def assign(self, finding: str, person: str) -> Finding:
        """Make a person answer for an open finding. An empty name takes it back."""
        found = self._open(finding)
        self._did("findings assign", finding=found.id, person=person)
        self._catalog.ledger.assign(found.id, person)
        return self._catalog.queries.finding(found.id)

    def acknowledge(self, finding: str) -> Finding:
        """Note that an open finding has been seen."""
        found = self._open(finding)
        self._did("findings ack", finding=found.id)
        self._catalog.ledger.acknowledge(found.id)
        return self._catalog.queries.finding(found.id)

    def comment(self, finding: str, text: str) -> Finding:
        """Say something about a finding, closed or not."""
        found = self._catalog.queries.finding(finding)
        self._did("findings comment", finding=found.id)
        self._catalog.ledger.comment(found.id, self._said(text))
        return self._catalog.queries.finding(found.id)

    def close(self, finding: str, text: str) -> Finding:
        """Close an open finding, with a last word."""
        found = self._open(finding)
        self._did("findings close", finding=found.id)
        self._catalog.ledger.close_finding(found.id, self._said(text))
        return self._catalog.queries.finding(found.id)

    def hold(self, subject: HoldSubject, reason: str) -> Hold:
        """Hold a lineage or a snapshot: retention removes nothing of it."""
        hold = Hold(uuid.uuid4().hex, subject, reason, self._clock.now(), self._hand.doer.user)
        self._did("hold set", hold=hold.id, **named(subject))
        self._catalog.ledger.set_hold(hold)
        return hold

    def release(self, hold: str) -> Hold:
        """Let go of a hold that is in force."""
        found = self._catalog.queries.hold(hold)
        if found.released is not None:
            raise CatalogError(
                f"hold {found.id[:SHORT_HEX]} was released by {found.released_by}",
                hint="Type: drorch hold list, to see what is held.",
            )
        self._did("hold release", hold=found.id, **named(found.subject))
        self._catalog.ledger.release_hold(found.id, self._clock.now(), self._hand.doer.user)
        return self._catalog.queries.hold(found.id)

    def lineages(self) -> set[Lineage]:
        """The lineages of which snapshots are known."""
        return set(self._catalog.queries.newest())

    def _open(self, prefix: str) -> Finding:
        found = self._catalog.queries.finding(prefix)
        if found.state is FindingState.CLOSED:
            raise CatalogError(f"finding {found.id[:SHORT_HEX]} is closed", hint="Type: drorch findings list")
        return found

    def snapshot(self, prefix: str, targets: list[str]) -> SnapshotId:
        """The snapshot known on one of these targets whose id begins so; any whole id is taken as it is.

        Raises `UsageError` where none is known, or more than one.
        """
        wanted = prefix.lower()
        known = {one.id for target in targets for one in self._catalog.queries.known(target)}
        matching = [one for one in known if one.hex().startswith(wanted)]
        if len(matching) == 1:
            return matching[0]
        if not matching and len(wanted) == 2 * ID_BYTES and set(wanted) <= set("0123456789abcdef"):
            return SnapshotId(bytes.fromhex(wanted))
        what = "is the beginning of several snapshots' ids" if matching else "is no snapshot the catalog knows"
        raise UsageError(f"{prefix!r} {what}", hint="Give a longer id; all of its 64 digits always do.")

    def _said(self, text: str) -> Comment:
        return Comment(self._clock.now(), self._hand.doer.user, text)

    def _did(self, action: str, **detail: str) -> None:
        doer = self._hand.doer
        said = {CONFIGURATION: self._hand.configuration, **detail}
        write_down(self._catalog.audit, Deed(self._clock.now(), doer.user, doer.uid, doer.tty, action, said))


def named(subject: HoldSubject) -> dict[str, str]:
    """What a hold is on, as text by name."""
    if isinstance(subject, Lineage):
        return {"job": subject.job, "host": subject.host}
    return {"snapshot": subject.hex()}
