"""A launch is given the variables of the environment that its own secrets are in, and those of no other."""

import pytest

from drorch.app.roster import variables_for
from drorch.model.launch import Work, WorkKind
from drorch.model.names import TargetName
from tests.config.configs import configuration

TARGET = '[targets.{name}]\ntype = "local"\npath = "/srv/{name}"\npassword = {{ env = "{name}_PASSWORD" }}\n'
JOB = '[jobs.{name}]\nsource = {{ {source} }}\ntargets = ["one"]\n'
SOURCES = {
    "orders": 'type = "postgresql", all = true, password = { env = "PGPW" }',
    "shop": 'type = "mysql", all = true, password = { env = "SHOP_PW" }',
    "cache": 'type = "redis", password = { env = "REDIS_PW" }',
    "filed": 'type = "redis", password = { file = "/etc/drorch/redis" }',
    "app": 'type = "sqlite", path = "/srv/app.db"',
    "one": 'type = "files", paths = ["/etc"]',
}
FOUND = configuration(
    "".join(TARGET.format(name=name) for name in ("one", "two"))
    + "".join(JOB.format(name=name, source=source) for name, source in SOURCES.items())
)
OWN = {"PGPW", "SHOP_PW", "REDIS_PW", "one_PASSWORD", "two_PASSWORD"}


def given(kind: WorkKind, name: str, *targets: str) -> set[str]:
    return set(variables_for(FOUND, Work(kind, name, name, tuple(map(TargetName, targets))))) & OWN


@pytest.mark.parametrize(
    ("job", "own"),
    [
        ("orders", {"PGPW"}),
        ("shop", {"SHOP_PW"}),
        ("cache", {"REDIS_PW"}),
        ("filed", set[str]()),
        ("app", set[str]()),
        ("one", set[str]()),
    ],
)
def test_a_run_is_given_those_of_its_source_and_of_its_targets(job: str, own: set[str]) -> None:
    assert given(WorkKind.JOB, job, "one") == {*own, "one_PASSWORD"}
    assert given(WorkKind.JOB, job, "one", "two") == {*own, "one_PASSWORD", "two_PASSWORD"}


def test_a_check_is_given_those_of_its_target_whatever_jobs_are_called() -> None:
    named = configuration(TARGET.format(name="one") + JOB.format(name="one", source=SOURCES["orders"]))
    work = Work(WorkKind.CHECK, "one", "one", (TargetName("one"),))
    assert variables_for(named, work) & OWN == {"one_PASSWORD"}


def test_what_drorch_runs_itself_has_no_source() -> None:
    assert given(WorkKind.JOB, "@state", "two") == {"two_PASSWORD"}
