"""The audit chain by itself: its hashes are fixed for ever, and each kind of break is named at its place."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from drorch.model.audit import NOTHING, AuditEntry, AuditHead, BrokenLink, Deed, first_broken, hash_of, next_entry

_DEED = Deed(datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC), "jörg", 0, "", "key add", {"b": "\udcff", "a": "1"})


def _chain(count: int) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    for _ in range(count):
        last = entries[-1] if entries else None
        entries.append(next_entry(AuditHead(last.seq, last.hash) if last else AuditHead(0, NOTHING), _DEED))
    return entries


def test_the_hash_is_of_the_canonical_form() -> None:
    canonical = (
        rb'{"action":"key add","at":"2026-03-01T12:00:00.000005+00:00","detail":{"a":"1","b":"\udcff"},'
        rb'"seq":1,"tty":"","uid":0,"user":"j\u00f6rg"}'
    )
    assert hash_of(1, _DEED, NOTHING) == hashlib.sha256(bytes(32) + canonical).digest()
    elsewhere = replace(_DEED, at=_DEED.at.astimezone(timezone(timedelta(hours=2))))
    assert hash_of(1, elsewhere, NOTHING) == hash_of(1, _DEED, NOTHING)


def test_a_chain_is_whole_or_broken_at_a_place() -> None:
    chain = _chain(4)
    head = AuditHead(4, chain[-1].hash)
    assert first_broken(chain, [head]) is None
    assert first_broken([]) is None
    forged = replace(chain[2], deed=replace(_DEED, user="mallory"))
    assert first_broken([*chain[:2], forged, chain[3]]) == BrokenLink(3, "its content does not have its hash")
    assert first_broken(chain[1:]) == BrokenLink(1, "it is missing: entry 2 follows entry 0")
    resealed = replace(forged, hash=hash_of(3, forged.deed, forged.prev_hash))
    assert first_broken([*chain[:2], resealed, chain[3]]) == BrokenLink(
        4, "it does not name the hash of the entry before"
    )
    assert first_broken([*chain[:2], resealed], [AuditHead(3, chain[2].hash)]) == BrokenLink(
        3, "it is not the entry that was noted elsewhere"
    )
    assert first_broken(chain[:2], [head]) == BrokenLink(3, "the log ends here, but entry 4 was noted elsewhere")
