"""Facts survive being written down, hostile ones are refused, and what nobody knows is never said to agree."""

import json
from dataclasses import replace
from typing import Any

import pytest

from drorch.sources.databases.facts import (
    MOST_BYTES,
    Comparison,
    DatabaseFacts,
    Facts,
    RowCount,
    compare,
    differences,
    from_json,
    to_json,
)

ORDERS = DatabaseFacts(
    encoding="UTF8",
    collation="de_DE.UTF-8",
    collation_version="2.36",
    extensions={"pg_trgm": "1.6", "postgis": "3.3"},
    tables={
        "public.orders": RowCount(1000),
        "public.caf\u00e9\udcff": RowCount(0),
        "public.log": RowCount(7, exact=False),
    },
    schema_digest="cafe",
    size=1 << 40,
    named={"newest": "2026-01-02"},
    notes=("a note",),
)
FACTS = Facts(
    "postgresql", "15.4", "pg_dump 15.4", "2026-01-02T03:04:05+00:00", {"orders": ORDERS}, ("anna",), False, ("n",)
)


def test_facts_come_back_as_they_were() -> None:
    assert from_json(to_json(FACTS)) == FACTS
    assert from_json(to_json(Facts("redis", "", "", ""))) == Facts("redis", "", "", "")


def test_the_same_facts_are_the_same_bytes_and_readable() -> None:
    text = to_json(FACTS)
    turned = replace(ORDERS, tables={name: ORDERS.tables[name] for name in reversed(list(ORDERS.tables))})
    assert to_json(replace(FACTS, databases={"orders": turned})) == text
    assert text.isascii()
    assert text.endswith(b"}\n")
    assert json.loads(text)["databases"]["orders"]["tables"]["public.orders"] == {"rows": 1000, "exact": True}


def test_what_a_later_drorch_adds_is_passed_over() -> None:
    document = json.loads(to_json(FACTS)) | {"weather": "fine"}
    assert from_json(json.dumps(document).encode()) == FACTS


def _with(path: str, value: object) -> bytes:
    document: Any = json.loads(to_json(FACTS))
    *above, last = path.split("/")
    place = document
    for name in above:
        place = place[name]
    place[last] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"", b"{", b"null", b"[]", b"{}", b"\xff", b"[" * 1_000_000, b'{"a":' * 1_000_000, b"1" * 1_000_000,
        _with("format", 2), _with("format", True), _with("kind", None), _with("databases", []),
        _with("databases/orders", 1), _with("databases/orders/tables/public.orders", 1000),
        _with("databases/orders/tables/public.orders/rows", -1), _with("databases/orders/size", 1 << 63),
        _with("databases/orders/size", 1.5), _with("databases/orders/size", float("nan")),
        _with("databases/orders/named/newest", 5), _with("databases/orders/extensions", ["x"]), _with("roles", "anna"),
        _with("roles", [1]), _with("consistent", 1), _with("notes", {"a": "b"}),
    ],
)  # fmt: skip
def test_what_is_no_facts_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


def test_facts_too_large_are_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        from_json(b" " * (MOST_BYTES + 1))


def test_a_database_agrees_with_itself_but_for_what_was_not_counted() -> None:
    exact = replace(ORDERS, tables={"public.orders": RowCount(1000)})
    assert compare(exact, replace(exact, size=5, notes=())) == Comparison()
    assert differences(exact, exact) == []
    assert compare(ORDERS, ORDERS).differences == ()
    assert differences(ORDERS, ORDERS) == [
        "table public.log was not compared: its rows were not counted exactly at backup"
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"encoding": "LATIN1"}, "encoding is LATIN1, was UTF8"),
        ({"collation": "C"}, "collation is C, was de_DE.UTF-8"),
        ({"schema_digest": "beef"}, "the digest of its definitions is beef, was cafe"),
        ({"tables": {}}, "table public.orders is missing"),
        ({"tables": {"public.orders": RowCount(999)}}, "table public.orders has 999 rows, had 1000"),
        ({"tables": {"public.orders": RowCount(1000), "x": RowCount(0)}}, "table x was not there"),
        ({"named": {"newest": "2025"}}, "fact newest is 2025, was 2026-01-02"),
        ({"extensions": {"pg_trgm": "1.6"}}, "extension postgis is missing"),
    ],
)
def test_what_differs_is_told(changes: dict[str, Any], told: str) -> None:
    recorded = replace(ORDERS, tables={"public.orders": RowCount(1000)})
    found = compare(recorded, replace(recorded, **changes))
    assert (found.differences, found.not_compared) == ((told,), ())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"tables": {"public.orders": RowCount(1000, exact=False)}}, "table public.orders was not compared"),
        ({"named": {}}, "fact newest was not compared"),
        ({"encoding": ""}, "encoding was not compared"),
        ({"schema_digest": ""}, "the digest of its definitions was not compared"),
    ],
)
def test_what_is_not_known_now_is_not_said_to_agree(changes: dict[str, Any], told: str) -> None:
    recorded = replace(ORDERS, tables={"public.orders": RowCount(1000)})
    found = compare(recorded, replace(recorded, **changes))
    assert found.differences == ()
    assert [line.startswith(told) for line in found.not_compared] == [True]
    assert differences(recorded, replace(recorded, **changes)) == list(found.not_compared)


def test_what_differs_by_the_server_is_a_remark() -> None:
    recorded = replace(ORDERS, tables={})
    found = compare(
        recorded, replace(recorded, collation_version="2.40", extensions={"pg_trgm": "1.6", "postgis": "3.4"})
    )
    assert found == Comparison(remarks=("extension postgis is 3.4, was 3.3", "collation version is 2.40, was 2.36"))


def test_many_differences_are_told_by_their_number() -> None:
    tables = {f"t{number:04}": RowCount(1) for number in range(1000)}
    told = differences(DatabaseFacts(tables=tables), DatabaseFacts())
    assert len(told) == 101
    assert told[-1] == "and 900 more differences"


def test_long_answers_are_told_in_short() -> None:
    told = differences(DatabaseFacts(named={"f": "x" * 10_000}), DatabaseFacts(named={"f": "y" * 10_000}))
    assert len(told[0]) < 200
