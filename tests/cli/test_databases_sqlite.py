"""A SQLite database as an administrator saves it and puts it back; what differs, is damaged or in the way is said."""

import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from drorch.errors import Outcome
from drorch.ids import SnapshotId
from drorch.repository.node import Node
from drorch.repository.pack import BlobType
from drorch.repository.repository import Repository
from drorch.sources.databases.facts import FACTS_NAME
from drorch.storage.local import LocalTarget
from tests.actions.trees import writing
from tests.cli.commandline import PASSWORD, drorch, drorch_json, fault_line
from tests.cli.homes import install

_ROWS = 300
_QUESTION = "select max(id) from orders"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose job shop saved a database once, with a question of its own."""
    folder = tmp_path_factory.mktemp("shop")
    database = folder / "data" / "shop.db"
    database.parent.mkdir()
    with closing(sqlite3.connect(database)) as shop:
        shop.execute("create table orders (id integer primary key, name text)")
        shop.executemany("insert into orders (name) values (?)", ((f"order {number}",) for number in range(_ROWS)))
        shop.execute("create table empty (id integer primary key)")
        shop.commit()
    file = install(
        folder,
        extra=f"""
        [jobs.shop]
        source = {{ type = "sqlite", path = "{database}" }}
        facts = {{ newest = "{_QUESTION}" }}
        targets = ["one"]
        """,
    )
    drorch("-c", file, "run", "shop")
    return file


@pytest.fixture
def file(saved: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    shutil.copytree(saved.parent, tmp_path, dirs_exist_ok=True)
    copied = tmp_path / "jobs.toml"
    copied.write_text(saved.read_text().replace(str(saved.parent), str(tmp_path)))
    tmp_path.chmod(0o700)
    return copied


def counted(database: Path) -> int:
    with closing(sqlite3.connect(database)) as opened:
        return int(opened.execute("select count(*) from orders").fetchone()[0])


def restore(file: Path, *arguments: str | Path, status: int = 0) -> str:
    """What `drorch restore` prints, whatever it ends with."""
    return drorch("-c", file, "restore", "-t", "one", "latest:shop", *arguments, status=status).stdout.decode()


def refused(file: Path, *arguments: str | Path, status: int = 40) -> str:
    """The one line that says why there is no restore."""
    return fault_line(drorch("-c", file, "restore", "-t", "one", "latest:shop", *arguments, status=status))


def proof(file: Path) -> str:
    [found] = drorch_json("-c", file, "snapshots", "-t", "one", "--tag", "drorch:job=shop")
    return str(found["proof"]["level"])


def test_it_comes_back_beside_the_one_that_is_there_and_agrees(file: Path, tmp_path: Path) -> None:
    said = restore(file, "--into", tmp_path / "copy.db")
    assert counted(tmp_path / "copy.db") == _ROWS
    assert f"restored shop into {tmp_path}/copy.db on this host" in said
    assert "agrees with the facts recorded at backup: 2 tables, 300 rows" in said
    assert proof(file) == "L2"


def test_a_dry_run_shows_what_would_be_and_does_nothing(file: Path, tmp_path: Path) -> None:
    said = restore(file, "--into", tmp_path / "copy.db", "--dry-run")
    assert "  sqlite/shop.sqlite  20.000 KiB\n" in said
    assert "shop: 2 tables, 300 rows" in said
    assert f"into {tmp_path}/copy.db" in said
    assert not (tmp_path / "copy.db").exists()
    told = drorch_json(
        *("-c", file, "restore", "-t", "one", "latest:shop", "--into", tmp_path / "copy.db", "--dry-run", "-q")
    )
    assert told["facts"]["databases"]["shop"] == {"tables": 2, "rows": _ROWS}
    assert told["objections"] == []
    assert proof(file) == "L0"


def test_what_is_there_is_replaced_only_where_that_is_said(file: Path, tmp_path: Path) -> None:
    database = tmp_path / "data" / "shop.db"
    with closing(sqlite3.connect(database)) as shop:
        shop.execute("delete from orders where id > 10")
        shop.commit()
    assert "--overwrite" in refused(file, "--in-place")
    assert counted(database) == 10
    assert "agrees" in restore(file, "--in-place", "--overwrite")
    assert counted(database) == _ROWS


def newest_of(repository: Repository) -> tuple[Node, SnapshotId]:
    """The folder of the database in the newest snapshot, and the snapshot."""
    [newest] = [one for one in repository.list_snapshots().snapshots if "drorch:job=shop" in one.snapshot.tags]
    folder = repository.load_tree(newest.snapshot.tree).find(b"sqlite")
    assert folder is not None
    return folder, newest.id


def forge(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Save a newer snapshot of the job with the same database and other facts."""
    repository = Repository.open(LocalTarget(file.parent / "one"), PASSWORD)
    folder, newest = newest_of(repository)
    facts = json.loads(drorch("-c", file, "dump", "-t", "one", newest.hex(), f"/{FACTS_NAME}").stdout)
    change(facts)
    with writing(repository) as write:
        root = write.nodes(folder, write.file(FACTS_NAME.encode(), json.dumps(facts).encode()))
        write.snapshot(root, second=4_000_000_000, tag="drorch:job=shop")


