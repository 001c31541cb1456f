"""A database file is put back: sound, whole, in one step, and never under somebody who uses what was there."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from drorch.errors import IntegrityError, RestoreError
from drorch.sources.databases.contract import Loaded, RestoreWish
from drorch.sources.databases.facts import Facts, RowCount
from drorch.sources.sqlite import Sqlite
from tests.sources.needs import need_root
from tests.sources.sqlite.databases import TOTAL, Stored, ask, dumped, kind, make, written_to

PART = "sqlite/shop.sqlite"


@dataclass(frozen=True)
class Shop:
    """A dump of a database that is configured at `path`, where it is not any more."""

    path: Path
    database: Sqlite
    stored: Stored
    facts: Facts

    def restore(self, *, overwrite: bool = False, into: Path | None = None) -> Loaded:
        wish = RestoreWish(overwrite=overwrite, into=None if into is None else str(into))
        return self.database.restore(wish, self.stored, self.facts)

    def refused(self, *, overwrite: bool = False, into: Path | None = None) -> str:
        """What is said where a restore is refused; the preflight says the same."""
        wish = RestoreWish(overwrite=overwrite, into=None if into is None else str(into))
        with pytest.raises(RestoreError) as caught:
            self.database.restore(wish, self.stored, self.facts)
        assert caught.value.hint
        assert leftovers(self.path.parent) == []
        return caught.value.message


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".drorch")]


QUESTIONS = {"total": "select sum(money) from account"}


@pytest.fixture(scope="module", params=["wal", "delete"])
def taken(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Stored, Facts]:
    """A dump taken while somebody wrote."""
    place = tmp_path_factory.mktemp("taken")
    make(place / "shop.db", request.param)
    with written_to(place / "shop.db"):
        return dumped(kind(place / "shop.db", place, QUESTIONS))


@pytest.fixture
def shop(tmp_path: Path, taken: tuple[Stored, Facts]) -> Shop:
    """The dump, and an empty folder where it is to go."""
    path = tmp_path / "shop" / "shop.db"
    path.parent.mkdir()
    stored, facts = taken
    return Shop(path, kind(path, tmp_path, QUESTIONS), stored, facts)


def test_what_comes_back_is_what_was_dumped(shop: Shop) -> None:
    assert list(shop.database.restore_preflight(RestoreWish(), shop.stored, shop.facts)) == []
    loaded = shop.restore()
    assert loaded.databases == ("shop",)
    assert loaded.differences == ()
    assert loaded.compared
    assert shop.path.read_bytes() == shop.stored.content[PART]
    assert stat.S_IMODE(shop.path.stat().st_mode) == 0o600
    assert any("0600" in note for note in loaded.notes)
    assert leftovers(shop.path.parent) == []
    assert ask(shop.path, "SELECT sum(money) FROM account") == TOTAL


def test_it_goes_to_another_file_and_the_one_that_is_there_stays(shop: Shop, tmp_path: Path) -> None:
    make(shop.path)
    before = shop.path.read_bytes()
    assert "exists" in shop.refused()
    assert shop.restore(into=tmp_path / "other.db").compared
    assert (tmp_path / "other.db").read_bytes() == shop.stored.content[PART]
    assert shop.path.read_bytes() == before


@pytest.mark.parametrize("journal", ["wal", "delete", "persist"])
def test_a_database_is_replaced_with_its_log_and_keeps_owner_and_mode(shop: Shop, journal: str) -> None:
    make(shop.path, journal)
    with written_to(shop.path) as writer:
        pass
    writer.wait()
    shop.path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(shop.path, 12345, 54321)
    before = shop.path.stat()
    loaded = shop.restore(overwrite=True)
    assert loaded.compared
    assert loaded.differences == ()
    after = shop.path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert [file.name for file in shop.path.parent.iterdir()] == ["shop.db"]
    assert ask(shop.path, "PRAGMA integrity_check") == "ok"
    assert (
        shop.path.read_bytes() == shop.stored.content[PART] or ask(shop.path, "SELECT sum(money) FROM account") == TOTAL
    )


@pytest.mark.parametrize("beside", ["-wal", "-journal"])
def test_what_another_database_left_is_not_applied_to_it(shop: Shop, beside: str) -> None:
    log = shop.path.with_name(f"shop.db{beside}")
    log.write_bytes(b"of another database")
    assert "is left of another database" in shop.refused()
    assert log.exists()
    assert shop.restore(overwrite=True).compared
    assert not log.exists()


@pytest.mark.parametrize("content", [b"", b"no database at all\n" * 1000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_what_is_broken_can_be_replaced(shop: Shop, content: bytes) -> None:
    shop.path.write_bytes(content)
    shop.path.with_name("shop.db-wal").write_bytes(b"junk")
    assert shop.restore(overwrite=True).compared
    assert [file.name for file in shop.path.parent.iterdir()] == ["shop.db"]
    assert shop.path.read_bytes() == shop.stored.content[PART]


@contextmanager
def used_by_another(path: Path) -> Iterator[None]:
    """Another process has it open, idle."""
    script = """
