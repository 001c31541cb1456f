"""What a run leaves behind, however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.actions.backup import BackupResult
from drorch.actions.progress import NoProgress
from drorch.app.backup import BackupSpec, back_up_into, inspected
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.queries import RunQuery
from drorch.errors import JobBusy, SourceSuspicious
from drorch.model.finding import FindingKind
from drorch.model.names import job_name
from drorch.model.proof import ProofLevel
from drorch.model.run import RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.joblock import only_run_of
from drorch.orchestrator.runner import Assignment, Runner, RunReport
from drorch.repository.keys import ScryptCost
from drorch.repository.layout import FileKind, key_of
from drorch.repository.repository import NO_WAIT, Repository, initialize
from drorch.sources.files.selection import Selection
from drorch.storage.memory import MemoryTarget
from tests.doubles import FakeClock

JOB = job_name("homes")


@dataclass
class Stage:
    """A source, a target in memory and a catalog, and what is needed to run a job between them."""

    source: Path
    state: Path
    target: MemoryTarget
    catalog: Catalog
    clock: FakeClock

    @contextmanager
    def door(self) -> Iterator[Repository]:
        yield Repository.open(self.target, "x", self.clock)

    def work(self, repository: Repository) -> BackupResult:
        spec = BackupSpec(Selection((bytes(self.source),)), tags=("drorch:job=homes",), hostname="here", workers=0)
        return back_up_into(repository, spec, inspected(spec), NO_WAIT, NoProgress()).result

    def run(self, books: Books | None = None) -> RunReport:
        self.clock.advance(60)
        books = books or Books(self.catalog, CatalogPlace(self.state).spool, self.clock)
        assignment = Assignment(JOB, "onsite", "here", Doer("me", 1, ""), "abc", {"drorch": "0"})
        return Runner(books, self.state, self.clock).back_up(assignment, self.door, self.work)

    def outcomes(self) -> list[RunOutcome]:
        return [run.outcome for run in self.catalog.queries.runs(RunQuery())]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content")
    target, clock = MemoryTarget(), FakeClock()
    initialize(target, "x", cost=ScryptCost(2, 1, 1), clock=clock)
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade) as catalog:
        yield Stage(source, tmp_path / "state", target, catalog, clock)


def test_a_good_run_is_written_down_with_snapshot_proof_and_paths(stage: Stage) -> None:
    report = stage.run()
    assert report.fault is None
    [run] = stage.catalog.queries.runs()
    assert run == report.run
    assert run.snapshot is not None
    assert run.counters["files_new"] == 1
    assert [known.id for known in stage.catalog.queries.known("onsite")] == [run.snapshot]
    assert [proof.level for proof in stage.catalog.queries.proofs("onsite")] == [ProofLevel.L0]
    [history] = stage.catalog.search.history(bytes(stage.source / "file"))
    assert len(history.versions) == 1


def test_history_follows_changes_and_removals(stage: Stage) -> None:
    stage.run()
    (stage.source / "file").write_text("other content")
    stage.run()
    (stage.source / "file").unlink()
    (stage.source / "new").write_text("new")
    stage.run()
    [history] = stage.catalog.search.history(bytes(stage.source / "file"))
    assert [version.state.size for version in history.versions] == [len("content"), len("other content")]
    [later] = stage.catalog.search.history(bytes(stage.source / "new"))
    assert len(later.versions) == 1


def test_a_failed_run_opens_a_finding_and_the_next_good_one_closes_it(stage: Stage) -> None:
    (stage.source / "file").unlink()
    assert isinstance(stage.run().fault, SourceSuspicious)
    [finding] = stage.catalog.queries.findings()
    assert (finding.kind, finding.subject) == (FindingKind.RUN_FAILED, "homes@onsite")
    stage.run()
    assert len(stage.catalog.queries.findings()) == 1
    (stage.source / "file").write_text("back")
    stage.run()
    assert stage.catalog.queries.findings() == []
    assert stage.outcomes() == [RunOutcome.OK, RunOutcome.FAILED, RunOutcome.FAILED]


def test_a_job_that_runs_already_is_skipped_and_says_so(stage: Stage) -> None:
    with only_run_of(JOB, stage.state):
        report = stage.run()
    assert isinstance(report.fault, JobBusy)
    assert stage.outcomes() == [RunOutcome.SKIPPED]
    assert stage.catalog.queries.findings() == []


def test_a_snapshot_that_vanished_is_an_alarm_a_finding_and_a_hold(stage: Stage) -> None:
    first = stage.run().run.snapshot
    assert first is not None
    stage.target.remove(key_of(FileKind.SNAPSHOT, first))
    report = stage.run()
    assert [alarm.discrepancy.known.id for alarm in report.alarms] == [first]
    assert [finding.kind for finding in stage.catalog.queries.findings()] == [FindingKind.SNAPSHOT_VANISHED]
    [hold] = stage.catalog.queries.holds()
    assert hold.subject == report.alarms[0].discrepancy.known.lineage
    assert stage.run().alarms == ()


def test_a_catalog_that_cannot_be_opened_fails_no_run_and_gets_its_record_later(stage: Stage) -> None:
    place = CatalogPlace(stage.state)
    books = Books(None, place.spool, stage.clock)
    report = stage.run(books)
    assert report.run.outcome is RunOutcome.OK
    assert books.complaints
    assert stage.outcomes() == []
    with open_catalog(place, upgrade) as catalog:
        assert [run.id for run in catalog.queries.runs()] == [report.run.id]
    assert place.spool.waiting() == []


def test_an_interruption_is_written_down_as_a_failure_and_goes_on(stage: Stage) -> None:
    def interrupt(_: Repository) -> BackupResult:
        raise KeyboardInterrupt

    books = Books(stage.catalog, CatalogPlace(stage.state).spool, stage.clock)
    assignment = Assignment(JOB, "onsite", "here", Doer("me", 1, ""), "abc", {})
    with pytest.raises(KeyboardInterrupt):
        Runner(books, stage.state, stage.clock).back_up(assignment, stage.door, interrupt)
    assert stage.outcomes() == [RunOutcome.FAILED]


def test_source_faults_make_a_run_incomplete(stage: Stage) -> None:
    gone = bytes(stage.source / "gone")

    def work(repository: Repository) -> BackupResult:
        spec = BackupSpec(Selection((bytes(stage.source), gone)), hostname="here", workers=0)
        return back_up_into(repository, spec, inspected(spec), NO_WAIT, NoProgress()).result

    books = Books(stage.catalog, CatalogPlace(stage.state).spool, stage.clock)
    assignment = Assignment(JOB, "onsite", "here", Doer("me", 1, ""), "abc", {})
    report = Runner(books, stage.state, stage.clock).back_up(assignment, stage.door, work)
    assert report.run.outcome is RunOutcome.INCOMPLETE
    assert [problem.subject for problem in stage.catalog.queries.runs()[0].problems] == [os.fsdecode(gone)]
