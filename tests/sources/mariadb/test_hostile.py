"""A dump is hostile: what it tells the client to do is not done, and nothing of it is done by a superuser unasked."""

from pathlib import Path

import pytest

from drorch.errors import RestoreError
from drorch.sources.mariadb.settings import part_of
from tests.servers.mariadb import MariaDB
from tests.sources.mariadb.databases import new_name
from tests.sources.mariadb.dumps import Taken, kind_for, restorer, take, wish

COMPLETED = b"\n-- Dump completed\n"


@pytest.mark.parametrize(
    "line",
    [
        "\\! touch {marker}", "system touch {marker}", "SYSTEM touch {marker};", "\\. {script}", "source {script}",
        "tee {marker}", "\\T {marker}", "pager touch {marker}", "\\P touch {marker}", "select 1 \\! touch {marker}",
        "/* \\! touch {marker} */", "select 1; \\! touch {marker}", "delimiter ;;\n\\! touch {marker}\n;;",
        "/*!\\! touch {marker} */;", "edit", "\\e", "select '\n\\! touch {marker}\n';",
        "select 'a' into outfile '{marker}';", "load data local infile '{script}' into table t;",
        "select 1 into dumpfile '{marker}';", "LOCK TABLES `t` WRITE;\n\\! touch {marker}\nUNLOCK TABLES;",
        "-- \\! touch {marker}", "#\n\\! touch {marker}", "\\C utf8\n\\! touch {marker}",
    ],
)  # fmt: skip
def test_the_client_carries_out_nothing_of_its_own(server: MariaDB, tmp_path: Path, line: str) -> None:
    marker, script = tmp_path / "marker", tmp_path / "script.sql"
    script.write_text("CREATE TABLE was_sourced (a INT);\n")
    into = new_name("hostile")
    hostile = line.format(marker=marker, script=script).encode()
    dump = b"CREATE TABLE t (a VARCHAR(200));\n" + hostile + b"\n" + COMPLETED
    taken = Taken({part_of("x"): dump})
    kind = restorer(server, into)
    try:
        loaded = kind.restore(wish(into), taken, None)
    except RestoreError:
        loaded = None
    assert not marker.exists()
    if loaded is not None:
        with server.connected(database=into) as cursor:
            cursor.execute("SHOW TABLES LIKE 'was_sourced'")
            assert cursor.fetchall() == ()
            cursor.execute("SELECT * FROM t")
            assert cursor.fetchall() == ()


def test_a_superuser_s_account_is_not_lent_unasked(server: MariaDB) -> None:
    taken = Taken({part_of("x"): b"CREATE TABLE t (a INT);\n" + COMPLETED})
    into = new_name("lent")
    with pytest.raises(RestoreError, match="ALL PRIVILEGES") as caught:
        kind_for(server).restore(wish(into), taken, None)
    assert "--as-superuser" in str(caught.value.hint)
    loaded = kind_for(server).restore(wish(into, as_superuser=True), taken, None)
    assert not loaded.compared
    assert "nothing is recorded" in " ".join(loaded.notes)


def test_other_databases_are_out_of_reach(server: MariaDB) -> None:
    into, other = new_name("reach"), new_name("victim")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {other}")
        cursor.execute(f"CREATE TABLE {other}.t (a INT)")
        hostile = f"CREATE TABLE t (a INT);\nDROP DATABASE {other};\n".encode()
        with pytest.raises(RestoreError, match="denied"):
            restorer(server, into).restore(wish(into), Taken({part_of("x"): hostile + COMPLETED}), None)
        cursor.execute(f"SHOW TABLES IN {other}")
        assert len(cursor.fetchall()) == 1
        cursor.execute(f"SHOW DATABASES LIKE '{into}'")
        assert cursor.fetchall() == ()


@pytest.mark.parametrize("into", ["mysql", "MySQL", "information_schema", "sys", ""])
def test_the_server_s_own_databases_are_refused(server: MariaDB, into: str) -> None:
    taken = Taken({part_of("x"): b"CREATE TABLE t (a INT);\n" + COMPLETED})
    with pytest.raises(RestoreError, match="is no name for"):
        kind_for(server).restore(wish(into, as_superuser=True, overwrite=True), taken, None)


def test_a_failed_load_shows_no_rows_and_says_what_it_leaves(server: MariaDB) -> None:
    new, there = new_name("new"), new_name("there")
    dump = b"CREATE TABLE t (a INT);\nINSERT INTO nowhere VALUES\n('a secret row');\n" + COMPLETED
    taken = Taken({part_of("x"): dump})
    with pytest.raises(RestoreError, match="removed again") as caught:
        kind_for(server).restore(wish(new, as_superuser=True), taken, None)
    assert "secret row" not in caught.value.message
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {there}")
        with pytest.raises(RestoreError, match="holds a part"):
            kind_for(server).restore(wish(there, as_superuser=True), taken, None)


def test_a_dump_without_its_closing_line_is_no_restore(server: MariaDB) -> None:
    taken = Taken({part_of("x"): b"CREATE TABLE t (a INT);\n"})
    with pytest.raises(RestoreError, match="no closing line"):
        kind_for(server).restore(wish(new_name("short"), as_superuser=True), taken, None)


def test_what_is_there_is_not_overwritten_unasked(server: MariaDB) -> None:
    name, into = new_name("from"), new_name("into")
    with server.connected() as cursor:
        for database, table in ((name, "a"), (into, "b")):
            cursor.execute(f"CREATE DATABASE {database}")
            cursor.execute(f"CREATE TABLE {database}.{table} (x INT)")
        taken = take(kind_for(server, name))
        with pytest.raises(RestoreError, match="is not empty"):
            kind_for(server).restore(wish(into, as_superuser=True), taken, taken.facts)
        loaded = kind_for(server).restore(wish(into, as_superuser=True, overwrite=True), taken, taken.facts)
        assert (loaded.differences, loaded.compared) == ((), True)
        cursor.execute(f"SHOW TABLES IN {into}")
        assert cursor.fetchall() == (("a",),)


def test_chosen_tables_alone(server: MariaDB) -> None:
    name, into = new_name("from"), new_name("some")
    with server.connected() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        cursor.execute(f"USE {name}")
        for table in ("one", "two", "`th``ree`"):
            cursor.execute(f"CREATE TABLE {table} AS SELECT seq FROM seq_1_to_100")  # noqa: S608
        cursor.execute("CREATE VIEW v AS SELECT * FROM one")
        cursor.execute("CREATE PROCEDURE p() SELECT 1")
        cursor.execute("CREATE TRIGGER tr BEFORE INSERT ON one FOR EACH ROW SET @x = 1")
        taken = take(kind_for(server, name))
        loaded = restorer(server, into).restore(wish(into, tables=("one", "th`ree")), taken, taken.facts)
        assert (loaded.differences, loaded.compared) == ((), True)
        cursor.execute(f"SHOW TABLES IN {into}")
        assert cursor.fetchall() == (("one",), ("th`ree",))
        cursor.execute(f"SHOW TRIGGERS IN {into}")
        assert len(cursor.fetchall()) == 1
        with pytest.raises(RestoreError, match="has no table nine"):
            restorer(server, into).restore(wish(into, tables=("nine",), overwrite=True), taken, taken.facts)
