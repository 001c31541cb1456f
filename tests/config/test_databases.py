"""Databases as sources: what is said becomes values, however it is written, and no secret is among them."""

from datetime import timedelta
from pathlib import Path

import pytest

from drorch.config import settled
from drorch.model.job import CommandSpec, MariadbSpec, PostgresqlSpec, RedisSpec, SourceSpec, SqliteSpec, paths_of
from drorch.secrets import EnvSecret, FileSecret
from drorch.units import MIB
from tests.config.configs import SOUND, configuration, faults

FACTS = 'orders = "select count(*) from orders", newest = "select max(placed) from orders"'
ASKED = {"orders": "select count(*) from orders", "newest": "select max(placed) from orders"}
WIDE = 'type = "postgresql", databases = ["Bestellung 2026", "shop; drop", "ä\\"\'$x", "-h"], host = "/run/pg"'


def job_with(source: str, more: str = "") -> str:
    return f'{SOUND}[jobs.data]\nsource = {{ {source} }}\ntargets = ["onsite"]\n{more}\n'


def source_of(source: str, more: str = "") -> SourceSpec:
    return configuration(job_with(source, more)).job("data").source


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ('type = "postgresql", database = "orders"', PostgresqlSpec(databases=("orders",))),
        ('type = "postgresql", all = true', PostgresqlSpec(databases=())),
        ('type = "postgresql", database = "orders", all = false', PostgresqlSpec(databases=("orders",))),
        ('type = "postgresql", base = true', PostgresqlSpec(base=True)),
        (
            WIDE,
            PostgresqlSpec(databases=("Bestellung 2026", "shop; drop", "ä\"'$x", "-h"), host="/run/pg"),
        ),
        (
            'type = "postgresql", all = true, host = "db1", port = 5433, user = "backup", password = { env = "PGPW" }, '
            'globals = false, quiet = "90s", min_bytes = "1 MiB", bin_dir = "/opt/pg/bin"',
            PostgresqlSpec(
                host="db1",
                port=5433,
                user="backup",
                password=EnvSecret("PGPW"),
                globals=False,
                quiet=timedelta(seconds=90),
                min_bytes=MIB,
                bin_dir="/opt/pg/bin",
            ),
        ),
        ('type = "mysql", database = "shop"', MariadbSpec(databases=("shop",))),
        ('type = "mariadb", physical = true', MariadbSpec(physical=True)),
        (
            'type = "mariadb", databases = ["a", "b"], socket = "/run/x", user = "backup", users = false, '
            'bin_dir = "/opt", quiet = "1m", password = { file = "/etc/drorch/shop" }, min_bytes = 1',
            MariadbSpec(
                databases=("a", "b"),
                socket="/run/x",
                user="backup",
                users=False,
                bin_dir="/opt",
                quiet=timedelta(minutes=1),
                password=FileSecret(Path("/etc/drorch/shop")),
                min_bytes=1,
            ),
        ),
        ('type = "sqlite", path = "/srv/app.db", min_bytes = 1', SqliteSpec(path="/srv/app.db", min_bytes=1)),
        ('type = "redis"', RedisSpec()),
        (
            'type = "valkey", host = "::1", port = 6380, user = "b", password = { env = "R" }, bin_dir = "/opt"',
            RedisSpec(host="::1", port=6380, user="b", password=EnvSecret("R"), bin_dir="/opt"),
        ),
        (
            'type = "command", dump = ["a"], restore = ["b", "c"]',
            CommandSpec(("a",), "data", 0, restore=("b", "c")),
        ),
    ],
)
def test_a_source_is_what_is_said_and_is_shown_so_that_it_reads_back_the_same(said: str, meant: SourceSpec) -> None:
    found = configuration(job_with(said))
    assert found.job("data").source == meant
    again = configuration(settled.as_toml(found))
    assert again.jobs == found.jobs
    assert settled.as_toml(again) == settled.as_toml(found)
    hash(found.job("data"))


