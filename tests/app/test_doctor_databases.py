"""The doctor looks at databases: what their own preflight says is told, and so is a server that says nothing."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.app.doctor.databases import database_symptoms
from drorch.app.doctor.sources import job_symptoms
from drorch.app.doctor.symptom import Severity, Symptom
from drorch.errors import SourceUnavailable
from drorch.model.job import CommandSpec, Destination, Job, PostgresqlSpec, RedisSpec, SourceSpec
from drorch.model.names import JobName, TargetName
from drorch.secrets import EnvSecret, FileSecret
from drorch.sources.databases.contract import Objection


@dataclass
class Asked:
    """A kind of database at the edge: what its server would say is planted, and it counts how often it is asked."""

    answer: Callable[[], Sequence[Objection]]
    times: int = 0

    def preflight(self) -> Sequence[Objection]:
        self.times += 1
        return self.answer()


def job(source: SourceSpec) -> Job:
    return Job(JobName("orders"), source, (Destination(TargetName("one")),))


def told(asked: Asked, source: SourceSpec, longest: float = 30.0) -> list[Symptom]:
    return list(database_symptoms(job(source), lambda: asked, longest))


def test_what_the_preflight_objects_to_is_told_with_its_mend() -> None:
    found = [
        Objection("pg_dump 13 is older than the server, 15", "install postgresql-client-15.", fatal=True),
        Objection("table log is of engine MyISAM", "Alter it.", fatal=False),
    ]
    asked = Asked(lambda: found)
    assert told(asked, PostgresqlSpec()) == [
        Symptom(
            Severity.ERROR,
            "job orders",
            "pg_dump 13 is older than the server, 15",
            "Install postgresql-client-15.",
        ),
        Symptom(Severity.WARNING, "job orders", "table log is of engine MyISAM", "Alter it."),
    ]
    assert asked.times == 1
    assert told(Asked(list), PostgresqlSpec()) == []


@pytest.mark.parametrize("hint", [None, "start it."])
def test_a_server_that_cannot_be_reached_is_told(hint: str | None) -> None:
    def refuse() -> Sequence[Objection]:
        raise SourceUnavailable("db1: connection refused", hint=hint)

    [found] = told(Asked(refuse), PostgresqlSpec())
    mend = "Start it." if hint else "See that its server runs, and that it can be reached from here."
    assert found == Symptom(Severity.ERROR, "job orders", "db1: connection refused", mend)


def test_a_server_that_says_nothing_keeps_nobody() -> None:
    over = threading.Event()

    def wait() -> Sequence[Objection]:
        over.wait(60)
        return []

    try:
        [found] = told(Asked(wait), PostgresqlSpec(), longest=0.2)
    finally:
        over.set()
    assert (found.severity, found.subject) == (Severity.ERROR, "job orders")
    assert "has not answered" in found.message


def test_what_is_drorchs_own_fault_is_none_of_the_servers() -> None:
    def stumble() -> Sequence[Objection]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        told(Asked(stumble), PostgresqlSpec())


@pytest.mark.parametrize("password", [EnvSecret("NO_SUCH_VARIABLE_HERE"), FileSecret(Path("/no/such/file"))])
def test_without_its_password_no_server_is_asked(password: EnvSecret | FileSecret) -> None:
    asked = Asked(list)
    for source in (PostgresqlSpec(password=password), RedisSpec(password=password)):
        [found] = told(asked, source)
        assert (found.severity, found.subject) == (Severity.ERROR, "job orders")
    assert asked.times == 0


def test_a_password_is_in_nothing_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_PASSWORD", "canary-41d0")
    asked = Asked(lambda: [Objection("user backup may not read orders", "Grant it.", fatal=True)])
    found = told(asked, PostgresqlSpec(password=EnvSecret("ORDERS_PASSWORD")))
    assert asked.times == 1
    assert "canary" not in repr(found)


def test_a_command_that_could_not_take_back_what_was_saved_is_told_and_fails_no_backup() -> None:
    [found] = job_symptoms(job(CommandSpec(("sh",), "x", restore=("no-such-program",))), "web1")
    assert (found.severity, found.message) == (Severity.WARNING, "there is no program no-such-program to restore with")
    assert list(job_symptoms(job(CommandSpec(("sh",), "x", restore=("sh",))), "web1")) == []
