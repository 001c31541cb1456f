"""A dump is whole, of one moment under load, says how many rows it has, and comes back as it was."""

import subprocess
import time
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import DumpFailed, RestoreError
from drorch.sources.databases.facts import RowCount
from drorch.sources.mariadb.kind import Mariadb
from drorch.sources.mariadb.logical import APART
from drorch.sources.mariadb.settings import MariadbSettings, database_of, part_of
from tests.servers.mariadb import MariaDB, program
from tests.sources.mariadb.databases import ODD, contents, new_name, quoted, rich_database
from tests.sources.mariadb.dumps import Taken, kind_for, read_whole, restorer, take, wish
from tests.sources.mariadb.writing import ACCOUNTS, SUM, sum_of, writing


@pytest.fixture(scope="module")
def rich(server: MariaDB) -> str:
    """A database with all kinds of things in it. Nobody changes it."""
    return rich_database(server)


def test_rows_are_counted_as_they_pass(server: MariaDB, rich: str) -> None:
    taken = take(kind_for(server, rich))
    assert taken.facts is not None
    facts = taken.facts.databases[rich]
    assert facts.tables == {
        "accounts": RowCount(500), "bytes": RowCount(2), "child": RowCount(2), "empty": RowCount(0),
        "latin": RowCount(1), "numbers": RowCount(1), "parts": RowCount(100), "texts": RowCount(10),
        "versions": RowCount(2), ODD: RowCount(11),
    }  # fmt: skip
    assert (facts.encoding, facts.collation) == ("utf8mb4", "utf8mb4_unicode_ci")
    assert len(facts.schema_digest) == 64
    assert taken.facts.consistent


def test_everything_comes_back_under_another_name_by_an_account_of_its_own(server: MariaDB, rich: str) -> None:
    kind = kind_for(server, rich, facts={"sum": "SELECT SUM(balance) FROM accounts"})
    taken = take(kind)
    into = new_name("back_%")
    loaded = restorer(server, into, facts={"sum": "SELECT SUM(balance) FROM accounts"}).restore(
        wish(into), taken, taken.facts
    )
    assert (loaded.databases, loaded.differences, loaded.compared) == ((into,), (), True)
    assert contents(server, into) == contents(server, rich)
    with server.connected(database=into) as cursor:
        cursor.execute("SELECT COUNT(*) FROM b_richer")
        assert cursor.fetchall() == ((490,),)
        cursor.execute("SELECT twice(21), NEXTVAL(counter) > 5")
        assert cursor.fetchall() == ((42, 1),)
        cursor.execute("UPDATE accounts SET kind = 'b' WHERE id = 1")
        cursor.execute("SELECT name, twice FROM accounts WHERE id = 1")
        assert cursor.fetchall()[0][0] == "n1!"
        cursor.execute("SHOW EVENTS")
        assert len(cursor.fetchall()) == 1


def test_what_changed_after_the_restore_would_be_seen(server: MariaDB, rich: str) -> None:
    """The comparison is no formality: other facts differ."""
    taken = take(kind_for(server, rich))
    other = take(kind_for(server, _small(server)))
    assert taken.facts is not None
    assert other.facts is not None
    [wrong] = other.facts.databases.values()
    facts = type(taken.facts)("mariadb", "10.11", "", "", {rich: wrong})
    loaded = kind_for(server).restore(wish(new_name("wrong"), as_superuser=True), taken, facts)
    assert loaded.compared
    assert any(line.startswith("the digest of its definitions") for line in loaded.differences)
    assert "table t is missing" in loaded.differences


def _small(server: MariaDB) -> str:
    name = new_name("small")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"CREATE TABLE {name}.t (a INT)")
        cursor.execute(f"INSERT INTO {name}.t VALUES (1), (2), (3)")  # noqa: S608
    return name