def test_what_differs_is_an_outcome_of_its_own(file: Path, tmp_path: Path) -> None:
    def more(facts: dict[str, Any]) -> None:
        facts["databases"]["shop"]["tables"]["orders"]["rows"] = _ROWS + 1
        facts["databases"]["shop"]["tables"]["gone"] = {"rows": 7, "exact": True}

    forge(file, more)
    said = restore(file, "--into", tmp_path / "copy.db", status=Outcome.FACTS_DIFFER)
    assert "differs from the facts recorded at backup:\n  " in said
    assert "  table gone is missing\n" in said
    assert "  table orders has 300 rows, had 301\n" in said
    assert "agrees" not in said
    with closing(sqlite3.connect(file.parent / "state" / "catalog.sqlite")) as catalog:
        [(outcome,)] = catalog.execute("select outcome from run where kind = 'restore'").fetchall()
    assert outcome == "incomplete"


def test_without_facts_it_comes_back_and_is_not_said_to_agree(file: Path, tmp_path: Path) -> None:
    forge(file, lambda facts: facts.pop("databases"))
    said = restore(file, "--into", tmp_path / "copy.db")
    assert counted(tmp_path / "copy.db") == _ROWS
    assert "agrees" not in said
    assert (
        "could not be compared with the facts recorded at backup:\n  the facts in this snapshot cannot be read" in said
    )


def packs_of_newest(file: Path) -> set[str]:
    """The ids of the packs that hold the pages of the newest snapshot of the database."""
    repository = Repository.open(LocalTarget(file.parent / "one"), PASSWORD)
    folder = newest_of(repository)[0]
    assert folder.subtree is not None
    [part] = repository.load_tree(folder.subtree)
    found = [repository.index.locations(blob, BlobType.DATA) for blob in part.content or ()]
    return {copy.pack.hex() for copies in found for copy in copies}


def test_a_dump_that_is_not_all_there_is_no_reason_to_lose_what_is(file: Path, tmp_path: Path) -> None:
    for pack in packs_of_newest(file):
        (tmp_path / "one" / "data" / pack[:2] / pack).unlink()
    line = refused(file, "--in-place", "--overwrite")
    assert "missing on the target" in line
    assert "nothing was touched" in line
    assert counted(tmp_path / "data" / "shop.db") == _ROWS


def test_the_part_is_the_database_itself(file: Path, tmp_path: Path) -> None:
    dump = drorch("-r", file.parent / "one", "dump", "latest", "--tag", "drorch:job=shop", "/sqlite/shop.sqlite")
    (tmp_path / "by-hand.db").write_bytes(dump.stdout)
    assert counted(tmp_path / "by-hand.db") == _ROWS
