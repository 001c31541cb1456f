"""The audit chain by itself: its hashes are fixed for ever, and each kind of break is named at its place."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

from drorch.model.audit import (
    NOTHING,
    AuditEntry,
    AuditHead,
    BrokenLink,
    Deed,
    first_broken,
    hash_of,
    next_entry,
    origins,
    taken_over,
)

_DEED = Deed(datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC), "jörg", 0, "", "key add", {"b": "\udcff", "a": "1"})


def _chain(count: int) -> list[AuditEntry]:
    return _continued([], [_DEED] * count)


def _continued(before: list[AuditEntry], deeds: list[Deed]) -> list[AuditEntry]:
    entries = [*before]
    for deed in deeds:
        entries.append(next_entry(_end(entries), deed))
    return entries


def _end(entries: list[AuditEntry]) -> AuditHead:
    return AuditHead(entries[-1].seq, entries[-1].hash) if entries else AuditHead(0, NOTHING)


def _by(*users: str) -> list[Deed]:
    return [replace(_DEED, user=user) for user in users]


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


def test_what_was_taken_over_from_another_log_is_held_to_its_links_there() -> None:
    common = _chain(2)
    theirs = _continued(common, _by("anna", "bert"))
    ours = _continued(common, _by("carl"))
    merged = _continued(ours, [taken_over(entry) for entry in theirs[2:]])
    assert first_broken(merged, [_end(common), _end(theirs), _end(ours), _end(merged)]) is None
    assert first_broken(merged, [_end(theirs[:3])]) is None
    assert [head for head, _ in origins(merged[-1].deed)] == [_end(theirs)]
    assert [deed for _, deed in origins(merged[-1].deed)] == [theirs[-1].deed]
    cut = first_broken(ours, [_end(theirs)])
    assert cut == BrokenLink(4, "the log ends here, but entry 4 was noted elsewhere")


def test_what_is_taken_over_twice_names_both_logs() -> None:
    first, second, third = _continued([], _by("anna", "bert")), _continued([], _by("carl")), _continued([], _by("dora"))
    second = _continued(second, [taken_over(entry) for entry in first])
    third = _continued(third, [taken_over(entry) for entry in second])
    assert first_broken(third, [_end(first), _end(second), _end(third)]) is None
    assert [head for head, _ in origins(third[-1].deed)] == [_end(second), _end(first)]


def test_nobody_can_say_of_an_entry_that_it_was_one_it_was_not() -> None:
    theirs, ours = _continued([], _by("anna", "bert", "carl")), _continued([], _by("dora"))
    for left_out in range(2):
        kept = [entry for number, entry in enumerate(theirs) if number != left_out]
        forged = _continued(ours, [taken_over(entry) for entry in kept])
        assert first_broken(forged) == BrokenLink(
            2 + left_out,
            f"it says that it was entry {2 + left_out} of another log, and that does not have its hash",
        )
    changed = replace(theirs[0], deed=replace(theirs[0].deed, user="mallory"))
    assert first_broken(_continued(ours, [taken_over(changed)])) is not None
