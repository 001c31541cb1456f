"""What was dumped comes back as it was, and nothing else is lost by it."""

import subprocess
from collections.abc import Sequence

import pytest

from drorch.errors import RestoreError
from drorch.sources.databases.contract import Loaded, RestoreWish
from drorch.sources.postgresql.settings import GLOBALS_NAME, PostgresqlSettings, part_of
from tests.servers.postgresql import SUPERUSER, Postgresql, newest_bin_dir
from tests.sources.postgresql.databases import ODD, new_name, rich_database
from tests.sources.postgresql.dumps import Dump, Stored, dumped, kind_of, settings_for


def restored(settings: PostgresqlSettings, dump: Dump, wish: RestoreWish) -> Loaded:
    """What a restore did."""
    return kind_of(settings).restore(wish, dump.stored, dump.facts)


def fatal(settings: PostgresqlSettings, dump: Dump, wish: RestoreWish) -> list[str]:
    """What stands in the way of a restore."""
    found = kind_of(settings).restore_preflight(wish, dump.stored, dump.facts)
    return [objection.message for objection in found if objection.fatal]


def content_of(server: Postgresql, database: str) -> Sequence[object]:
    """What `rich_database` wrote, by other means than a dump."""
    queries = (
        "select * from accounts order by id", "select * from texts order by t", "select * from bytes order by b",
        "select * from parts order by v", "select * from only parent", "select * from child order by a",
        "select * from total", "select last_value, is_called from counter", "select * from scratch",
        "select md5(string_agg(data, null order by pageno)) from pg_largeobject group by loid order by 1",
        "select count(*) from pg_largeobject_metadata",
    )  # fmt: skip
    return [server.sql(database, query) for query in queries]


def test_everything_comes_back_under_another_name(server: Postgresql) -> None:
    name = rich_database(server)
    settings = settings_for(server, name, facts={"sum": "select sum(balance) from accounts"})
    dump = dumped(settings)
    into = new_name("copy")
    assert fatal(settings, dump, RestoreWish(into=into)) == []
    done = restored(settings, dump, RestoreWish(into=into))
    assert (done.databases, done.differences, done.compared) == ((into,), (), True), done.notes
    assert content_of(server, into) == content_of(server, name)
    server.sql(into, "insert into accounts (name, kind) values ('new', 'b')")
    assert server.sql(into, "select max(id), max(twice) from accounts") == [(501, 200)]


def test_jobs_at_once(server: Postgresql) -> None:
    name = rich_database(server)
    settings = settings_for(server, name)
    into = new_name("jobs")
    done = restored(settings, dumped(settings), RestoreWish(into=into, jobs=2))
    assert (done.differences, done.compared) == ((), True)
    assert content_of(server, into) == content_of(server, name)


def test_differences_are_found(server: Postgresql) -> None:
    name = server.create(new_name("differs"))
    server.sql(name, "create table t (a int)", "create table u (a int)", "insert into t values (1)")
    settings = settings_for(server, name, facts={"rows": "select count(*) from t"})
    before = dumped(settings)
    server.sql(name, "insert into t values (2)", "drop table u", "alter table t add column b int")
    after = dumped(settings)
    mixed = Dump(after.parts, before.facts)
    done = restored(settings, mixed, RestoreWish(into=new_name("differs")))
    told = " / ".join(done.differences)
    assert "public.t" in told and "table public.u is missing" in told and "definitions" in told and "fact rows" in told


def test_what_is_not_known_is_not_said_to_agree(server: Postgresql) -> None:
    name = server.create(new_name("unknown"))
    settings = settings_for(server, name)
    dump = dumped(settings)
    done = kind_of(settings).restore(RestoreWish(into=new_name("unknown")), dump.stored, None)
    assert not done.compared and any("no facts" in note for note in done.notes)


def test_a_database_that_is_not_empty_is_replaced_only_when_asked_for(server: Postgresql) -> None:
    name = server.create(new_name("over"))
    with server.connect(name, "backup") as connection:
        connection.execute("create table t (a int)")
        connection.execute("insert into t values (1)")
        dump = dumped(settings_for(server, name))
        connection.execute("insert into t values (2)")
        settings = settings_for(server, name)
        with pytest.raises(RestoreError, match="is not empty"):
            restored(settings, dump, RestoreWish())
        assert fatal(settings, dump, RestoreWish()) == [f"database {name} is not empty"]
    done = restored(settings, dump, RestoreWish(overwrite=True))
    assert done.differences == () and server.sql(name, "select * from t") == [(1,)]


def test_a_dump_that_cannot_be_loaded_replaces_nothing(server: Postgresql) -> None:
    name = server.create(new_name("broken"))
    with server.connect(name, "backup") as connection:
        connection.execute("create table t (a int)")
        connection.execute("insert into t select generate_series(1, 100000)")
    settings = settings_for(server, name)
    dump = dumped(settings)
    before = server.sql("postgres", "select count(*) from pg_database")
    cut = Dump({part_of(name): dump.parts[part_of(name)][:-50_000]}, dump.facts)
    for wish in (RestoreWish(overwrite=True), RestoreWish(into=new_name("cut")), RestoreWish(jobs=2, overwrite=True)):
        with pytest.raises(RestoreError, match="pg_restore exited with status 1"):
            restored(settings, cut, wish)
    assert server.sql(name, "select count(*) from t") == [(100_000,)]
    assert server.sql("postgres", "select count(*) from pg_database") == before
    empty = server.create(new_name("empty"))
    with pytest.raises(RestoreError):
        restored(settings, cut, RestoreWish(into=empty))
    assert server.sql(empty, "select count(*) from pg_class where relname = 't'") == [(0,)]


