"""A job on three targets: what each run of it leaves on them and in the books, whatever fails on the way."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from drorch.actions.backup import BackupResult
from drorch.actions.copy import original_of
from drorch.actions.progress import NoProgress
from drorch.app.backup import BackupSpec, back_up_into, inspected
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.catalog.queries import RunQuery
from drorch.errors import JobBusy, SourceSuspicious, TargetUnavailable
from drorch.ids import SnapshotId
from drorch.model.finding import FindingKind
from drorch.model.names import job_name, target_name
from drorch.model.proof import ProofLevel
from drorch.model.retention import Retention
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.copying import Post, Round, Rounds
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.joblock import only_run_of
from drorch.orchestrator.runner import Assignment, Runner, RunReport
from drorch.repository.keys import ScryptCost
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import BlobType
from drorch.repository.repository import NO_WAIT, Repository, initialize
from drorch.repository.snapshot import Snapshot
from drorch.repository.writer import Writer
from drorch.sources.files.selection import Selection
from drorch.storage.memory import MemoryTarget
from tests.doubles import Effect, FakeClock, Fault, FaultyTarget, flip_bit

JOB = job_name("homes")
NAMES = ("one", "two", "three")
DOWN = Fault("load", times=1_000)
"""What makes a target fail whatever is asked of it."""


@dataclass
class Stage:
    """A source, three targets in memory and a catalog; `faults` says what goes wrong on a target."""

    source: Path
    state: Path
    catalog: Catalog
    clock: FakeClock
    targets: dict[str, MemoryTarget]
    faults: dict[str, Sequence[Fault]] = field(default_factory=dict)
    retentions: dict[str, Retention] = field(default_factory=dict)
    backups: int = 0

    def repository(self, name: str) -> Repository:
        return Repository.open(FaultyTarget(self.targets[name], self.faults.get(name, ())), "x", self.clock)

    def post(self, name: str) -> Post:
        @contextmanager
        def door() -> Iterator[Repository]:
            repository = self.repository(name)
            with repository.shared_lock():
                yield repository

        return Post(target_name(name), door, self.retentions.get(name))

    def work(self, repository: Repository) -> BackupResult:
        self.backups += 1
        spec = BackupSpec(Selection((bytes(self.source),)), tags=("drorch:job=homes",), hostname="here", workers=0)
        return back_up_into(repository, spec, inspected(spec), NO_WAIT, NoProgress()).result

    def run(self, *names: str) -> list[RunReport]:
        """Change the source, and run the job on these targets, or on all."""
        self.clock.advance(3600)
        (self.source / "file").write_text(f"content {self.clock.monotonic()}")
        return list(self.rounds(*names))

    def rounds(self, *names: str) -> Iterator[RunReport]:
        books = Books(self.catalog, CatalogPlace(self.state).spool, self.clock)
        to_do = Round(
            Assignment(JOB, "", "here", Doer("me", 1, ""), "abc", {"drorch": "0"}),
            tuple(self.post(name) for name in names or NAMES),
            ZoneInfo("UTC"),
            lambda _target: nullcontext(NoProgress()),
        )
        return Rounds(Runner(books, self.state, self.clock), self.clock).run(to_do, self.work)

    def originals(self, name: str) -> list[SnapshotId]:
        """The job's snapshots on a target, oldest first, by the name that copies know each other by."""
        listing = Repository.open(self.targets[name], "x", self.clock).list_snapshots()
        assert listing.faults == ()
        return [original_of(named) for named in listing.snapshots]

    def runs(self) -> list[Run]:
        """All runs in the catalog, oldest first."""
        return self.catalog.queries.runs(RunQuery())[::-1]

    def findings(self) -> list[tuple[FindingKind, str]]:
        return [(one.kind, one.subject) for one in self.catalog.queries.findings()]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    source = tmp_path / "source"
    source.mkdir()
    clock = FakeClock()
    targets = {name: MemoryTarget() for name in NAMES}
    for target in targets.values():
        initialize(target, "x", cost=ScryptCost(2, 1, 1), clock=clock)
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade) as catalog:
        yield Stage(source, tmp_path / "state", catalog, clock, targets)


def codes(reports: Sequence[RunReport]) -> list[int]:
    return [report.exit_code for report in reports]


def outcomes(reports: Sequence[RunReport]) -> list[tuple[str, RunKind, RunOutcome]]:
    return [(report.run.target, report.run.kind, report.run.outcome) for report in reports]


