"""The schema, the example and the page on configuration say what the reader does."""

import re
import tomllib
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from drorch.config import reference
from drorch.config.conduct import CheckTable, HookTable, MaintenanceTable
from drorch.config.databases import MariadbTable, PostgresqlTable, RedisTable, SqliteTable
from drorch.config.schema import CommandTable, DaemonTable, GeneralTable, JobTable, RetentionTable, json_schema
from tests.config.configs import SOUND, configuration, faults
from tests.house.project import ROOT

FILES = 'type = "files", paths = ["/home"], exclude_larger_than = "10 MiB"'
UNSOUND = (
    'type = "postgresql"',
    'type = "postgresql", all = false',
    'type = "postgresql", all = true, database = "orders"',
    'type = "postgresql", databases = []',
    'type = "postgresql", database = ""',
    'type = "postgresql", database = "orders", base = true',
    'type = "postgresql", database = "orders", port = 0',
    'type = "postgresql", database = "orders", host = "-h"',
    'type = "postgresql", database = "orders", quiet = "0"',
    'type = "mariadb", all = true, physical = true',
    'type = "mysql", all = true, host = "db1", socket = "/run/x"',
    'type = "sqlite"',
    'type = "sqlite", path = "app.db"',
    'type = "redis", port = 6379, socket = "/run/x"',
    'type = "valkey", password = "hunter2"',
    'type = "command", dump = ["x"], restore = []',
)


def invalid(text: str) -> list[str]:
    """What an independent validator says about a configuration."""
    schema: dict[str, Any] = json_schema()
    Draft202012Validator.check_schema(schema)
    return [error.message for error in Draft202012Validator(schema).iter_errors(tomllib.loads(text))]


@pytest.mark.parametrize("text", ["", SOUND, reference.example()])
def test_sound_configurations_fit_the_schema(text: str) -> None:
    assert invalid(text) == []
    configuration(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("last = 3", 'last = "3"'),
        ("last = 3", "last = 0"),
        ("last = 3", "lost = 3"),
        ('"26h"', '"26 hours"'),
        ('"26h"', "26"),
        ('{ env = "SHELF_PASSWORD" }', '"hunter2"'),
        ('{ env = "SHELF_PASSWORD" }', "{ }"),
        ('{ env = "SHELF_PASSWORD" }', '{ env = "X", file = "/x" }'),
        ('"/srv/backup"', '"backup"'),
        ('type = "local"', 'type = "s4"'),
        ('["/home"]', "[]"),
        ('"10 MiB"', "true"),
        ("[jobs.homes]", '[jobs."Homes 1"]'),
        ("[jobs.homes]", "[jobs.homes]\nenabled = 1"),
        ("[jobs.homes]", "[jobs.homes]\ncompression = 'zip'"),
        ("[jobs.homes]", "[drils.homes]"),
        ("[jobs.homes]", "[jobs.homes]\nafter = 'homes'"),
        ("[jobs.homes]", "[jobs.homes]\nretry_delay = '5m'"),
        ("[jobs.homes]", "[jobs.homes]\nretries = '3'"),
        ("[jobs.homes]", "[jobs.homes]\nnice = -1"),
        ("[jobs.homes]", "[jobs.homes]\ndisk = 'fast'"),
        ("[jobs.homes]", "[jobs.homes]\nallowed = 'sat-sun'"),
        ("[jobs.homes]", "[jobs.homes]\nping = 'hc-ping.com'"),
        ("[jobs.homes]", "[jobs.homes]\nping = { env = 'X', file = '/x' }"),
        ("[jobs.homes]", "[jobs.homes]\nhooks = [{ when = 'after' }]"),
        ("[jobs.homes]", "[jobs.homes]\nhooks = [{ when = 'after', command = [''] }]"),
        ("[jobs.homes]", "[daemon]\nping_every = '5m'\n[jobs.homes]"),
        ("[jobs.homes]", "[drorch]\nmax_parallel_runs = 65\n[jobs.homes]"),
        ("[jobs.homes]", "[maintenance.shelf]\nenabled = true\n[jobs.homes]"),
        ("[jobs.homes]", "[maintenance.shelf]\ncheck = { parts = 3 }\n[jobs.homes]"),
        (FILES, 'type = "command", paths = ["/home"]'),
        (FILES, 'type = "command", dump = []'),
        *((FILES, source) for source in UNSOUND),
        ("[jobs.homes]", "[jobs.homes]\nfacts = { n = 'select 1' }"),
    ],
)
def test_what_the_reader_refuses_does_not_fit_the_schema(old: str, new: str) -> None:
    text = SOUND.replace(old, new)
    assert text != SOUND
    assert invalid(text)
    assert faults(text)


def test_the_example_is_the_projects_own_and_uses_every_key_of_jobs_and_of_the_daemon() -> None:
    assert (ROOT / "jobs.example.toml").read_text("utf-8") == reference.example(), "type: make docs"
    keys = set(re.findall(r"\b([a-z_]+) = |\[jobs\.\w+\.(\w+)", reference.example()))
    used = {one for pair in keys for one in pair if one}
    jobs = (JobTable, HookTable, CommandTable, PostgresqlTable, MariadbTable, SqliteTable, RedisTable)
    for table in (GeneralTable, DaemonTable, *jobs, MaintenanceTable, CheckTable):
        assert set(table.model_fields) - used == set(), table.__name__
    assert set(RetentionTable.model_fields) - used == {"hourly", "within_hourly", "within_weekly", "within_yearly"}


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "CONFIGURATION.md").read_text("utf-8") == reference.page(), "type: make docs"


def test_every_key_is_described() -> None:
    tables = json_schema()["$defs"]
    silent = [
        f"{name}.{key}" for name, table in tables.items() for key, one in table["properties"].items()
        if not one.get("description")
    ]  # fmt: skip
    assert silent == []
