"""What stands in the way is found before a backup or a restore begins, and nothing is said where nothing does."""

from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import SourceUnavailable
from drorch.sources.mariadb.kind import Mariadb
from drorch.sources.mariadb.server import privileges
from drorch.sources.mariadb.settings import MariadbSettings, part_of
from tests.servers.mariadb import MariaDB
from tests.sources.mariadb.databases import new_name
from tests.sources.mariadb.dumps import Taken, folder_of_tools, kind_for, take, wish

READS = "SELECT, SHOW VIEW, TRIGGER, EVENT"


@pytest.fixture(scope="module")
def name(server: MariaDB) -> str:
    """A database with one table."""
    made = new_name("looked_at")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {made}")
        cursor.execute(f"CREATE TABLE {made}.t (a INT)")
    return made


def reader(server: MariaDB, name: str, *grants: str, **given: object) -> Mariadb:
    """A source with an account of these rights."""
    password = server.create_user("looker", *grants)
    return kind_for(server, name, user="looker", password=lambda: password, **given)


def test_nothing_stands_in_the_way_of_an_account_with_the_documented_rights(server: MariaDB, name: str) -> None:
    kind = reader(server, name, f"{READS}, RELOAD, BINLOG MONITOR ON *.*", users=True)
    assert kind.preflight() == []
    facts = take(kind).facts
    assert facts is not None
    assert any(note.startswith("binary log at bin.") for note in facts.databases[name].notes)


def test_the_least_rights_will_do_without_positions(server: MariaDB, name: str) -> None:
    kind = reader(server, name, f"{READS} ON `{name}`.*", "SELECT ON mysql.proc")
    [objection] = kind.preflight()
    assert not objection.fatal
    assert "binary log" in objection.message
    assert take(kind).facts is not None


@pytest.mark.parametrize("lacking", ["SHOW VIEW", "TRIGGER", "EVENT"])
def test_a_right_that_a_dump_would_silently_lack(server: MariaDB, name: str, lacking: str) -> None:
    rights = ", ".join(right for right in READS.split(", ") if right != lacking)
    found = reader(server, name, f"{rights}, RELOAD, BINLOG MONITOR ON *.*").preflight()
    assert [(one.fatal, lacking in one.message) for one in found] == [(True, True)]


@pytest.mark.parametrize(
    ("rights", "fine"),
    [
        (("SELECT ON mysql.proc",), True),
        (("EXECUTE ON `{}`.*",), False),
        (("ALL ON `{}`.*",), False),
        ((), False),
    ],
)
def test_routines_of_others_that_a_dump_would_silently_lack(
    server: MariaDB, rights: tuple[str, ...], fine: bool
) -> None:
    name = new_name("routines")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE PROCEDURE {name}.of_others() SELECT 1")
    kind = reader(server, name, f"{READS} ON `{name}`.*", *(right.format(name) for right in rights))
    found = [one.message for one in kind.preflight() if one.fatal]
    if fine:
        assert found == []
        assert b"of_others" in take(kind).parts[part_of(name)]
    else:
        [message] = found
        assert f"procedures and functions in database {name}" in message


def test_an_account_that_sees_its_own_routines_alone_needs_no_more(server: MariaDB, name: str) -> None:
    found = reader(server, name, f"ALL ON `{name}`.*").preflight()
    assert [one for one in found if one.fatal] == []


def test_accounts_that_may_not_be_read(server: MariaDB, name: str) -> None:
    found = reader(server, name, f"{READS} ON `{name}`.*", users=True).preflight()
    assert any(one.fatal and "accounts" in one.message for one in found)