def test_the_source_is_read_once_and_each_copy_is_a_run_with_proof_that_starts_at_l0(stage: Stage) -> None:
    reports = stage.run()
    assert stage.backups == 1
    assert outcomes(reports) == [
        ("one", RunKind.BACKUP, RunOutcome.OK),
        ("two", RunKind.COPY, RunOutcome.OK),
        ("three", RunKind.COPY, RunOutcome.OK),
    ]
    assert codes(reports) == [0, 0, 0]
    assert sorted(stage.runs(), key=lambda run: run.id) == sorted(
        (report.run for report in reports), key=lambda run: run.id
    )
    for report in reports[1:]:
        target, snapshot = report.run.target, report.run.snapshot
        [known] = stage.catalog.queries.known(target)
        assert (known.id, known.original) == (snapshot, reports[0].run.snapshot)
        [proof] = stage.catalog.queries.proofs(target)
        assert (proof.snapshot, proof.level) == (snapshot, ProofLevel.L0)
        assert report.run.counters["snapshots_copied"] == 1
        assert report.run.counters["data_added"] > 0


def test_what_is_known_to_be_there_is_no_alarm_the_next_time(stage: Stage) -> None:
    stage.run()
    reports = stage.run()
    assert [report.alarms for report in reports] == [(), (), ()]
    assert [report.run.counters["snapshots_copied"] for report in reports[1:]] == [1, 1]
    assert stage.findings() == []


def test_a_target_that_is_down_is_a_finding_until_it_has_its_copies(stage: Stage) -> None:
    stage.run()
    stage.faults["two"] = [DOWN]
    reports = stage.run()
    assert {report.run.target: report.exit_code for report in reports} == {"one": 0, "two": 24, "three": 0}
    assert stage.findings() == [(FindingKind.RUN_FAILED, "homes@two")]
    failed = next(report for report in reports if report.run.target == "two")
    assert (failed.run.kind, failed.run.outcome) == (RunKind.COPY, RunOutcome.FAILED)
    assert isinstance(failed.fault, TargetUnavailable)
    stage.faults.clear()
    reports = stage.run()
    assert codes(reports) == [0, 0, 0]
    assert [report.run.counters["snapshots_copied"] for report in reports[1:]] == [2, 1]
    assert stage.findings() == []
    assert stage.originals("one") == stage.originals("two") == stage.originals("three")


def test_a_target_that_dies_in_the_middle_keeps_no_other_from_its_copy(stage: Stage) -> None:
    stage.faults["two"] = [Fault("save", effect=Effect.DIE, prefix="index")]
    reports = stage.run()
    assert [(report.run.target, report.exit_code) for report in reports] == [("one", 0), ("two", 24), ("three", 0)]
    assert stage.originals("two") == []
    assert stage.originals("three") == stage.originals("one")
    stage.faults.clear()
    for lock in list(stage.targets["two"].list("locks")):
        stage.targets["two"].remove(lock.key)
    assert codes(stage.run()) == [0, 0, 0]
    assert stage.originals("two") == stage.originals("one")


def test_a_first_target_that_dies_in_the_middle_is_taken_over_and_caught_up(stage: Stage) -> None:
    stage.run()
    stage.faults["one"] = [Fault("save", effect=Effect.DIE, prefix="data")]
    reports = stage.run()
    assert outcomes(reports) == [
        ("one", RunKind.BACKUP, RunOutcome.FAILED),
        ("two", RunKind.BACKUP, RunOutcome.OK),
        ("three", RunKind.COPY, RunOutcome.OK),
    ]
    assert codes(reports) == [24, 0, 0]
    stage.faults.clear()
    for lock in list(stage.targets["one"].list("locks")):
        stage.targets["one"].remove(lock.key)
    reports = stage.run()
    assert outcomes(reports)[-1] == ("one", RunKind.COPY, RunOutcome.OK)
    assert stage.originals("one") == stage.originals("two") == stage.originals("three")
    assert len(stage.originals("one")) == 3
    assert stage.findings() == []


def test_no_target_at_all_is_the_fault_of_the_first(stage: Stage) -> None:
    stage.faults = {"one": [DOWN], "two": [DOWN], "three": [DOWN]}
    reports = stage.run()
    assert codes(reports) == [20, 20, 20]
    assert stage.backups == 0
    assert {subject for _, subject in stage.findings()} == {"homes@one", "homes@two", "homes@three"}


def test_a_source_that_fails_is_not_read_again_for_another_target(stage: Stage) -> None:
    stage.source.rename(stage.source.with_name("away"))
    [report] = list(stage.rounds())
    assert isinstance(report.fault, SourceSuspicious)
    assert (report.exit_code, stage.backups) == (32, 1)


