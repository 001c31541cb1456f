"""What would fail a dump is said before it begins."""

import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from drorch.errors import DumpFailed
from drorch.sources.postgresql.server import ToolMissing, tools_for
from drorch.sources.postgresql.settings import BASE_NAME
from tests.servers.postgresql import SUPERUSER, Postgresql
from tests.sources.postgresql.databases import new_name
from tests.sources.postgresql.dumps import dumped, kind_of, settings_for


def script(folder: Path, version: str) -> Path:
    """A folder with a pg_dump that tells a version."""
    tool = folder / "pg_dump"
    tool.write_text(f"#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n")
    tool.chmod(0o755)
    return folder


def test_nothing_stands_in_the_way_of_who_may_read_all(server: Postgresql) -> None:
    name = server.create(new_name("fine"))
    server.sql(name, "create table t (a serial)")
    assert list(kind_of(settings_for(server, name, globals=False)).preflight()) == []
    (objection,) = kind_of(settings_for(server, name)).preflight()
    assert not objection.fatal and "passwords of roles" in objection.message
    assert list(kind_of(settings_for(server, name, user=SUPERUSER)).preflight()) == []


def test_what_cannot_be_read_is_named_and_would_fail(server: Postgresql) -> None:
    name = server.create(new_name("rights"))
    poor = server.role(new_name("poor"))
    server.sql(name, 'create table "T 1" (a int)', "create sequence s", "create schema x", "create table x.t (a int)",
               "grant select on all tables in schema x to public", "select lo_create(0)")  # fmt: skip
    settings = settings_for(server, name, user=poor, globals=False)
    tables, objects = kind_of(settings).preflight()
    assert tables.fatal and tables.message.endswith('may not read public."T 1", public.s, x.t')
    assert objects.fatal and objects.message.endswith("may not read 1 large objects")
    with pytest.raises(DumpFailed, match="permission denied"):
        dumped(settings)


def test_hidden_rows_are_no_backup(server: Postgresql) -> None:
    name = server.create(new_name("rls"))
    server.sql(name, "create table t (a int)", "alter table t enable row level security")
    settings = settings_for(server, name, globals=False)
    (objection,) = kind_of(settings).preflight()
    assert objection.fatal and "row security hides rows of public.t" in objection.message
    with pytest.raises(DumpFailed, match="row-level security"):
        dumped(settings)


def test_tools_that_are_missing_or_too_old(server: Postgresql, tmp_path: Path) -> None:
    for folder, told in ((tmp_path / "none", "pg_dump is not in"), (script(tmp_path, "9.6.1"), "pg_dump is 9.6.1")):
        settings = settings_for(server, "postgres", bin_dir=folder)
        (objection,) = kind_of(settings).preflight()
        assert objection.fatal and told in objection.message and "postgresql-client-" in objection.hint
        with pytest.raises(DumpFailed, match=told), kind_of(settings).dump():
            pass


def test_tools_newer_than_the_server_will_do(tmp_path: Path) -> None:
    assert tools_for(script(tmp_path, "99.1 (Debian 99.1-1)"), 15).version == "99.1"
    with pytest.raises(ToolMissing):
        tools_for(tmp_path, 100)


def test_the_files_of_a_server(server: Postgresql) -> None:
    settings = settings_for(server, user=SUPERUSER, base=True)
    kind = kind_of(settings)
    assert [objection.fatal for objection in kind.preflight()] == [False]
    assert (
        kind_of(settings_for(server, base=True)).preflight()[0].message == "role backup may not copy the server's files"
    )
    dump = dumped(settings)
    with tarfile.open(fileobj=BytesIO(dump.parts[BASE_NAME])) as tar:
        names = tar.getnames()
    assert {"PG_VERSION", "backup_label", "backup_manifest", "global/pg_control"} <= set(names)
    assert "do not stand alone" in dump.facts.notes[0]
