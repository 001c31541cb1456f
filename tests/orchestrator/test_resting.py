"""Pauses where no daemon is asked: they are in the catalog for the daemon that comes, and in the audit log."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.model.names import job_name
from drorch.orchestrator.control.contract import PauseOrder
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.findings import Hand
from drorch.orchestrator.resting import Rest
from tests.doubles import FakeClock

HOMES, MAIL = job_name("homes"), job_name("mail")


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade) as opened:
        yield opened


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rest(catalog: Catalog, clock: FakeClock) -> Rest:
    return Rest(catalog, Hand(Doer("anna", 1000, "/dev/pts/1"), "digest"), clock)


def resting(catalog: Catalog, clock: FakeClock) -> list[str]:
    return [one.job for one in catalog.launches.pauses(clock.now())]


def test_a_pause_is_there_for_the_daemon_that_comes(rest: Rest, catalog: Catalog, clock: FakeClock) -> None:
    until = clock.now() + timedelta(hours=2)
    (made,) = rest.pause(PauseOrder((HOMES,), until, "the disk is full"))
    assert (made.job, made.by, made.until, made.reason) == ("homes", "anna", until, "the disk is full")
    assert catalog.launches.pauses(clock.now()) == [made]
    clock.advance(7201)
    assert resting(catalog, clock) == []


def test_no_job_means_every_schedule(rest: Rest, catalog: Catalog, clock: FakeClock) -> None:
    rest.pause(PauseOrder((), None, ""))
    assert resting(catalog, clock) == [""]


def test_a_pause_of_one_job_is_ended_alone(rest: Rest, catalog: Catalog, clock: FakeClock) -> None:
    rest.pause(PauseOrder((HOMES, MAIL), None, ""))
    clock.advance(1)
    assert [one.job for one in rest.resume([HOMES])] == ["homes"]
    assert resting(catalog, clock) == ["mail"]
    assert rest.resume([HOMES]) == []


def test_all_pauses_are_ended_together(rest: Rest, catalog: Catalog, clock: FakeClock) -> None:
    rest.pause(PauseOrder((HOMES,), None, ""))
    rest.pause(PauseOrder((), None, ""))
    clock.advance(1)
    assert sorted(one.job for one in rest.resume([])) == ["", "homes"]
    assert resting(catalog, clock) == []


def test_who_did_it_is_in_the_audit_log(rest: Rest, catalog: Catalog) -> None:
    rest.pause(PauseOrder((HOMES,), None, ""))
    rest.pause(PauseOrder((), None, ""))
    rest.resume([])
    entries = list(catalog.audit.entries())
    assert [(one.deed.action, one.deed.detail["job"]) for one in entries] == [
        ("pause", "homes"),
        ("pause", "all"),
        ("resume", "all"),
    ]
    assert {(one.deed.user, one.deed.uid, one.deed.tty) for one in entries} == {("anna", 1000, "/dev/pts/1")}
    assert {one.deed.detail["configuration"] for one in entries} == {"digest"}