def test_what_only_another_copy_has_comes_from_there(stage: Stage) -> None:
    stage.run("three")
    stage.run("two", "one")
    reports = stage.run()
    assert codes(reports) == [0, 0, 0, 0]
    assert len(set(stage.originals("one"))) == 3
    assert stage.originals("one") == stage.originals("two") == stage.originals("three")


def test_only_what_a_retention_would_keep_is_caught_up(stage: Stage) -> None:
    stage.retentions["two"] = Retention(last=2)
    stage.faults["two"] = [DOWN]
    for _ in range(4):
        stage.run()
    stage.faults.clear()
    stage.run()
    assert stage.originals("two") == stage.originals("one")[-2:]
    assert len(stage.originals("three")) == 5


def test_a_copy_that_vanished_is_an_alarm_and_is_brought_back(stage: Stage) -> None:
    first = stage.run()
    gone = first[1].run.snapshot
    assert gone is not None
    stage.targets["two"].remove(key_of(FileKind.SNAPSHOT, gone))
    reports = stage.run()
    [alarm] = reports[1].alarms
    assert alarm.discrepancy.known.id == gone
    assert [kind for kind, _ in stage.findings()] == [FindingKind.SNAPSHOT_VANISHED]
    assert len(stage.catalog.queries.holds()) == 1
    assert stage.originals("two") == stage.originals("one")
    assert [report.alarms for report in stage.run()] == [(), (), ()]


def test_a_snapshot_that_cannot_be_read_makes_the_copies_incomplete_and_hides_no_other(stage: Stage) -> None:
    stage.run("one")
    one = stage.repository("one")
    [named] = one.list_snapshots().snapshots
    [location] = one.index.locations(named.snapshot.tree, BlobType.TREE)
    key = key_of(FileKind.PACK, location.pack)
    content, blob = one.target.load(key), location.blob
    end = blob.offset + blob.length
    stage.targets["one"].save(key, content[: blob.offset] + flip_bit(content[blob.offset : end]) + content[end:])
    reports = stage.run()
    assert codes(reports)[1:] == [24, 24]
    for report in reports[1:]:
        assert (report.run.outcome, report.fault) == (RunOutcome.INCOMPLETE, None)
        [problem] = report.run.problems
        assert problem.subject == f"snapshot {named.id.hex()[:8]}"
        assert report.run.counters["snapshots_copied"] == 1
    assert stage.originals("two") == stage.originals("one")[1:]


def test_snapshots_of_other_jobs_and_hosts_stay_where_they_are(stage: Stage) -> None:
    stage.run("one")
    one = stage.repository("one")
    [named] = one.list_snapshots().snapshots
    tree = named.snapshot.tree
    for number, (host, tag) in enumerate((("here", "drorch:job=other"), ("there", "drorch:job=homes"), ("here", "x"))):
        with Writer(one) as writer:
            writer.save_snapshot(Snapshot(number, tree, ("/p",), hostname=host, tags=(tag,)))
    stage.run()
    assert len(stage.originals("one")) == 5
    assert len(stage.originals("two")) == 2


def test_an_interrupted_copy_is_written_down_as_failed_and_goes_on_up(stage: Stage) -> None:
    @contextmanager
    def interrupted(_target: str) -> Iterator[NoProgress]:
        raise KeyboardInterrupt
        yield NoProgress()

    books = Books(stage.catalog, CatalogPlace(stage.state).spool, stage.clock)
    (stage.source / "file").write_text("content")
    to_do = Round(
        Assignment(JOB, "", "here", Doer("me", 1, ""), "abc", {}),
        (stage.post("one"), stage.post("two")),
        ZoneInfo("UTC"),
        interrupted,
    )
    reports = Rounds(Runner(books, stage.state, stage.clock), stage.clock).run(to_do, stage.work)
    assert next(reports).run.outcome is RunOutcome.OK
    with pytest.raises(KeyboardInterrupt):
        next(reports)
    assert {(run.target, run.outcome) for run in stage.runs()} == {("one", RunOutcome.OK), ("two", RunOutcome.FAILED)}
    assert list(stage.targets["two"].list("locks")) == []


def test_a_job_that_runs_already_is_skipped_once(stage: Stage) -> None:
    with only_run_of(JOB, stage.state):
        [report] = stage.run()
    assert isinstance(report.fault, JobBusy)
    assert report.run.outcome is RunOutcome.SKIPPED
    assert stage.backups == 0
