"""An archive of pg_dump is followed as it passes, however it is cut into pieces, and known to be whole or not."""

import struct

import pytest

from drorch.sources.postgresql.archive import ArchiveBroken, ArchiveScan
from drorch.sources.postgresql.contents import codec_of
from drorch.sources.postgresql.settings import part_of
from drorch.sources.postgresql.shared import statements
from tests.servers.postgresql import SUPERUSER, Postgresql
from tests.sources.postgresql.databases import new_name, rich_database
from tests.sources.postgresql.dumps import dumped, settings_for


def scanned(content: bytes, step: int) -> ArchiveScan:
    """An archive that came in pieces of so many bytes, each in memory that is used again for the next."""
    scan, memory = ArchiveScan(), bytearray(step)
    for at in range(0, len(content), step):
        piece = content[at : at + step]
        memory[: len(piece)] = piece
        scan.feed(memoryview(memory)[: len(piece)])
    scan.finish()
    return scan


@pytest.fixture(scope="module")
def small(server: Postgresql) -> bytes:
    """The dump of a database with two tables and a large object."""
    name = server.create(new_name("small"))
    server.sql(name, "create table t (a int, b text)", "insert into t select i, repeat('x', i) from"
               " generate_series(1, 40) i", "create table u (a int)", "select lo_from_bytea(0, '\\x0a0a00')",
               "select lo_from_bytea(0, '')")  # fmt: skip
    return dumped(settings_for(server, name, user=SUPERUSER, globals=False)).parts[part_of(name)]


def test_pieces_of_any_size_give_the_same(server: Postgresql, small: bytes) -> None:
    name = rich_database(server)
    content = dumped(settings_for(server, name, globals=False)).parts[part_of(name)]
    whole = scanned(content, len(content))
    assert sum(whole.rows.values()) > 1500 and not whole.unknown
    for step in (7, 4093, 65536):
        assert scanned(content, step).rows == whole.rows
    assert {scanned(small, step).rows == scanned(small, len(small)).rows for step in range(1, 60)} == {True}
    assert sorted(scanned(small, 1).rows.values()) == [0, 40]


def test_what_is_cut_short_anywhere_is_not_whole(small: bytes) -> None:
    scan = ArchiveScan()
    for at in range(len(small)):
        with pytest.raises(ArchiveBroken):
            scan.finish()
        scan.feed(small[at : at + 1])
    scan.finish()
    with pytest.raises(ArchiveBroken):
        scanned(small + b"\1", len(small))


def test_an_archive_of_an_unknown_form_is_no_fault(small: bytes) -> None:
    scan = scanned(small[:6] + b"\x63" + small[7:], 100)
    assert "version 1.99" in scan.unknown and scan.rows == {}
    compressed = small[:11] + b"\0\6\0\0\0" + small[16:]
    assert "compressed" in scanned(compressed, 100).unknown


def test_rows_are_counted_in_blocks_that_hold_many(small: bytes) -> None:
    """As later versions may write them: the same lines, cut elsewhere."""
    header = small[: small.index(b"\1", small.rindex(b"false"))]
    blocks = small[len(header) :]
    start = small.index(struct.pack("<BI", 0, 4) + b"1\tx\n")
    end = small.index(b"\\.\n\n\n", start) + 5
    lines, at = b"", start
    while at < end:
        (size,) = struct.unpack_from("<xI", small, at)
        lines += small[at + 5 : at + 5 + size]
        at += 5 + size
    assert lines.count(b"\n") == 43 and blocks
    for size in (10, 100, len(lines)):
        pieces = [lines[i : i + size] for i in range(0, len(lines), size)]
        again = b"".join(struct.pack("<BI", 0, len(piece)) + piece for piece in pieces)
        assert scanned(small[:start] + again + small[end:], 100).rows == scanned(small, 100).rows


@pytest.mark.parametrize("content", [b"PGDMP", b"x", b"PGDMP\1\x0e\0\4\x08\1" + b"\0\0\0\0\0" * 8, b"\0" * 1000])
def test_rubbish_is_no_archive(content: bytes) -> None:
    with pytest.raises(ArchiveBroken):
        scanned(content, 10)


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1", "LATIN9", "LATIN10", "WIN1252", "KOI8R", "EUC_JP", "SQL_ASCII"])
def test_every_encoding_has_a_codec(encoding: str) -> None:
    assert "a".encode(codec_of(encoding)) == b"a"


def test_statements_are_told_apart_by_their_quotes() -> None:
    text = "-- a; b\nA 'x;''y';\n\\! rm\nB \"c;\"\"d\"-1; C--;\n;"
    assert list(statements(text)) == ["A 'x;''y'", 'B "c;""d"-1', "C"]