def test_tables_without_transactions_are_told_and_noted(server: MariaDB, name: str) -> None:
    loose = new_name("loose")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {loose}")
        cursor.execute(f"CREATE TABLE {loose}.old (a INT) ENGINE=MyISAM")
        cursor.execute(f"CREATE TABLE {loose}.aria (a INT) ENGINE=Aria")
        cursor.execute(f"CREATE TABLE {loose}.fine (a INT) ENGINE=InnoDB")
    [objection] = kind_for(server, loose).preflight()
    assert (objection.fatal, objection.message.endswith("aria, old")) == (False, True)
    facts = take(kind_for(server, loose)).facts
    assert facts is not None
    assert any(note.endswith("aria, old") for note in facts.databases[loose].notes)
    assert kind_for(server, name).preflight() == []


def test_no_tool_an_old_tool_and_another_maker_s(server: MariaDB, name: str, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    [objection] = kind_for(server, name, bin_dir=tmp_path / "none").preflight()
    assert objection.fatal
    assert "mariadb-dump" in objection.message
    old = folder_of_tools(tmp_path / "old", mariadb_dump="echo mysqldump Ver 10.16 Distrib 10.1.44-MariaDB")
    [objection] = kind_for(server, name, bin_dir=old).preflight()
    assert (objection.fatal, "older than the server" in objection.message) == (False, True)
    mysql = folder_of_tools(tmp_path / "mysql", mysqldump="echo mysqldump  Ver 8.0.36 for Linux on x86_64")
    [objection] = kind_for(server, name, bin_dir=mysql).preflight()
    assert (objection.fatal, "own make" in objection.message) == (False, True)


def test_who_refuses_and_who_does_not_answer(server: MariaDB, name: str) -> None:
    [objection] = kind_for(server, name, password=lambda: "wrong").preflight()
    assert objection.fatal
    assert "refuses the account" in objection.message
    [objection] = kind_for(server, "nowhere").preflight()
    assert (objection.fatal, "no database nowhere" in objection.message) == (True, True)
    with pytest.raises(SourceUnavailable):
        Mariadb(MariadbSettings((name,), host="127.0.0.1", port=1, user="root"), SystemClock()).preflight()


def test_a_copy_needs_rights_and_the_files(server: MariaDB, name: str) -> None:
    found = reader(server, name, f"{READS} ON `{name}`.*", physical=True).preflight()
    assert [one.fatal for one in found][:1] == [True]
    assert "RELOAD, PROCESS, LOCK TABLES, BINLOG MONITOR" in found[0].message


def test_a_restore_that_would_fail(server: MariaDB, name: str) -> None:
    taken = Taken({part_of(name): b""})
    found = kind_for(server).restore_preflight(wish(name), taken, None)
    assert [one.fatal for one in found] == [True, True]
    assert ["may do more" in found[0].message, "is not empty" in found[1].message] == [True, True]
    assert kind_for(server).restore_preflight(wish(new_name("free"), as_superuser=True), taken, None) == []
    for bad in (wish("x", schemas=("s",)), wish("x", only="y"), wish("mysql")):
        [objection] = kind_for(server).restore_preflight(bad, taken, None)
        assert objection.fatal


def test_rights_are_read_as_the_server_means_them() -> None:
    grants = (
        "GRANT SELECT, SHOW VIEW ON *.* TO `a`@`%` IDENTIFIED BY PASSWORD '*X'",
        "GRANT ALL PRIVILEGES ON `shop\\_1`.* TO `a`@`%` WITH GRANT OPTION",
        "GRANT EVENT ON `web%`.* TO `a`@`%`",
        "GRANT INSERT (a, b) ON `mysql`.`user` TO `a`@`%`",
        "GRANT `role` TO `a`@`%`",
    )
    assert privileges(grants, None) == {"SELECT", "SHOW VIEW"}
    assert privileges(grants, "shop_1") == {"SELECT", "SHOW VIEW", "ALL PRIVILEGES", "GRANT OPTION"}
    assert privileges(grants, "shopx1") == {"SELECT", "SHOW VIEW"}
    assert privileges(grants, "web7") == {"SELECT", "SHOW VIEW", "EVENT"}
    assert privileges(grants, "mysql") == {"SELECT", "SHOW VIEW"}