def test_chosen_tables_come_with_what_they_need(server: Postgresql) -> None:
    name = rich_database(server)
    settings = settings_for(server, name)
    dump = dumped(settings)
    into = new_name("chosen")
    done = restored(settings, dump, RestoreWish(into=into, tables=("accounts", "public.parts")))
    assert (done.differences, done.compared) == ((), True), done.notes
    tables = server.sql(into, "select relname from pg_class where relkind in ('r', 'p') and relnamespace ="
                        " 'public'::regnamespace order by 1")  # fmt: skip
    assert tables == [("accounts",), ("parts",), ("parts_1",), ("parts_2",)]
    server.sql(into, "update accounts set kind = 'b' where id = 1")
    assert server.sql(into, "select name from accounts where id = 1") == [("n1!",)]
    assert server.sql(into, "select count(*) from pg_indexes where tablename = 'accounts'") == [(2,)]
    other = new_name("schema")
    restored(settings, dump, RestoreWish(into=other, schemas=("other",)))
    assert server.sql(other, "select count(*) from other.t") == [(2,)]
    assert (
        fatal(settings, dump, RestoreWish(into=into, tables=("gone",)))[-1] == f"the dump of {name} has no table gone"
    )


def test_no_dump_is_loaded_as_superuser_unasked(server: Postgresql) -> None:
    name = server.create(new_name("super"))
    server.sql(name, "create table t (a int)", f"alter table t owner to {SUPERUSER}", "grant select on t to backup")
    settings = settings_for(server, name, user=SUPERUSER)
    dump = dumped(settings)
    into = new_name("super")
    with pytest.raises(RestoreError, match="is a superuser, and a dump can run commands"):
        restored(settings, dump, RestoreWish(into=into, globals_too=True))
    done = restored(settings, dump, RestoreWish(into=into, as_superuser=True))
    assert done.differences == ()
    acl = server.sql(into, "select relowner::regrole::text, relacl::text like '%backup=r%' from pg_class where"
                     " relname = 't'")  # fmt: skip
    assert acl == [(SUPERUSER, True)]


def test_encodings_and_odd_names(server: Postgresql) -> None:
    name = server.create(new_name("latin"), "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'")
    server.sql(name, 'create table "nä" ("ö" text)', "insert into \"nä\" values ('Ü'), (chr(233))")
    settings = settings_for(server, name)
    dump = dumped(settings)
    facts = dump.facts.databases[name]
    assert (facts.encoding, facts.collation) == ("LATIN1", "C") and facts.tables['public."nä"'].rows == 2
    into = new_name("x") + ODD
    try:
        done = restored(settings, dump, RestoreWish(into=into, tables=('public."nä"',)))
        assert (done.databases, done.differences) == ((into,), ())
        assert server.sql(into, 'select * from "nä" order by 1') == [("Ü",), ("é",)]
        assert server.sql(into, "show server_encoding") == [("LATIN1",)]
    finally:
        server.drop(into)


def test_roles_come_back_without_power(server: Postgresql) -> None:
    role, strong = server.role(new_name("role")), server.role(new_name("strong"), "login superuser")
    maker = server.role(new_name("maker"), "login createdb createrole")
    name = server.create(new_name("roles"))
    dump = dumped(settings_for(server, name, user=SUPERUSER))
    script = dump.parts[GLOBALS_NAME].decode()
    script += (
        f'\nALTER ROLE "{maker}" WITH SUPERUSER;\n\\! touch /tmp/x\nDROP ROLE backup;\nGRANT pg_monitor TO {maker};'
    )
    server.sql("postgres", f"drop role {role}; drop role {strong}")
    hostile = Dump({**dump.parts, GLOBALS_NAME: script.encode()}, dump.facts)
    done = restored(settings_for(server, name, user=maker), hostile, RestoreWish(into=new_name("r"), globals_too=True))
    found = [row for row in server.sql("postgres", "select rolname, rolsuper from pg_roles order by rolname")
             if row[0] in (role, strong, maker, "backup")]  # fmt: skip
    assert found == sorted([(role, False), (strong, False), (maker, False), ("backup", False)])
    assert server.sql("postgres", f"select pg_has_role('{maker}', 'pg_monitor', 'member')") == [(False,)]
    assert any("DROP ROLE backup" in note for note in done.notes)
    with server.connect("postgres", role):
        pass


def test_an_untrusted_extension_and_a_missing_one_stand_in_the_way(server: Postgresql) -> None:
    name = server.create(new_name("ext"))
    server.sql(name, "create extension pageinspect")
    settings = settings_for(server, name)
    found = fatal(settings, dumped(settings), RestoreWish(into=new_name("ext")))
    assert "extension pageinspect can be made by superusers only" in found


def test_postgresqls_own_client_restores_without_drorch(server: Postgresql) -> None:
    name = rich_database(server)
    content = dumped(settings_for(server, name)).parts[part_of(name)]
    into = server.create(new_name("plain"))
    command = [str(newest_bin_dir() / "pg_restore"), "--exit-on-error", "--no-owner", f"--dbname={into}", "-w"]
    command += ["-h", server.host, "-p", str(server.port), "-U", "backup"]
    environment = {"PGPASSWORD": server.passwords["backup"]}
    subprocess.run(command, input=content, check=True, capture_output=True, timeout=120, env=environment)
    assert content_of(server, into) == content_of(server, name)


def test_something_else_than_a_dump_is_refused(server: Postgresql) -> None:
    settings = settings_for(server, "x")
    for parts in ({}, {part_of("x"): b"no dump at all"}, {part_of("x"): b""}, {"postgresql/base.tar": b""}):
        with pytest.raises(RestoreError):
            kind_of(settings).restore(RestoreWish(into=new_name("none")), Stored(parts), None)
