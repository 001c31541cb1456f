"""Rows are counted alike wherever a dump is cut into pieces, and a count that may be wrong is not called exact."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drorch.sources.databases.facts import RowCount
from drorch.sources.mariadb.rows import RowCounter

DUMP = (
    b"/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump\n\n"
    b"LOCK TABLES `e` WRITE;\n/*!40000 ALTER TABLE `e` DISABLE KEYS */;\n/*!40000 ALTER TABLE `e` ENABLE KEYS */;\n"
    b"UNLOCK TABLES;\n"
    b"LOCK TABLES `t``x` WRITE;\n/*!40000 ALTER TABLE `t``x` DISABLE KEYS */;\nINSERT INTO `t``x` VALUES\n"
    b"(1,'),\\n('),\n(2,'),('),\n(3,NULL);\nINSERT INTO `t``x` VALUES\n(4,');\\nUNLOCK TABLES;'),\n(5,'x');\n"
    b"/*!40000 ALTER TABLE `t``x` ENABLE KEYS */;\nUNLOCK TABLES;\n"
    b"CREATE PROCEDURE p()\n-- LOCK TABLES `no\n(1),\n(2)\n-- Dump completed\n"
)
TABLES = {"e": RowCount(0), "t`x": RowCount(5)}


def counted(*pieces: bytes) -> dict[str, RowCount]:
    counter = RowCounter()
    for piece in pieces:
        counter.feed(piece)
    return dict(counter.tables)


@given(st.lists(st.integers(0, len(DUMP)), max_size=40))
def test_wherever_it_is_cut(places: list[int]) -> None:
    cuts = [0, *sorted(places), len(DUMP)]
    assert counted(*(DUMP[start:end] for start, end in itertools.pairwise(cuts))) == TABLES


def test_byte_by_byte() -> None:
    assert counted(*(DUMP[at : at + 1] for at in range(len(DUMP)))) == TABLES


@pytest.mark.parametrize(
    "dump",
    [
        # Another tool: many rows on a line.
        b"LOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES (1),(2),(3);\nUNLOCK TABLES;\n",
        # A name with a line break in it.
        b"LOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES\n(1);\nUNLOCK TABLES;\n" * 2,
    ],
)
def test_what_may_be_wrong_is_not_exact(dump: bytes) -> None:
    assert counted(dump)["t"].exact is False


def test_a_name_with_a_line_break_makes_counts_inexact() -> None:
    assert not counted(b"LOCK TABLES `a\n(b` WRITE;\nINSERT INTO `a\n(b` VALUES\n(1);\nUNLOCK TABLES;\n")["a\n(b"].exact


def test_a_table_that_was_not_seen_to_its_end_has_no_count() -> None:
    assert counted(b"LOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES\n(1),\n(2)") == {}
