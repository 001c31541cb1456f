"""The vigil tells once what is missing, remembers it over restarts, and tells once that it is well again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.errors import CatalogError
from drorch.model.event import Event, EventKind
from drorch.model.finding import Comment, FindingKind, FindingState
from drorch.model.standing import Overdue
from drorch.orchestrator.vigil import Vigil
from tests.doubles import FakeClock

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MINUTE = 60.0


@dataclass(frozen=True)
class Thing:
    """Something that is asked for."""

    subject: str
    job: str = ""
    overdue: tuple[Overdue, ...] = ()


def missed(message: str = "it was due 02:30", kind: FindingKind = FindingKind.RUN_MISSED) -> tuple[Overdue, ...]:
    return (Overdue(kind, message, NOON - timedelta(hours=1)),)


HOMES = Thing("homes@onsite", "homes")
LATE_HOMES = Thing("homes@onsite", "homes", missed())


@dataclass
class Watch:
    """A vigil over things that tests make up, its clock and what it told."""

    catalog: Catalog
    clock: FakeClock
    things: list[Thing] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    is_open: bool = True
    fault: CatalogError | None = None

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """As a daemon that was just started."""
        self.vigil = Vigil(lambda: self.catalog if self.is_open else None, self._judge, self, self.clock)

    def _judge(self, catalog: Catalog, now: datetime) -> list[Thing]:
        assert (catalog, now) == (self.catalog, self.clock.now())
        if self.fault is not None:
            raise self.fault
        return self.things

    def observe(self, event: Event) -> None:
        self.events.append(event)

    def look(self, times: int = 1) -> tuple[str, ...]:
        """Look once a minute, and answer what the last look did."""
        for _ in range(times):
            trouble = self.vigil.look()
            self.clock.advance(MINUTE)
        return trouble

    def told(self) -> list[tuple[EventKind, str]]:
        """What was told since this was asked last."""
        told = [(event.kind, event.message) for event in self.events]
        self.events.clear()
        return told


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[Watch]:
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade) as catalog:
        yield Watch(catalog, FakeClock(NOON))


def test_what_is_overdue_is_told_once_with_a_finding_and_once_when_it_is_well(watch: Watch) -> None:
    watch.things = [HOMES]
    assert watch.look(3) == ()
    assert watch.told() == []
    watch.things = [LATE_HOMES]
    assert watch.look() == ()
    assert watch.look(5) == ("homes@onsite: it was due 02:30",)
    (event,) = watch.events
    assert (event.subject, event.detail) == ("homes@onsite", {"finding": "run-missed", "job": "homes"})
    assert watch.told() == [(EventKind.OVERDUE, "homes@onsite: it was due 02:30")]
    (finding,) = watch.catalog.queries.findings()
    assert (finding.kind, finding.subject) == (FindingKind.RUN_MISSED, "homes@onsite")
    watch.things = [HOMES]
    assert watch.look(3) == ()
    assert watch.told() == [(EventKind.WELL_AGAIN, "homes@onsite: it is well again")]
    (finding,) = watch.catalog.queries.findings(only_open=False)
    assert finding.state is FindingState.CLOSED
    assert [(comment.user, comment.text) for comment in finding.comments] == [("drorch", "it is well again")]


def test_what_begins_soon_after_sleep_is_not_told(watch: Watch) -> None:
    watch.things = [LATE_HOMES]
    watch.look()
    watch.things = [HOMES]
    watch.look(2)
    watch.things = [LATE_HOMES]
    watch.look()
    assert watch.told() == []
    assert watch.catalog.queries.findings(only_open=False) == []


def test_a_restart_tells_nothing_again_and_knows_what_is_well_since(watch: Watch) -> None:
    other = Thing("etc@onsite", "etc", missed("no snapshot is known", FindingKind.OBJECTIVE_MISSED))
    watch.things = [LATE_HOMES, other]
    watch.look(2)
    assert len(watch.told()) == 2
    watch.begin()
    assert len(watch.look()) == 2
    assert len(watch.look(2)) == 2
    assert watch.told() == []
    watch.begin()
    watch.things = [HOMES, other]
    watch.look(2)
    assert watch.told() == [(EventKind.WELL_AGAIN, "homes@onsite: it is well again")]


def test_a_job_may_miss_its_run_and_its_objective_and_a_check_be_named_like_a_job(watch: Watch) -> None:
    both = missed("it never ran") + missed("no snapshot is known", FindingKind.OBJECTIVE_MISSED)
    check = Thing("check@onsite", "", missed("it was due 05:00", FindingKind.CHECK_MISSED))
    watch.things = [Thing("check@onsite", "check", both), check]
    watch.look(2)
    assert sorted(message for _, message in watch.told()) == [
        "check@onsite: it never ran",
        "check@onsite: it was due 05:00",
        "check@onsite: no snapshot is known",
    ]
    watch.things = [Thing("check@onsite", "check"), check]
    assert watch.look() == ("check@onsite: it was due 05:00",)
    assert len(watch.told()) == 2
    assert len(watch.catalog.queries.findings()) == 1


def test_what_a_good_run_has_closed_already_is_told_to_be_well(watch: Watch) -> None:
    watch.things = [LATE_HOMES]
    watch.look(2)
    watch.told()
    (finding,) = watch.catalog.queries.findings()
    watch.catalog.ledger.close_finding(finding.id, Comment(watch.clock.now(), "drorch", "it ran well"))
    watch.things = [HOMES]
    watch.look(2)
    assert watch.told() == [(EventKind.WELL_AGAIN, "homes@onsite: it is well again")]


def test_what_a_person_has_closed_is_not_told_again_until_it_was_well(watch: Watch) -> None:
    watch.things = [LATE_HOMES]
    watch.look(2)
    (finding,) = watch.catalog.queries.findings()
    watch.catalog.ledger.close_finding(finding.id, Comment(watch.clock.now(), "joe", "the disk is on its way"))
    watch.told()
    assert watch.look(3) == ()
    watch.begin()
    assert watch.look(3) == ()
    assert watch.told() == []
    assert watch.catalog.queries.findings() == []
    later = watch.clock.now() + timedelta(hours=1)
    watch.things = [Thing("homes@onsite", "homes", (Overdue(FindingKind.RUN_MISSED, "it was due again", later),))]
    watch.clock.advance(2 * 3600)
    watch.look(2)
    assert watch.told() == [(EventKind.OVERDUE, "homes@onsite: it was due again")]


def test_what_is_not_asked_for_any_more_is_closed(watch: Watch) -> None:
    watch.things = [LATE_HOMES]
    watch.look(2)
    watch.told()
    watch.things = []
    watch.look()
    assert watch.told() == [(EventKind.WELL_AGAIN, "homes@onsite: it is not asked for any more")]
    assert watch.catalog.queries.findings() == []


def test_findings_of_others_are_left_alone(watch: Watch) -> None:
    watch.things = [LATE_HOMES]
    watch.look(2)
    (mine,) = watch.catalog.queries.findings()
    for kind in (FindingKind.RUN_FAILED, FindingKind.DAMAGE):
        watch.catalog.ledger.open_finding(type(mine)("12" * 15 + f"{len(kind):02d}", kind, mine.subject, "x", NOON))
    watch.things = [HOMES]
    watch.look()
    assert {one.kind for one in watch.catalog.queries.findings()} == {FindingKind.RUN_FAILED, FindingKind.DAMAGE}


def test_a_catalog_that_cannot_be_read_is_told_once_and_stops_nothing(watch: Watch) -> None:
    watch.things = [LATE_HOMES]
    watch.look(2)
    watch.told()
    watch.fault = CatalogError("catalog.sqlite is locked")
    blind = "what is overdue cannot be told: catalog.sqlite is locked"
    assert watch.look(3) == ("homes@onsite: overdue", blind)
    watch.is_open = False
    assert watch.look() == ("what is overdue cannot be told: the catalog is not open",)
    assert watch.told() == [(EventKind.VIGIL_BLIND, blind)]
    watch.is_open, watch.fault = True, None
    assert watch.look(2) == ("homes@onsite: it was due 02:30",)
    assert watch.told() == [(EventKind.VIGIL_SEES, "what is overdue can be told again")]


def test_what_cannot_be_written_down_is_an_alarm_all_the_same_and_written_later(watch: Watch, tmp_path: Path) -> None:
    watch.things = [LATE_HOMES]
    watch.look()
    with closing(sqlite3.connect(tmp_path / "state" / "catalog.sqlite")) as connection:
        connection.execute("create trigger full before insert on finding begin select raise(abort, 'full'); end")
        trouble = watch.look(2)
        assert trouble[0] == "homes@onsite: overdue"
        assert [kind for kind, _ in watch.told()] == [EventKind.OVERDUE, EventKind.VIGIL_BLIND]
        connection.execute("drop trigger full")
    assert watch.look(2) == ("homes@onsite: it was due 02:30",)
    assert [kind for kind, _ in watch.told()] == [EventKind.VIGIL_SEES]
    assert len(watch.catalog.queries.findings()) == 1
