"""What the restore of a database writes down: what was loaded, what differs, and proof only of what was read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.errors import Problem, RestoreError
from drorch.ids import SnapshotId
from drorch.model.proof import ProofLevel, Scope
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.errand import Errand
from drorch.orchestrator.loading import LoadedFrom, load
from drorch.sources.databases.contract import Loaded
from tests.doubles import FakeClock

ERRAND = Errand(RunKind.RESTORE, "onsite", "here", Doer("me", 1, ""), "abc", {"drorch": "0"})
SNAPSHOT = SnapshotId(bytes(range(32)))
WHOLE = LoadedFrom(Loaded(("orders",), (), (), compared=True), bytes_read=7, read_all=True)


@dataclass
class Desk:
    """A catalog, and books that are kept in it."""

    catalog: Catalog
    books: Books
    clock: FakeClock

    def load(self, done: LoadedFrom, errand: Errand = ERRAND) -> Run:
        """Write down a restore that does this; the run."""
        assert load(self.books, errand, SNAPSHOT, self.clock, lambda: done) == done
        [run] = self.catalog.queries.runs()
        return run

    def proven(self) -> list[tuple[ProofLevel, Scope]]:
        return [(proof.level, proof.scope) for proof in self.catalog.queries.proofs("onsite")]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    clock, place = FakeClock(), CatalogPlace(tmp_path / "state")
    with open_catalog(place, upgrade) as catalog:
        yield Desk(catalog, Books(catalog, place.spool, clock), clock)


def test_what_agrees_is_a_run_that_went_well_and_reading_all_of_it_is_proof(desk: Desk) -> None:
    run = desk.load(WHOLE)
    assert (run.kind, run.outcome, run.target, run.snapshot) == (RunKind.RESTORE, RunOutcome.OK, "onsite", SNAPSHOT)
    assert run.counters["databases_restored"] == run.counters["databases_compared"] == 1
    assert run.problems == ()
    assert desk.proven() == [(ProofLevel.L2, Scope.FULL)]


def test_what_was_read_in_part_proves_nothing(desk: Desk) -> None:
    desk.load(replace(WHOLE, read_all=False))
    assert desk.proven() == []


def test_what_differs_is_no_run_that_went_well(desk: Desk) -> None:
    differing = replace(WHOLE, loaded=replace(WHOLE.loaded, differences=("table a is missing",)))
    run = desk.load(differing)
    assert run.outcome is RunOutcome.INCOMPLETE
    assert run.problems == (Problem("orders", "table a is missing"),)
    assert run.counters["differences"] == 1


def test_what_was_not_compared_is_not_counted_as_compared(desk: Desk) -> None:
    assert desk.load(replace(WHOLE, loaded=replace(WHOLE.loaded, compared=False))).counters["databases_compared"] == 0


def test_without_a_target_of_the_configuration_there_is_a_run_and_no_proof(desk: Desk) -> None:
    assert desk.load(WHOLE, replace(ERRAND, target="")).outcome is RunOutcome.OK
    assert desk.proven() == []


def test_a_failure_is_written_down_and_raised(desk: Desk) -> None:
    def fail() -> LoadedFrom:
        raise RestoreError("the server is on fire")

    with pytest.raises(RestoreError):
        load(desk.books, ERRAND, SNAPSHOT, desk.clock, fail)
    [run] = desk.catalog.queries.runs()
    assert run.outcome is RunOutcome.FAILED
    assert run.problems[0].message == "the server is on fire"
    assert desk.proven() == []
