"""The audit log: appended to and nothing else, and whatever is done to it behind drorch's back is found."""

import sqlite3
from dataclasses import replace

import pytest
from sqlalchemy import text

from drorch.catalog.columns import Unreadable
from drorch.catalog.engine import server_engine, writing
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace
from drorch.catalog.schema import CATALOG
from drorch.errors import CatalogError
from drorch.model.audit import AuditHead, BrokenLink
from drorch.orchestrator.deeds import write_down
from tests.catalog.making import deed, record


def _filled(catalog: Catalog, count: int = 5) -> AuditHead:
    for number in range(1, count + 1):
        catalog.audit.append(deed(number))
    return catalog.audit.head()


def _tamper(place: CatalogPlace, *statements: str) -> None:
    with sqlite3.connect(place.catalog_file) as connection:
        for change in ("update", "delete"):
            connection.execute(f"DROP TRIGGER audit_no_{change}")
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_a_log_verifies_and_reads_back(either: Catalog) -> None:
    assert either.audit.verify() is None
    assert either.audit.head().seq == 0
    head = _filled(either)
    assert [entry.deed for entry in either.audit.entries()] == [deed(number) for number in range(1, 6)]
    assert [entry.seq for entry in either.audit.entries(after=3)] == [4, 5]
    assert either.audit.verify([head]) is None
    _filled(either)
    assert either.audit.verify([head]) is None


def test_a_long_log_is_read_piece_by_piece(catalog: Catalog) -> None:
    head = _filled(catalog, 501)
    assert head.seq == 501
    assert catalog.audit.verify([head]) is None


@pytest.mark.parametrize(
    "statement", ["UPDATE audit SET username = 'x'", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 5"]
)
def test_sqlite_refuses_changes(catalog: Catalog, place: CatalogPlace, statement: str) -> None:
    _filled(catalog)
    with (
        sqlite3.connect(place.catalog_file) as raw,
        pytest.raises(sqlite3.IntegrityError, match="only ever appended to"),
    ):
        raw.execute(statement)
    raw.close()


@pytest.mark.parametrize("statement", ["UPDATE audit SET username = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_postgresql_refuses_changes(database: str, statement: str) -> None:
    engine = server_engine(database)
    upgrade(engine, CATALOG)
    with pytest.raises(CatalogError, match="only ever appended to"), writing(engine) as connection:
        connection.execute(text(statement))
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("UPDATE audit SET username = 'mallory' WHERE seq = 3", 3, "its content does not have its hash"),
        ("UPDATE audit SET at = at + 1 WHERE seq = 2", 2, "its content does not have its hash"),
        ("UPDATE audit SET detail = '{}' WHERE seq = 5", 5, "its content does not have its hash"),
        ("DELETE FROM audit WHERE seq = 2", 2, "it is missing: entry 3 follows entry 1"),
        ("DELETE FROM audit WHERE seq = 1", 1, "it is missing: entry 2 follows entry 0"),
        ("UPDATE audit SET seq = 9 WHERE seq = 5", 5, "it is missing: entry 9 follows entry 4"),
        ("UPDATE audit SET prev_hash = zeroblob(32) WHERE seq = 4", 4, "it does not name the hash of the entry before"),
    ],
)
def test_tampering_is_found_at_its_place(
    catalog: Catalog, place: CatalogPlace, statement: str, seq: int, reason: str
) -> None:
    _filled(catalog)
    _tamper(place, statement)
    assert catalog.audit.verify() == BrokenLink(seq, reason)


@pytest.mark.parametrize(
    "change",
    [
        "detail = 'nonsense'", "detail = '[1]'", "detail = '{'", "at = 'yesterday'", "at = 9223372036854775807",
        "hash = 'text'", "prev_hash = 'text'", "uid = 'root'", "username = zeroblob(4)", "tty = 7",
    ],
)  # fmt: skip
@pytest.mark.parametrize("seq", [1, 3, 5])
def test_an_entry_of_other_kinds_than_drorchs_breaks_the_chain_at_its_place(
    catalog: Catalog, place: CatalogPlace, change: str, seq: int
) -> None:
    _filled(catalog)
    _tamper(place, f"UPDATE audit SET {change} WHERE seq = {seq}")  # noqa: S608
    broken = catalog.audit.verify()
    assert broken is not None
    assert broken.seq == seq


def test_what_stands_before_an_unreadable_entry_is_told(catalog: Catalog, place: CatalogPlace) -> None:
    _filled(catalog)
    _tamper(place, "UPDATE audit SET detail = 'nonsense' WHERE seq = 4")
    told = []
    with pytest.raises(Unreadable, match="a map of texts in the catalog cannot be read") as refused:
        for entry in catalog.audit.entries():
            told.append(entry.seq)
    assert told == [1, 2, 3]
    assert refused.value.hint


def test_an_entry_that_was_tampered_with_keeps_no_other_from_being_written(
    catalog: Catalog, place: CatalogPlace
) -> None:
    _filled(catalog)
    _tamper(place, "UPDATE audit SET detail = 'nonsense' WHERE seq = 4")
    named = replace(deed(6), detail={"configuration": "ab"})
    assert write_down(catalog.audit, named).seq == 6
    assert catalog.audit.verify() == BrokenLink(4, "it cannot be read")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("outcome = 'splendid'", "a run"),
        ("counters = 'many'", "a map of counts"),
        ("versions = '7'", "a map of texts"),
        ("started = 'noon'", "a time"),
    ],
)
def test_a_run_that_cannot_be_read_is_an_error_of_the_catalog(
    catalog: Catalog, place: CatalogPlace, change: str, what: str
) -> None:
    catalog.ledger.record(record(1))
    with sqlite3.connect(place.catalog_file) as raw:
        raw.execute(f"UPDATE run SET {change}")  # noqa: S608
    raw.close()
    with pytest.raises(Unreadable, match=f"{what} in the catalog cannot be read"):
        catalog.queries.runs()


def test_a_cut_off_end_is_found_by_an_anchor_only(catalog: Catalog, place: CatalogPlace) -> None:
    anchor = _filled(catalog)
    _tamper(place, "DELETE FROM audit WHERE seq > 3")
    assert catalog.audit.verify() is None
    assert catalog.audit.verify([anchor]) == BrokenLink(4, "the log ends here, but entry 5 was noted elsewhere")


def test_a_forged_chain_is_found_by_an_anchor_only(catalog: Catalog, place: CatalogPlace) -> None:
    anchor = _filled(catalog)
    _tamper(place, "DELETE FROM audit")
    for number in range(11, 17):
        catalog.audit.append(deed(number))
    assert catalog.audit.verify() is None
    assert catalog.audit.verify([anchor]) == BrokenLink(5, "it is not the entry that was noted elsewhere")
