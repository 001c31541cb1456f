"""A dump is whole, counted as it passes, and its facts are of its own snapshot."""

import hashlib
import secrets
import subprocess

import pytest
from psycopg import sql

from drorch.errors import DumpFailed, SourceUnavailable
from drorch.sources.databases.facts import RowCount
from drorch.sources.postgresql.settings import GLOBALS_NAME, database_of, part_of, shown_name
from tests.servers.postgresql import SUPERUSER, Postgresql, newest_bin_dir
from tests.sources.postgresql.databases import ODD, new_name, rich_database
from tests.sources.postgresql.dumps import dumped, kind_of, read_whole, settings_for


@pytest.mark.parametrize("name", ["orders", "globals", "..", "a/b", ODD, "%2F", "-x", " "])
def test_the_name_of_a_part_is_a_name_of_a_file_and_comes_back(name: str) -> None:
    part = part_of(name)
    assert part.count("/") == 1 and part.isprintable() and database_of(part) == name


def test_rows_are_counted_from_the_stream(server: Postgresql) -> None:
    name = rich_database(server)
    dump = dumped(settings_for(server, name))
    with server.connect(name) as connection:
        tables = connection.execute(
            "select n.nspname, relname from pg_class c join pg_namespace n on n.oid = relnamespace where relkind = 'r'"
            " and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
        ).fetchall()
        expected = {}
        for table in tables:
            query = sql.SQL("select count(*) from only {}").format(sql.Identifier(*table))
            (row,) = connection.execute(query).fetchall()
            expected[shown_name(*table)] = RowCount(row[0])
    facts = dump.facts.databases[name]
    assert facts.tables == expected
    assert facts.tables["public.texts"] == RowCount(7) and facts.tables["public.nothing"] == RowCount(7)
    assert facts.extensions.keys() == {"hstore", "pgcrypto", "plpgsql"}
    assert facts.encoding == "UTF8" and facts.collation == "C.UTF-8"
    assert len(facts.schema_digest) == hashlib.sha256().digest_size * 2
    assert facts.notes == ()
    assert dump.facts.consistent


def test_named_facts_are_of_the_dumps_own_snapshot(server: Postgresql) -> None:
    name = server.create(new_name("named"))
    server.sql(name, "create table t (a int)", "insert into t values (1)")
    settings = settings_for(server, name, facts={"rows": "select count(*), 'x' from t", "none": "select 1 where false"})
    with kind_of(settings).dump() as session:
        for part in session.parts():
            stream = part.open()
            server.sql(name, "insert into t values (2)")
            read_whole(stream)
        facts = session.facts().databases[name]
    assert facts.named == {"rows": "2\tx", "none": ""}
    assert facts.tables == {"public.t": RowCount(2)}


def test_a_question_that_nothing_answers_fails_the_dump(server: Postgresql) -> None:
    name = server.create(new_name("unanswered"))
    with pytest.raises(DumpFailed, match="fact gone: no database"):
        dumped(settings_for(server, name, facts={"gone": "select count(*) from gone"}))
    with pytest.raises(DumpFailed, match="division by zero"):
        dumped(settings_for(server, name, facts={"wrong": "select 1/0"}))


def test_several_databases_are_each_of_a_moment_of_their_own(server: Postgresql) -> None:
    first, second = server.create(new_name("one")), server.create(ODD)
    server.sql(second, "create table only_here (a int)")
    try:
        dump = dumped(settings_for(server, first, second, facts={"here": "select count(*) from only_here"}))
    finally:
        server.drop(second)
    assert list(dump.parts) == [GLOBALS_NAME, part_of(first), part_of(second)]
    assert not dump.facts.consistent
    assert dump.facts.databases[second].named == {"here": "0"} and dump.facts.databases[first].named == {}


def test_all_databases_are_those_that_take_connections(server: Postgresql) -> None:
    name = server.create(new_name("all"))
    shut = server.create(new_name("shut"), "allow_connections false")
    with kind_of(settings_for(server)).dump() as session:
        names = {database_of(part.name) for part in session.parts()}
    assert {name, "postgres"} <= names and not {shut, "template0", "template1"} & names


def test_globals_hold_passwords_for_superusers_only(server: Postgresql) -> None:
    role = server.role(new_name("role"))
    name = server.create(new_name("globals"))
    plain, full = dumped(settings_for(server, name)), dumped(settings_for(server, name, user=SUPERUSER))
    assert f"CREATE ROLE {role}".encode() in plain.parts[GLOBALS_NAME]
    assert b"SCRAM-SHA-256" not in plain.parts[GLOBALS_NAME] and b"SCRAM-SHA-256" in full.parts[GLOBALS_NAME]
    assert any("passwords of roles" in note for note in plain.facts.notes) and full.facts.notes == ()
    assert {role, "backup", SUPERUSER} <= set(plain.facts.roles)


def test_a_thousand_tables(server: Postgresql) -> None:
    name = server.create(new_name("many"))
    one = "create table t%1$s as select i, i as j from generate_series(1, %2$s) i"
    for low in range(0, 1000, 250):
        loop = f"for i in {low}..{low + 249} loop execute format('{one}', i, i % 5); end loop"
        server.sql(name, f"do $$ begin {loop}; end $$")
    facts = dumped(settings_for(server, name)).facts.databases[name]
    assert {table: count.rows for table, count in facts.tables.items()} == {f"public.t{i}": i % 5 for i in range(1000)}


def test_the_dump_is_what_pg_restore_reads(server: Postgresql) -> None:
    name = server.create(new_name("plain"))
    server.sql(name, "create table t (a int)", "insert into t select generate_series(1, 1000)")
    content = dumped(settings_for(server, name)).parts[part_of(name)]
    command = [str(newest_bin_dir() / "pg_restore"), "--file=-", "--table=t"]
    script = subprocess.run(command, input=content, check=True, capture_output=True, timeout=60).stdout
    assert script.count(b"\n500\n") == 1


def test_a_server_that_does_not_answer_is_unavailable(server: Postgresql) -> None:
    with pytest.raises(SourceUnavailable, match="port 1"), kind_of(settings_for(server, "x", port=1)).dump():
        pass
    with pytest.raises(SourceUnavailable, match="no database nowhere"), kind_of(settings_for(server, "nowhere")).dump():
        pass


def test_the_password_is_in_no_message_and_no_argument(server: Postgresql) -> None:
    secret = secrets.token_hex(8)
    settings = settings_for(server, "postgres", password=lambda: secret)
    with pytest.raises(SourceUnavailable, match="authentication failed") as caught, kind_of(settings).dump():
        pass
    assert secret not in str(caught.value) and secret not in repr(settings)
