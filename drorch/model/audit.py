"""The audit log's links: who did what, each entry sealed with the hash of the one before.

Whoever changes, removes or inserts an entry breaks the chain at that place; whoever cuts off its end is found out
by a head that was noted elsewhere (an anchor). An entry that was taken over from another log names what it was there,
and is verified as a link of that one, too: heads of that log, noted elsewhere, still hold.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

NOTHING = bytes(32)
"""What the first entry names as the hash before it."""

_WAS = re.compile("was[0-9]*")
_CLAIM = re.compile("([0-9]{1,18}):([0-9a-f]{64})")


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


def taken_over(entry: AuditEntry) -> Deed:
    """The deed of an entry of another log, as it is entered in this one: naming number and hash that it had there."""
    names = [name for name in entry.deed.detail if _WAS.fullmatch(name)]
    name = f"was{len(names) + 1}" if names else "was"
    return replace(entry.deed, detail={**entry.deed.detail, name: f"{entry.seq}:{entry.hash.hex()}"})


def origins(deed: Deed) -> Iterator[tuple[AuditHead, Deed]]:
    """What a deed was in the logs that it was taken over from, the last one first: number and hash, and as it was."""
    names = sorted((name for name in deed.detail if _WAS.fullmatch(name)), key=lambda name: int(name[3:] or 1))
    for name in reversed(names):
        claim = _CLAIM.fullmatch(deed.detail[name])
        if claim is None:
            return
        deed = replace(deed, detail={key: value for key, value in deed.detail.items() if key != name})
        yield AuditHead(int(claim[1]), bytes.fromhex(claim[2])), deed


def first_broken(entries: Iterable[AuditEntry], anchors: Iterable[AuditHead] = ()) -> BrokenLink | None:
    """The first broken link of a whole log in order of `seq`, seen against anchors; None where it is as it was."""
    noted = {anchor.seq: anchor.hash for anchor in anchors if anchor.seq > 0}
    chain = _Chain()
    for entry in entries:
        reason = chain.add(entry)
        if reason is not None:
            return BrokenLink(chain.end.seq + 1, reason)
    missed = sorted(seq for seq, digest in noted.items() if not chain.holds(AuditHead(seq, digest)))
    if not missed:
        return None
    end = chain.end.seq
    if missed[0] <= end:
        return BrokenLink(missed[0], "it is not the entry that was noted elsewhere")
    return BrokenLink(end + 1, f"the log ends here, but entry {missed[-1]} was noted elsewhere")


class _Chain:
    """The links so far: each by its number, and those of other logs that were taken over."""

    def __init__(self) -> None:
        self._hashes = [NOTHING]
        self._taken: dict[int, set[bytes]] = {}

    @property
    def end(self) -> AuditHead:
        return AuditHead(len(self._hashes) - 1, self._hashes[-1])

    def holds(self, head: AuditHead) -> bool:
        """Whether an entry is in here, under its own number or taken over from another log."""
        mine = head.seq < len(self._hashes) and self._hashes[head.seq] == head.hash
        return mine or head.hash in self._taken.get(head.seq, ())

    def add(self, entry: AuditEntry) -> str | None:
        """Add the next link; why it is none."""
        reason = _fault(entry, self.end)
        if reason is None:
            self._hashes.append(entry.hash)
            reason = self._take(entry.deed)
            if reason is not None:
                self._hashes.pop()
        return reason

    def _take(self, deed: Deed) -> str | None:
        for head, was in origins(deed):
            if not any(head.hash == hash_of(head.seq, was, before) for before in self._before(head)):
                return f"it says that it was entry {head.seq} of another log, and that does not have its hash"
            self._taken.setdefault(head.seq, set()).add(head.hash)
        return None

    def _before(self, head: AuditHead) -> Iterator[bytes]:
        if 0 < head.seq <= len(self._hashes):
            yield self._hashes[head.seq - 1]
        yield from self._taken.get(head.seq - 1, ())


def _fault(entry: AuditEntry, head: AuditHead) -> str | None:
    if entry.seq != head.seq + 1:
        return f"it is missing: entry {entry.seq} follows entry {head.seq}"
    if entry.prev_hash != head.hash:
        return "it does not name the hash of the entry before"
    if entry.hash != hash_of(entry.seq, entry.deed, entry.prev_hash):
        return "its content does not have its hash"
    return None
