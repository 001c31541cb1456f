"""Whose saved states lie on a target: a catalog's own, or those of another catalog of the same host.

A saved state is a catalog's own where it remembers the run that saved it, or where the end of the audit log that
travelled with it is in the catalog's. A catalog that was begun anew, because the old one was lost and nobody rebuilt
it, shows in this way, and so does one that was set back to an older copy. Nothing is ever replaced unasked.
"""

import contextlib

from drorch.catalog.audit import AuditLog
from drorch.catalog.queries import Queries, RunQuery
from drorch.errors import CatalogError, DrorchError
from drorch.model.finding import FindingKind
from drorch.model.hold import Lineage
from drorch.model.names import STATE_JOB
from drorch.orchestrator.books import Books
from drorch.orchestrator.state import CATALOG, SavedState
from drorch.repository.repository import NamedSnapshot, Repository

_MEND = (
    "Run drorch catalog rebuild; but where two drorchs save there as the same host, give one of them another host "
    "under [drorch]"
)


def subject_of(target: str) -> str:
    """What a finding about another catalog's state on a target is about."""
    return f"{STATE_JOB}@{target}"


def is_kin(saved: SavedState, queries: Queries, audit: AuditLog) -> bool:
    """Whether a saved state is of this catalog, or of one that was taken over into it. Raises `CatalogError`.

    One without an audit log has nothing to be told by, and nothing to be taken over: it counts as kin.
    """
    if queries.runs(RunQuery(snapshot=saved.named.id, limit=1)):
        return True
    head = saved.head()
    return head is None or audit.holds(head)


def is_stranger(saved: SavedState, queries: Queries, audit: AuditLog) -> bool:
    """Whether a saved state holds another catalog, with something to be taken over. Raises `CatalogError`."""
    return not is_kin(saved, queries, audit) and holds_catalog(saved)


def holds_catalog(saved: SavedState) -> bool:
    """Whether a saved state holds a catalog; no where that cannot be read."""
    try:
        return saved.has(CATALOG)
    except DrorchError:
        return False


def length_of(saved: SavedState) -> int:
    """How many entries the audit log of a saved state has: of two catalogs, the one with more of them knows more."""
    head = saved.head()
    return -1 if head is None else head.seq


def notice(books: Books, target: str, repository: Repository, host: str) -> None:
    """Open a finding where the newest state of a host on a target is another catalog's, and complain while it is open.

    To be asked before one's own state is saved there.
    """
    if books.catalog is None:
        return
    queries, audit = books.catalog.queries, books.catalog.audit
    subject = subject_of(target)
    try:
        known = [one.snapshot for one in queries.known_of(Lineage(host, STATE_JOB)) if one.target == target]
        for newest in known[-1:]:
            with contextlib.suppress(DrorchError):
                saved = SavedState(repository, NamedSnapshot(newest.id, repository.load_snapshot(newest.id)))
                if is_stranger(saved, queries, audit):
                    books.open_finding(FindingKind.OTHER_CATALOG, subject, _told(target, host, saved), None)
        for finding in queries.findings():
            if (finding.kind, finding.subject) == (FindingKind.OTHER_CATALOG, subject):
                books.complaints.append(f"{finding.message}. {_MEND}.")
    except CatalogError as fault:
        books.complaints.append(fault.message)


def _told(target: str, host: str, stranger: SavedState) -> str:
    saved = f"{stranger.named.snapshot.moment:%Y-%m-%d %H:%M UTC}, snapshot {stranger.named.id.hex()[:8]}"
    return f"{target} holds the state of another catalog of {host} ({saved}): what that one knows is not in this one"
