"""Migrations: from nothing, from an older revision with a copy kept, never from a newer one, whole or not at all."""

import shutil
import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, MetaData, insert

from drorch.catalog import tables
from drorch.catalog.engine import reading, server_engine, sqlite_engine, writing
from drorch.catalog.migrate import scripts_folder, upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.catalog.paths import tables as path_tables
from drorch.catalog.rows import of_run
from drorch.catalog.schema import CATALOG, PATHS, Schema, Standing, bring_up_to_date, revision_of, standing
from drorch.errors import CatalogError
from tests.catalog.making import hours, launch, record, run, snapshot_id

_FOLLOWING = '''"""A next revision."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("run", sa.Column("note", sa.Text, nullable=False, server_default="none"))
    {more}
'''
_NEXT = Schema("catalog", "0004")


def _scripts_with_one_more(tmp_path: Path, more: str = "pass") -> Path:
    scripts = tmp_path / "100 % more" / "migrations"
    shutil.copytree(scripts_folder(), scripts, ignore=shutil.ignore_patterns("__pycache__"))
    (scripts / "catalog" / "catalog_0004.py").write_text(_FOLLOWING.format(more=more))
    return scripts


def _columns(engine: Engine) -> list[str]:
    with reading(engine) as connection:
        return [row[1] for row in connection.exec_driver_sql("PRAGMA table_info(run)")]


@pytest.fixture
def filled(place: CatalogPlace) -> CatalogPlace:
    with open_catalog(place, upgrade) as catalog:
        catalog.ledger.record(record(1))
    return place


@pytest.mark.parametrize("schema", [CATALOG, PATHS])
def test_the_revision_drorch_knows_is_the_last_migration(schema: Schema) -> None:
    config = Config()
    config.set_main_option("script_location", str(scripts_folder()))
    config.set_main_option("version_locations", str(scripts_folder() / schema.name))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_heads() == [schema.revision]


@pytest.mark.parametrize(("schema", "metadata"), [(CATALOG, tables.METADATA), (PATHS, path_tables.METADATA)])
def test_migrations_make_the_tables_that_are_used(tmp_path: Path, schema: Schema, metadata: MetaData) -> None:
    engine = sqlite_engine(tmp_path / "fresh.sqlite")
    upgrade(engine, schema)
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_migrations_make_the_same_tables_in_postgresql(database: str) -> None:
    engine = server_engine(database)
    assert standing(engine, CATALOG) is Standing.EMPTY
    upgrade(engine, CATALOG)
    assert standing(engine, CATALOG) is Standing.CURRENT
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.METADATA) == []
    engine.dispose()


def test_an_upgrade_keeps_everything_and_a_copy(filled: CatalogPlace, tmp_path: Path) -> None:
    engine = sqlite_engine(filled.catalog_file)
    assert standing(engine, _NEXT) is Standing.BEHIND
    bring_up_to_date(engine, _NEXT, partial(upgrade, scripts=_scripts_with_one_more(tmp_path)))
    assert standing(engine, _NEXT) is Standing.CURRENT
    assert "note" in _columns(engine)
    with reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT id, note FROM run").all() == [(record(1).run.id, "none")]
    engine.dispose()
    copy = sqlite_engine(filled.catalog_file.with_name("catalog.sqlite.0003.copy"))
    assert revision_of(copy) == "0003"
    assert "note" not in _columns(copy)
    with reading(copy) as connection:
        assert connection.exec_driver_sql("SELECT id FROM run").all() == [(record(1).run.id,)]
    copy.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_catalog_from_before_there_were_launches_is_taken_along(
    kind: str, place: CatalogPlace, request: pytest.FixtureRequest
) -> None:
    place = replace(place, url=request.getfixturevalue("database") if kind == "postgresql" else None)
    place.state_dir.mkdir()
    engine = sqlite_engine(place.catalog_file) if place.url is None else server_engine(place.url)
    upgrade(engine, Schema("catalog", "0001"))
    row = {name: value for name, value in of_run(run(1)).items() if name != "launch"}
    with writing(engine) as connection:
        connection.execute(insert(tables.RUN), [row])
    engine.dispose()
    with open_catalog(place, upgrade) as catalog:
        assert catalog.queries.runs() == [run(1)]
        assert catalog.queries.runs()[0].launch == ""
        assert catalog.launches.recent() == []
        assert catalog.launches.claim(launch(1, due=1))
        assert catalog.launches.pauses(hours(1)) == []
        assert catalog.queries.facts_of(snapshot_id(1)) is None
    copies = {path.name: path for path in place.state_dir.glob("*.copy")}
    if kind == "postgresql":
        assert copies == {}
        return
    assert set(copies) == {"catalog.sqlite.0001.copy"}
    kept = sqlite_engine(copies["catalog.sqlite.0001.copy"])
    assert revision_of(kept) == "0001"
    assert "launch" not in _columns(kept)
    with reading(kept) as connection:
        assert connection.exec_driver_sql("SELECT id FROM run").all() == [(run(1).id,)]
    kept.dispose()


def test_a_failing_upgrade_changes_nothing(filled: CatalogPlace, tmp_path: Path) -> None:
    scripts = _scripts_with_one_more(tmp_path, 'op.execute("SELECT 1 FROM nowhere")')
    engine = sqlite_engine(filled.catalog_file)
    with pytest.raises(CatalogError, match="no such table: nowhere"):
        upgrade(engine, _NEXT, scripts)
    assert revision_of(engine) == "0003"
    assert "note" not in _columns(engine)
    engine.dispose()


def test_a_newer_schema_is_refused(filled: CatalogPlace) -> None:
    with sqlite3.connect(filled.catalog_file) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '0007'")
    raw.close()
    with pytest.raises(CatalogError, match=r"written by a newer drorch \(schema 0007, known: 0003\)") as refused:
        open_catalog(filled, upgrade)
    assert refused.value.exit_code == 60
    assert refused.value.hint == "Run the newer drorch."


def test_an_upgrade_killed_in_the_middle_is_done_by_the_next(filled: CatalogPlace, tmp_path: Path) -> None:
    die = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    deadly = _scripts_with_one_more(tmp_path / "deadly", die)
    code = (
        "import sys; from pathlib import Path; from drorch.catalog.engine import sqlite_engine;"
        "from drorch.catalog.migrate import upgrade; from drorch.catalog.schema import Schema;"
        "upgrade(sqlite_engine(Path(sys.argv[1])), Schema('catalog', '0004'), Path(sys.argv[2]))"
    )
    killed = subprocess.run([sys.executable, "-c", code, filled.catalog_file, deadly], check=False)
    assert killed.returncode == -9
    with open_catalog(filled, upgrade) as catalog:
        assert catalog.queries.runs() == [record(1).run]
    engine = sqlite_engine(filled.catalog_file)
    assert "note" not in _columns(engine)
    upgrade(engine, _NEXT, _scripts_with_one_more(tmp_path))
    assert "note" in _columns(engine)
    engine.dispose()


def test_alembic_is_loaded_only_where_there_is_work_for_it(filled: CatalogPlace) -> None:
    code = (
        "import sys; from pathlib import Path; from drorch.catalog.open import CatalogPlace, open_catalog\n"
        "def refuse(engine, schema): raise AssertionError(schema)\n"
        "open_catalog(CatalogPlace(Path(sys.argv[1])), refuse).close(); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, filled.state_dir], check=True)


def test_the_migrations_are_in_the_wheel() -> None:
    assert (scripts_folder() / "env.py").is_file()