@pytest.mark.parametrize(
    "source", ['type = "postgresql", all = true', 'type = "mysql", all = true', 'type = "sqlite", path = "/a"']
)
def test_facts_are_asked_of_what_answers_queries(source: str) -> None:
    found = configuration(job_with(source, f"facts = {{ {FACTS} }}"))
    spec = found.job("data").source
    assert isinstance(spec, PostgresqlSpec | MariadbSpec | SqliteSpec)
    assert spec.facts == ASKED
    table = configuration(job_with(source, "[jobs.data.facts]\n" + FACTS.replace(", newest", "\nnewest")))
    assert table.digest == found.digest
    assert configuration(settled.as_toml(found)).jobs == found.jobs
    assert found.digest != configuration(job_with(source)).digest


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ("select 1;", "select 1"),
        (" SELECT ';' ; ", "SELECT ';'"),
        ("select ';', \";\" from t", "select ';', \";\" from t"),
        ("with x as (select 1) select * from x", "with x as (select 1) select * from x"),
        ("(select 1) union (select 2)", "(select 1) union (select 2)"),
        ("pragma user_version", "pragma user_version"),
        ("select $$a;b$$", "select $$a;b$$"),
        ("select '''' || ';'", "select '''' || ';'"),
    ],
)
def test_a_fact_is_one_query(written: str, query: str) -> None:
    spec = source_of(
        'type = "postgresql", all = true',
        f"[jobs.data.facts]\nn = '''{written} '''" if "'''" not in written else f'[jobs.data.facts]\nn = "{written}"',
    )
    assert isinstance(spec, PostgresqlSpec)
    assert spec.facts == {"n": query}


@pytest.mark.parametrize(
    "written",
    ["", ";", "select 1; drop table orders", "select 1;;", "selected", "delete from orders", "vacuum", "\\\\! id"],
)
def test_what_is_not_one_query_is_no_fact(written: str) -> None:
    [fault] = faults(job_with('type = "postgresql", all = true', f'facts = {{ n = "{written}" }}'))
    assert "a fact is one statement" in fault or "this asks nothing" in fault


def test_what_snapshots_of_a_source_name_is_told_by_its_kind() -> None:
    named = {
        'type = "files", paths = ["/etc", "/srv"]': ("/etc", "/srv"),
        'type = "command", dump = ["x"], filename = "all.sql"': ("/all.sql",),
        'type = "postgresql", all = true': ("/postgresql",),
        'type = "mysql", all = true': ("/mariadb",),
        'type = "sqlite", path = "/srv/app.db"': ("/sqlite",),
        'type = "valkey"': ("/redis",),
    }
    assert {source: paths_of(source_of(source)) for source in named} == named


def test_the_secrets_of_a_job_are_those_of_its_source() -> None:
    said = 'password = { env = "PGPW" }'
    for source in ('type = "postgresql", all = true', 'type = "mysql", all = true', 'type = "redis"'):
        assert configuration(job_with(f"{source}, {said}")).job("data").secrets == {"password": EnvSecret("PGPW")}
        assert configuration(job_with(source)).job("data").secrets == {}
    for source in ('type = "sqlite", path = "/a"', 'type = "command", dump = ["x"]', 'type = "files", paths = ["/a"]'):
        assert configuration(job_with(source)).job("data").secrets == {}


def test_only_where_a_password_is_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPW", "canary-99b1")
    found = configuration(job_with('type = "postgresql", all = true, password = { env = "PGPW" }'))
    assert found.job("data").secrets["password"].read() == "canary-99b1"
    shown = [repr(found), settled.as_toml(found), repr(settled.shown(found)), repr(found.jobs)]
    assert "canary" not in "".join(shown)
    assert 'password = { env = "PGPW" }' in shown[1]


@pytest.mark.parametrize(
    "written",
    [
        'password = "canary-1"',
        'passwort = "canary-1"',
        'password = { value = "canary-1" }',
        'host = "backup:canary-1@db1"',
        'host = "host=db1,password=canary-1"',
        'user = "backup\\tcanary-1"',
        'url = "postgresql://backup:canary-1@db1/orders"',
    ],
)
def test_no_fault_of_a_database_quotes_a_secret(written: str) -> None:
    for kind in ("postgresql", "mariadb"):
        [fault] = faults(job_with(f'type = "{kind}", all = true, {written}'))
        assert "canary" not in fault


def test_a_password_file_that_everyone_can_read_is_a_fault(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("x")
    secret.chmod(0o644)
    for kind in ('type = "mysql", all = true', 'type = "valkey"'):
        [fault] = faults(job_with(f'{kind}, password = {{ file = "{secret}" }}'))
        assert fault.endswith(f"the secret in {secret} can be read by everyone; type: chmod 600 {secret}")