def test_the_server_s_own_client_restores_it_without_drorch(server: MariaDB, rich: str, tmp_path: Path) -> None:
    taken = take(kind_for(server, rich))
    into = new_name("plain")
    options = tmp_path / "client.cnf"
    options.write_text(f"[client]\nuser=root\npassword={server.password}\nsocket={server.socket}\n")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {into} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
    client = [program("mariadb"), f"--defaults-file={options}", "--binary-mode", "--comments", into]
    subprocess.run(client, input=taken.parts[part_of(rich)], check=True, capture_output=True, timeout=60)
    assert contents(server, into) == contents(server, rich)


def test_under_load_each_dump_is_of_one_moment(server: MariaDB) -> None:
    name, into = new_name("bank"), new_name("bank_back")
    with writing(server, name) as writer:
        kind = kind_for(server, name, facts={"sum": "SELECT SUM(balance) FROM accounts"})
        taken = take(kind)
        assert writer.committed() > 0
    assert taken.facts is not None
    facts = taken.facts.databases[name]
    assert facts.tables["accounts"] == RowCount(ACCOUNTS)
    assert facts.tables["log"].exact
    assert facts.named == {"sum": str(SUM)}
    loaded = kind_for(server, facts={"sum": "SELECT SUM(balance) FROM accounts"}).restore(
        wish(into, as_superuser=True), taken, taken.facts
    )
    assert loaded.differences == ()
    assert sum_of(server, into) == SUM
    assert loaded.compared == (APART not in facts.notes)
    with server.connected(database=into) as cursor:
        cursor.execute("SELECT COUNT(*) FROM log")
        assert cursor.fetchall() == ((facts.tables["log"].rows,),)


def test_named_facts_at_rest_are_of_the_dump_s_moment(server: MariaDB) -> None:
    name = _small(server)
    taken = take(kind_for(server, name, facts={"rows": "SELECT COUNT(*) FROM t"}))
    assert taken.facts is not None
    facts = taken.facts.databases[name]
    assert facts.named == {"rows": "3"}
    assert APART not in facts.notes


def test_a_question_is_answered_by_one_database_at_least(server: MariaDB) -> None:
    first, second = _small(server), _small(server)
    with server.connected(database=second) as cursor:
        cursor.execute("CREATE TABLE only_here AS SELECT 7 AS a")
    question = {"only": "SELECT a FROM only_here"}
    facts = take(kind_for(server, first, second, facts=question)).facts
    assert facts is not None
    assert facts.databases[second].named == {"only": "7"}
    assert any(note.startswith("fact only has no answer") for note in facts.databases[first].notes)
    with pytest.raises(DumpFailed, match=r"fact only has no answer: .*only_here"):
        take(kind_for(server, first, facts=question))


def test_a_question_changes_nothing(server: MariaDB) -> None:
    name = _small(server)
    with pytest.raises(DumpFailed, match="READ ONLY"):
        take(kind_for(server, name, facts={"bad": "DELETE FROM t"}))


def test_a_dump_again_is_the_same_bytes(server: MariaDB, rich: str) -> None:
    reader = server.create_user("reader", "SELECT, SHOW VIEW, TRIGGER, EVENT ON *.*")
    kind = kind_for(server, rich, user="reader", password=lambda: reader)
    assert take(kind).parts == take(kind).parts


def test_several_databases_are_not_said_to_be_of_one_moment(server: MariaDB) -> None:
    first, second = _small(server), _small(server)
    taken = take(kind_for(server, first, second))
    assert taken.names() == sorted([part_of(first), part_of(second)])
    assert taken.facts is not None
    assert not taken.facts.consistent
    loaded = kind_for(server).restore(wish(new_name("one"), only=first, as_superuser=True), taken, taken.facts)
    assert (loaded.differences, loaded.compared) == ((), True)
    with pytest.raises(RestoreError, match="several"):
        kind_for(server).restore(wish("one", as_superuser=True), taken, taken.facts)


