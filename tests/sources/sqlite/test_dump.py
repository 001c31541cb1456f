"""A database is copied while it is used: one moment of it, found sound, and nothing left behind."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import DrorchError, DumpFailed, SourceUnavailable
from drorch.sources.databases.facts import RowCount
from drorch.sources.sqlite import Sqlite, SqliteSettings
from drorch.sources.sqlite.dump import BLOB_BYTES
from tests.sources.needs import need_root
from tests.sources.sqlite.databases import ACCOUNTS, TOTAL, ask, dumped, kind, make, written_to

QUESTIONS = {
    "total": "select sum(money) from account",
    "notes": "select count(*) - (select notes from counter) from note",
}


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Path]:
    """Where copies are made; nothing is left in it."""
    folder = tmp_path / "copies"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("journal", ["wal", "delete", "truncate", "persist"])
def test_under_writes_a_dump_is_of_one_moment(tmp_path: Path, copies: Path, journal: str) -> None:
    path = tmp_path / "shop.db"
    make(path, journal, rows=20_000)
    with written_to(path):
        for _ in range(3):
            stored, facts = dumped(kind(path, copies, QUESTIONS))
            found = facts.databases["shop"]
            assert found.named["total"] == str(TOTAL)
            assert found.named["notes"] == "0"
            copy = tmp_path / "copy.db"
            copy.write_bytes(stored.content["sqlite/shop.sqlite"])
            assert ask(copy, "PRAGMA integrity_check") == "ok"
            assert ask(copy, "SELECT sum(money) FROM account") == TOTAL
            assert found.tables["note"] == RowCount(int(str(ask(copy, "SELECT count(*) FROM note"))))
    if journal == "wal":
        assert facts.notes == ()


def test_writers_of_a_wal_database_go_on_and_others_wait_only_where_nothing_else_helps(
    tmp_path: Path, copies: Path
) -> None:
    quiet, busy = tmp_path / "quiet.db", tmp_path / "busy.db"
    make(quiet)
    make(busy, rows=40_000)
    _, facts = dumped(kind(quiet, copies))
    assert facts.notes == ()
    with written_to(busy):
        _, facts = dumped(kind(busy, copies))
    assert [note for note in facts.notes if "writers waited" in note] == list(facts.notes)
    wal = tmp_path / "wal.db"
    make(wal, "wal", rows=40_000)
    with written_to(wal):
        _, facts = dumped(kind(wal, copies))
    assert facts.notes == ()


def test_the_facts_are_of_the_copy(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, "wal")
    stored, facts = dumped(
        kind(path, copies, {"rich": "select max(money), 'ignored' from account", "none": "select null"})
    )
    assert facts.kind == "sqlite"
    assert sqlite3.sqlite_version in facts.server
    assert facts.consistent
    found = facts.databases["shop"]
    assert found.encoding == "UTF-8"
    assert dict(found.tables) == {
        "account": RowCount(ACCOUNTS),
        "ballast": RowCount(2000),
        "counter": RowCount(1),
        "empty table": RowCount(0),
        "note": RowCount(0),
    }
    assert found.named["rich"] == "100"
    assert found.named["none"] == "NULL"
    assert found.named["pragma user_version"] == "7"
    assert found.size == stored.size("sqlite/shop.sqlite")
    assert found.notes == ()


def test_what_is_unchanged_is_dumped_to_the_same_bytes_in_blobs_of_pages(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, "wal")
    database = kind(path, copies)
    first, before = dumped(database)
    second, after = dumped(database)
    assert first == second
    assert before.databases == after.databases
    with database.dump() as session:
        assert [part.blob_bytes for part in session.parts()] == [BLOB_BYTES]
    assert BLOB_BYTES % 65536 == 0


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_nothing_is_left_beside_a_database_at_rest_nor_changed(tmp_path: Path, copies: Path, journal: str) -> None:
    path = tmp_path / "place" / "shop.db"
    path.parent.mkdir()
    make(path, journal)
    before = path.read_bytes()
    database = kind(path, copies)
    assert list(database.preflight()) == []
    dumped(database)
    assert [one.name for one in path.parent.iterdir()] == ["shop.db"]
    assert path.read_bytes() == before


def test_a_log_that_was_left_behind_is_read_and_left_as_it_is(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, "wal")
    with written_to(path) as writer:
        pass
    writer.wait()
    before = path.read_bytes()
    log = (tmp_path / "shop.db-wal").read_bytes()
    assert log
    _, facts = dumped(kind(path, copies))
    assert facts.databases["shop"].tables["note"].rows >= 10
    assert (path.read_bytes(), (tmp_path / "shop.db-wal").read_bytes()) == (before, log)


def test_a_transaction_that_was_cut_off_is_no_part_of_the_dump(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, rows=10)
    cut = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("PRAGMA cache_size = 1")
database.execute("PRAGMA cache_spill = 1")
database.execute("BEGIN")
database.execute("UPDATE account SET money = 0")
database.execute("UPDATE ballast SET content = randomblob(900000)")
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", cut, str(path)], check=False, timeout=60)
    assert (tmp_path / "shop.db-journal").stat().st_size > 0
    _, facts = dumped(kind(path, copies, QUESTIONS))
    assert facts.databases["shop"].named["total"] == str(TOTAL)


@pytest.mark.parametrize(
    "name", ["a?b#c%41.db", "\udcff\udcfe.db", "with space & 'quote\".db", "new\nline.db", "-x.db"]
)
def test_odd_names_are_only_names(tmp_path: Path, copies: Path, name: str) -> None:
    path = tmp_path / name
    make(tmp_path / "plain.db", rows=1)
    (tmp_path / "plain.db").rename(path)
    others = set(tmp_path.iterdir())
    stored, _ = dumped(kind(path, copies))
    [part] = stored.names()
    assert part.isprintable()
    assert part.startswith("sqlite/")
    assert stored.content[part] != b""
    assert set(tmp_path.iterdir()) == others


def test_a_link_is_followed(tmp_path: Path, copies: Path) -> None:
    make(tmp_path / "real.db", "wal", rows=1)
    (tmp_path / "link.db").symlink_to("real.db")
    with closing(sqlite3.connect(tmp_path / "real.db")) as other:
        other.execute("INSERT INTO note VALUES (1, 'in the log only')")
        other.commit()
        _, facts = dumped(kind(tmp_path / "link.db", copies))
    assert facts.databases["real"].tables["note"] == RowCount(1)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _text(path: Path) -> None:
    path.write_text("this is no database at all, whatever its name is\n" * 100)


def _broken(path: Path) -> None:
    make(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 20000] = b"\xff" * 20000
    path.write_bytes(content)


def _short(path: Path) -> None:
    make(path)
    os.truncate(path, path.stat().st_size // 2)


def _schemaless(path: Path) -> None:
    make(path)
    content = bytearray(path.read_bytes())
    content[100:4096] = os.urandom(3996)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "fault", "said"),
    [
        (_pipe, SourceUnavailable, "is not a file"),
        (Path.mkdir, SourceUnavailable, "is not a file"),
        (Path.exists, SourceUnavailable, "No such file"),
        (_text, DumpFailed, "is not a SQLite database, or is encrypted"),
        (_broken, DumpFailed, "is damaged; SQLite says"),
        (_short, DumpFailed, "malformed"),
        (_schemaless, DumpFailed, "malformed"),
    ],
)
def test_what_is_no_sound_database_is_no_dump(
    tmp_path: Path, copies: Path, damage: object, fault: type[DrorchError], said: str
) -> None:
    path = tmp_path / "shop.db"
    assert callable(damage)
    damage(path)
    with pytest.raises(fault) as caught:
        dumped(kind(path, copies))
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_a_lock_is_waited_for_and_not_for_ever(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        database = Sqlite(SqliteSettings(path, wait_seconds=0.1, copies=copies), SystemClock())
        [objection] = database.preflight()
        assert "is locked" in objection.message
        assert not objection.fatal
        with pytest.raises(SourceUnavailable, match="is locked"):
            dumped(database)
        other.execute("ROLLBACK")
    dumped(database)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select 1 from nowhere", "no such table: nowhere"),
        ("select 1; select 2", "one statement"),
        ("delete from account returning 1", "readonly database"),
        ("attach 'x.db' as x", "not authorized"),
        ("pragma writable_schema = 1", "not authorized"),
        ("select load_extension('x')", "not authorized"),
    ],
)
def test_a_question_may_only_read_and_is_named_where_it_fails(
    tmp_path: Path, copies: Path, query: str, said: str
) -> None:
    path = tmp_path / "shop.db"
    make(path, rows=1)
    with pytest.raises(DumpFailed) as caught:
        dumped(kind(path, copies, {"mine": query}))
    assert "fact mine: " in caught.value.message
    assert said in caught.value.message


def test_a_question_that_does_not_end_is_ended(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, rows=1)

    class Hasty(SystemClock):
        """A minute goes by in a fifth of a second."""

        def monotonic(self) -> float:
            return super().monotonic() * 300

    endless = {"mine": "with recursive c(x) as (values(1) union all select x + 1 from c) select count(*) from c"}
    with pytest.raises(DumpFailed, match="fact mine: it took longer than 60 s"):
        dumped(Sqlite(SqliteSettings(path, endless, copies=copies), Hasty()))


def test_what_only_its_application_knows_is_said_and_not_counted_as_sound(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, rows=1)
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.create_collation("mine", lambda one, other: (one > other) - (one < other))
        database.execute("CREATE TABLE sorted (name TEXT COLLATE mine PRIMARY KEY)")
        database.execute("INSERT INTO sorted VALUES ('a'), ('b')")
        database.execute("CREATE VIRTUAL TABLE words USING fts5(text)")
        database.execute("CREATE TRIGGER t AFTER INSERT ON note BEGIN SELECT load_extension('x'); END")
        database.execute("CREATE VIEW v AS SELECT load_extension('x')")
    _, facts = dumped(kind(path, copies, {"words": "select count(*) from words"}))
    found = facts.databases["shop"]
    assert found.tables["sorted"] == RowCount(2)
    assert "words" not in found.tables
    assert found.named["words"] == "0"
    assert any(note == "table words is virtual and was not counted" for note in found.notes)
    assert any(note.startswith("table sorted was not checked: no such collation") for note in found.notes)


def test_preflight_says_what_a_dump_would_meet(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, rows=1)

    def said(*, facts: dict[str, str] | None = None, to: Path = copies, at: Path = path) -> str:
        [objection] = kind(at, to, facts).preflight()
        assert objection.fatal
        assert objection.hint
        return objection.message

    assert "fact mine: no such table: x" in said(facts={"mine": "select 1 from x"})
    assert "No such file" in said(to=tmp_path / "nowhere")
    assert "No such file" in said(at=tmp_path / "other.db")
    _text(tmp_path / "text.db")
    assert "is not a SQLite database" in said(at=tmp_path / "text.db")
    assert list(kind(path, copies, QUESTIONS).preflight()) == []


def test_a_full_disk_is_foreseen_and_said(tmp_path: Path) -> None:
    need_root()
    path, small = tmp_path / "shop.db", tmp_path / "small"
    make(path, rows=4000)
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False).returncode != 0:
        pytest.skip("needs to mount a tmpfs")
    try:
        [objection] = kind(path, small).preflight()
        assert objection.fatal
        assert "the copy needs" in objection.message
        with pytest.raises(DumpFailed, match="no room for its copy"):
            dumped(kind(path, small))
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_a_copy_is_private_and_one_that_was_left_behind_is_removed(tmp_path: Path, copies: Path) -> None:
    path = tmp_path / "shop.db"
    make(path, rows=1)
    leftover = copies / "drorch-sqlite-leftover"
    leftover.mkdir()
    (leftover / "copy.sqlite").write_bytes(b"half a copy")
    dumped(kind(path, copies))
    assert not leftover.exists()
    script = """
import sys, time
from pathlib import Path
from drorch.sources.sqlite.copying import private_folder
with private_folder(Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script, str(copies)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        used = Path(child.stdout.readline().decode().strip())
        assert stat.S_IMODE(used.stat().st_mode) == 0o700
        dumped(kind(path, copies))
        assert used.is_dir(), "the folder of another dump was removed"
        child.kill()
    dumped(kind(path, copies))
    assert not used.exists()


def test_without_a_folder_copies_are_made_in_the_temporary_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "shop.db"
    make(path, rows=1)
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr("tempfile.tempdir", None)
    dumped(Sqlite(SqliteSettings(path), SystemClock()))
    shutil.rmtree(place)
    with pytest.raises(DumpFailed):
        dumped(Sqlite(SqliteSettings(path, copies=place), SystemClock()))
