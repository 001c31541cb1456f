"""Statements end where the rows say so: the rows stay as they are, and what follows a change is cut as before."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drorch.sources.mariadb.statements import Statements

BEFORE = b"-- MariaDB dump\n\nLOCK TABLES `e` WRITE;\nUNLOCK TABLES;\nLOCK TABLES `t``x` WRITE;\n/*!40000 DISABLE */;"
AFTER = b"/*!40000 ENABLE */;\nUNLOCK TABLES;\nDELIMITER ;;\nCREATE PROCEDURE p() SELECT ');\n(';;\n-- Dump completed\n"
HEAD = b"INSERT INTO `t``x` (`a`,`b`) VALUES\n"
MEBIBYTE = 1 << 20


def dump_of(rows: list[bytes], most: int = MEBIBYTE) -> bytes:
    """As the tool writes it: statements of at most so many bytes, or of one row."""
    statements: list[list[bytes]] = []
    size = most
    for row in rows:
        if size + len(row) >= most:
            statements.append([])
            size = len(HEAD)
        statements[-1].append(row)
        size += len(row) + 2
    return BEFORE + b"\n" + b"".join(HEAD + b",\n".join(rows) + b";\n" for rows in statements) + AFTER


def rows_of(dump: bytes) -> list[bytes]:
    """The rows of all statements, in order."""
    body = dump.removeprefix(BEFORE + b"\n").removesuffix(AFTER)
    statements = body.split(HEAD)
    assert statements[0] == b""
    assert all(statement.endswith(b");\n") for statement in statements[1:])
    return [row for statement in statements[1:] for row in statement[:-2].split(b",\n")]


def cut(dump: bytes, piece: int) -> bytes:
    statements = Statements()
    pieces = [statements.feed(dump[start : start + piece]) for start in range(0, len(dump), piece)]
    return b"".join(pieces) + statements.finish()


def row(number: int, length: int) -> bytes:
    return b"(%d,'%s')" % (number, random.Random(number).randbytes(length // 2).hex().encode())  # noqa: S311


@pytest.fixture(scope="module")
def rows() -> list[bytes]:
    """Rows of 12 MB."""
    return [row(number, 150 + number % 90) for number in range(60_000)]


@pytest.mark.parametrize("piece", [1 << 20, 999_983, 65_536])
def test_rows_are_as_they_were_and_statements_have_their_length(rows: list[bytes], piece: int) -> None:
    stored = cut(dump_of(rows), piece)
    assert rows_of(stored) == rows
    assert stored == cut(dump_of(rows), 1 << 22), "it depends on the pieces"
    lengths = [len(found) for found in stored.split(HEAD)[1:-1]]
    assert min(lengths) > 700_000
    assert max(lengths) < 2_200_000


def test_a_row_more_moves_the_ends_nearby_only() -> None:
    rows = [row(number, 200) for number in range(100_000, 160_000)]
    more = [*rows[:20_000], row(999_999, 400), *rows[20_000:]]
    stored, tool = (_shared_part(make(rows), make(more)) for make in (_stored, dump_of))
    assert stored > 0.6
    assert tool < 0.4, "the tool's own ends are as good"


def _stored(rows: list[bytes]) -> bytes:
    return cut(dump_of(rows), MEBIBYTE)


def _shared_part(first: bytes, second: bytes) -> float:
    """How much of a dump is in statements that another one has, too."""
    return sum(map(len, set(first.split(HEAD)) & set(second.split(HEAD)))) / len(first)


def test_a_very_long_row_keeps_its_statement(rows: list[bytes]) -> None:
    long = [row(-1, 5 * MEBIBYTE), row(-2, 300 * 1024), row(-3, 2 * MEBIBYTE), row(-4, 2 * MEBIBYTE)]
    mixed = [*rows[:3000], long[0], *rows[3000:9000], long[1], *rows[9000:9100], long[2], long[3], *rows[9100:20_000]]
    stored = cut(dump_of(mixed), MEBIBYTE)
    assert rows_of(stored) == mixed
    statements = stored.split(HEAD)
    for one in (long[0], long[2], long[3]):
        assert one + b";\n" in statements
    assert max(len(found) for found in statements) < 5.1 * MEBIBYTE


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=40),
    st.integers(1, 400),
    st.integers(50, 700),
)
def test_whatever_is_in_the_rows(contents: list[bytes], piece: int, most: int) -> None:
    rows = [b"('%s')" % re.sub(rb"[\n'\\]", b"\\\\n", content) for content in contents]
    dump = dump_of(rows, most)
    assert cut(dump, piece) == dump_of(rows)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"\nLOCK TABLES `", b"\nINSERT INTO `", b" VALUES\n(", b"),\n(", b");\n", b"x",
                                 b"\nUNLOCK TABLES;\n", b"t` WRITE;\n"]), max_size=30), st.integers(1, 50))  # fmt: skip
def test_what_is_no_dump_loses_nothing_but_statements_ends(words: list[bytes], piece: int) -> None:
    text = b"".join(words)
    stored = cut(text, piece)
    assert re.sub(rb"\);\nINSERT INTO `.*? VALUES\n\(", b"),\n(", text, flags=re.DOTALL).count(b"x") == stored.count(
        b"x"
    )
    assert cut(stored, piece) == stored


def test_other_tools_pass_as_they_came() -> None:
    text = b"LOCK TABLES `t` WRITE;\nINSERT INTO `t` VALUES (1,'a'),(2,'b');\nINSERT INTO `t` VALUES (3,'c');\n"
    text = (
        b"--\n" + text + b"UNLOCK TABLES;\n" + b"LOCK TABLES `u` WRITE;\nINSERT INTO `u` VALUES\n(1);\nUNLOCK TABLES;\n"
    )
    for piece in (1, 7, 1000):
        assert cut(text, piece) == text