def test_a_database_with_an_unusual_name_and_a_password_with_meaning(server: MariaDB) -> None:
    name = "odd-ä `x` %_" + new_name("y")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {quoted(name)}")
        cursor.execute(f"CREATE TABLE {quoted(name)}.t (a INT)")
        password = "a\"b'c#d\\e\tf;=[g] ä"  # noqa: S105
        cursor.execute("CREATE OR REPLACE USER strange@`%%` IDENTIFIED BY %s", [password])
        cursor.execute("GRANT ALL ON *.* TO strange@`%` WITH GRANT OPTION")
    settings = MariadbSettings((name,), host="127.0.0.1", port=server.port, user="strange", password=lambda: password)
    taken = take(Mariadb(settings, SystemClock()))
    assert database_of(part_of(name)) == name
    loaded = kind_for(server).restore(wish(f"{name}2", as_superuser=True), taken, taken.facts)
    assert (loaded.databases, loaded.differences, loaded.compared) == ((f"{name}2",), (), True)


def test_many_tables(server: MariaDB) -> None:
    name = new_name("many")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"USE {name}")
        for number in range(200):
            cursor.execute(f"CREATE TABLE t{number} (a INT) AS SELECT {number} AS a")
    taken = take(kind_for(server, name))
    assert taken.facts is not None
    assert taken.facts.databases[name].tables == {f"t{number}": RowCount(1) for number in range(200)}
    loaded = kind_for(server).restore(wish(f"{name}_2", as_superuser=True), taken, taken.facts)
    assert (loaded.differences, loaded.compared) == ((), True)


def test_accounts_come_back_and_keep_the_passwords_they_have(server: MariaDB) -> None:
    name = _small(server)
    server.create_user("clerk", f"SELECT ON `{name}`.*")
    with server.connected() as cursor:
        cursor.execute("CREATE OR REPLACE ROLE readers")
        cursor.execute(f"GRANT INSERT ON {name}.* TO readers")
        cursor.execute("GRANT readers TO clerk")
        cursor.execute("SHOW GRANTS FOR clerk")
        before = [row[0].partition(" IDENTIFIED ")[0] for row in cursor.fetchall()]
        taken = take(kind_for(server, name, users=True))
        cursor.execute("DROP USER clerk")
        cursor.execute("DROP ROLE readers")
        with pytest.raises(RestoreError, match="superuser"):
            restorer(server, "x").restore(wish("x", globals_too=True), taken, taken.facts)
        into = new_name("with_accounts")
        kind_for(server).restore(wish(into, as_superuser=True, globals_too=True), taken, taken.facts)
        cursor.execute("SHOW GRANTS FOR clerk")
        assert [row[0].partition(" IDENTIFIED ")[0] for row in cursor.fetchall()] == before
    assert taken.facts is not None
    assert {"clerk@%", "readers", "root@localhost"} <= set(taken.facts.roles)


def test_a_server_with_settings_of_its_own() -> None:
    """Its modes change what SHOW CREATE says and how text is quoted; its patience is shorter than a dump takes."""
    own_ways = ("--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES", "--wait-timeout=1", "--idle-transaction-timeout=1")
    with MariaDB.new(*own_ways) as server:
        name = 'it\'s "own" \\ way'
        with server.connected() as cursor:
            cursor.execute('CREATE DATABASE "it\'s ""own"" \\ way"')
            cursor.execute('CREATE TABLE "it\'s ""own"" \\ way".t AS SELECT \'a\\\' AS a')
        with kind_for(server, name).dump() as session:
            [part] = session.parts()
            stream = part.open()
            time.sleep(2)
            content = read_whole(stream)
            stream.close()
            facts = session.facts()
        assert facts.databases[name].tables == {"t": RowCount(1)}
        loaded = kind_for(server).restore(wish("back", as_superuser=True), Taken({part.name: content}), facts)
        assert (loaded.differences, loaded.compared) == ((), True)
        assert contents(server, "back") == contents(server, name)