import sqlite3, sys, time
database = sqlite3.connect(sys.argv[1])
database.execute("select count(*) from account").fetchall()
print("open", flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"open\n"
        yield
        child.kill()


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_what_somebody_uses_is_not_replaced(shop: Shop, journal: str) -> None:
    make(shop.path, journal)
    before = shop.path.read_bytes()
    with used_by_another(shop.path):
        assert "is in use by process" in shop.refused(overwrite=True)
    # Where /proc does not tell, locks do: this process's own is not looked for there.
    with closing(sqlite3.connect(shop.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM account").fetchall()
        assert "is in use by another process" in shop.refused(overwrite=True)
        other.execute("ROLLBACK")
    assert shop.path.read_bytes() == before
    assert shop.restore(overwrite=True).compared


def test_a_link_is_followed_and_stays(shop: Shop, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(shop.path)
    shop.restore(into=link)
    assert link.is_symlink()
    assert shop.path.read_bytes() == shop.stored.content[PART]


def test_places_where_no_database_can_be_are_refused(shop: Shop, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a folder" in shop.refused(into=tmp_path)
    assert "is missing" in shop.refused(into=tmp_path / "nowhere" / "shop.db")
    assert "is not a file" in shop.refused(into=tmp_path / "pipe", overwrite=True)


def test_only_the_whole_database_is_restored(shop: Shop) -> None:
    for wish in (RestoreWish(tables=("account",)), RestoreWish(schemas=("main",)), RestoreWish(only="other")):
        [objection] = shop.database.restore_preflight(wish, shop.stored, shop.facts)
        assert objection.fatal
        with pytest.raises(RestoreError):
            shop.database.restore(wish, shop.stored, shop.facts)
    assert shop.database.restore(RestoreWish(only="shop"), shop.stored, shop.facts).compared


def test_a_snapshot_without_a_database_is_said(shop: Shop) -> None:
    with pytest.raises(RestoreError, match="no SQLite database"):
        shop.database.restore(RestoreWish(), Stored({"redis/dump.rdb": b""}), None)


def test_what_differs_from_the_facts_is_said(shop: Shop) -> None:
    found = shop.facts.databases["shop"]
    tables = {**found.tables, "account": RowCount(7), "gone": RowCount(1)}
    named = {**found.named, "total": "1"}
    changed = replace(found, tables=tables, named=named, schema_digest="x", size=found.size + 1)
    facts = replace(shop.facts, databases={"shop": changed})
    loaded = shop.database.restore(RestoreWish(), shop.stored, facts)
    assert loaded.compared
    told = "; ".join(loaded.differences)
    for words in (
        "table account has 1000 rows, had 7",
        "table gone is missing",
        "fact total is",
        "definitions",
        "bytes, had",
    ):
        assert words in told


def test_without_facts_nothing_is_said_to_agree(shop: Shop) -> None:
    loaded = shop.database.restore(RestoreWish(), shop.stored, None)
    assert not loaded.compared
    assert any("nothing was compared" in note for note in loaded.notes)


def test_a_question_that_cannot_be_asked_any_more_keeps_nothing_from_being_restored(shop: Shop, tmp_path: Path) -> None:
    loaded = kind(shop.path, tmp_path, {"total": "select wrong"}).restore(RestoreWish(), shop.stored, shop.facts)
    assert not loaded.compared
    assert any("fact total: no such column: wrong" in note for note in loaded.notes)
    assert any("fact total was not compared" in note for note in loaded.notes)


@pytest.mark.parametrize("cut", [1, 99, 100, 4096, -4096, -1])
def test_a_damaged_file_takes_nobodys_place(shop: Shop, cut: int) -> None:
    make(shop.path)
    before = shop.path.read_bytes()
    whole = shop.stored.content[PART]
    short = replace(shop, stored=Stored({PART: whole[:cut]}))
    assert "what would be" in short.refused(overwrite=True)
    flipped = bytearray(whole)
    flipped[4096 : 4096 + 64] = b"\xff" * 64
    assert "what would be" in replace(shop, stored=Stored({PART: bytes(flipped)})).refused(overwrite=True)
    assert shop.path.read_bytes() == before


@dataclass(frozen=True)
class Failing:
    """A part whose second piece cannot be read."""

    whole: bytes

    def names(self) -> Sequence[str]:
        return [PART]

    def size(self, name: str) -> int:
        assert name == PART
        return len(self.whole)

    @contextmanager
    def open(self, name: str) -> Iterator[Iterator[bytes]]:
        assert name == PART

        def pieces() -> Iterator[bytes]:
            yield self.whole[:5000]
            raise IntegrityError("a blob is damaged")

        yield pieces()


def test_a_part_that_cannot_be_read_changes_nothing(shop: Shop) -> None:
    make(shop.path)
    before = shop.path.read_bytes()
    with pytest.raises(IntegrityError):
        shop.database.restore(RestoreWish(overwrite=True), Failing(shop.stored.content[PART]), shop.facts)
    assert shop.path.read_bytes() == before
    assert leftovers(shop.path.parent) == []


def test_a_full_disk_is_foreseen_and_said(shop: Shop, tmp_path: Path) -> None:
    need_root()
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", small], check=False).returncode != 0:
        pytest.skip("needs to mount a tmpfs")
    try:
        assert "is full" in shop.refused(into=small / "shop.db")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", small], check=True)


def test_what_a_killed_restore_left_is_removed(shop: Shop) -> None:
    leftover = shop.path.parent / ".drorch-growing-0123456789abcdef"
    leftover.write_bytes(b"half")
    shop.restore()
    assert not leftover.exists()
