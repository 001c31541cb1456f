"""The audit log's links: who did what, each entry sealed with the hash of the one before.

Whoever changes, removes or inserts an entry breaks the chain at that place; whoever cuts off its end is found out
by a head that was noted elsewhere (an anchor).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

NOTHING = bytes(32)
"""What the first entry names as the hash before it."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did, before it is an entry.

    `user` is the name and `uid` the number of who did it, `tty` their terminal (empty where there is none), `action`
    what they did in words that stay the same (`restore`, `key add`), `detail` with what.
    """

    at: datetime
    user: str
    uid: int
    tty: str
    action: str
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One link: entry `seq` (from 1, without a gap), the hash of the entry before, and its own."""

    seq: int
    deed: Deed
    prev_hash: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The last entry's number and hash: noted elsewhere, it is an anchor. An empty log's is (0, `NOTHING`)."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """The first entry that is not what it was, and why."""

    seq: int
    reason: str


def hash_of(seq: int, deed: Deed, prev_hash: bytes) -> bytes:
    """SHA-256 over the previous hash and the entry in canonical JSON (keys sorted, ASCII, no spaces, UTC)."""
    canonical = json.dumps(
        {
            "seq": seq,
            "at": deed.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "user": deed.user,
            "uid": deed.uid,
            "tty": deed.tty,
            "action": deed.action,
            "detail": dict(deed.detail),
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    return hashlib.sha256(prev_hash + canonical.encode("ascii")).digest()


def next_entry(head: AuditHead, deed: Deed) -> AuditEntry:
    """The entry that follows a head."""
    return AuditEntry(head.seq + 1, deed, head.hash, hash_of(head.seq + 1, deed, head.hash))


def first_broken(entries: Iterable[AuditEntry], anchors: Iterable[AuditHead] = ()) -> BrokenLink | None:
    """The first broken link of a whole log in order of `seq`, seen against anchors; None where it is as it was."""
    noted = {anchor.seq: anchor.hash for anchor in anchors}
    head = AuditHead(0, NOTHING)
    for entry in entries:
        reason = _fault(entry, head)
        if reason is None and noted.get(entry.seq, entry.hash) != entry.hash:
            reason = "it is not the entry that was noted elsewhere"
        if reason is not None:
            return BrokenLink(head.seq + 1, reason)
        head = AuditHead(entry.seq, entry.hash)
    if noted and max(noted) > head.seq:
        return BrokenLink(head.seq + 1, f"the log ends here, but entry {max(noted)} was noted elsewhere")
    return None


def _fault(entry: AuditEntry, head: AuditHead) -> str | None:
    if entry.seq != head.seq + 1:
        return f"it is missing: entry {entry.seq} follows entry {head.seq}"
    if entry.prev_hash != head.hash:
        return "it does not name the hash of the entry before"
    if entry.hash != hash_of(entry.seq, entry.deed, entry.prev_hash):
        return "its content does not have its hash"
    return None
