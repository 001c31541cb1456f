"""What a check writes down: proof, findings, alarms; and what it never claims."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drorch.actions import check as checking
from drorch.actions.check import CheckReport, CheckRequest, ReadAll, ReadBucket, ReadData, ReadNothing
from drorch.actions.progress import NoProgress
from drorch.app.backup import BackupSpec, back_up_into, inspected
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.errors import ObjectFrozen, TargetUnavailable, WrongPassword
from drorch.model.finding import FindingKind
from drorch.model.hold import Lineage
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.run import RunKind, RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.checking import Checked, Checker
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.errand import Errand
from drorch.repository.keys import ScryptCost
from drorch.repository.repository import NO_WAIT, Repository, initialize
from drorch.sources.files.selection import Selection
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import StoredObject, Target
from tests.doubles import CountingTarget, FakeClock, Fault, FaultyTarget, flip_bit

ERRAND = Errand(RunKind.CHECK, "onsite", "here", Doer("me", 1, ""), "abc", {"drorch": "0"})


@dataclass
class Stage:
    """A repository in memory with a snapshot of job homes, and a catalog."""

    source: Path
    state: Path
    target: MemoryTarget
    catalog: Catalog
    clock: FakeClock

    @property
    def books(self) -> Books:
        return Books(self.catalog, CatalogPlace(self.state).spool, self.clock)

    @contextmanager
    def door(self) -> Iterator[Repository]:
        yield Repository.open(self.target, "x", self.clock)

    def save(self) -> None:
        self.clock.advance(60)
        spec = BackupSpec(Selection((bytes(self.source),)), tags=("drorch:job=homes",), hostname="here", workers=0)
        with self.door() as repository:
            back_up_into(repository, spec, inspected(spec), NO_WAIT, NoProgress())

    def check(self, read: ReadData | None = None, books: Books | None = None) -> Checked:
        self.clock.advance(60)
        request = CheckRequest(read or ReadNothing())
        return Checker(books or self.books, self.clock).check(
            ERRAND, self.door, lambda repository: checking.check(repository, request)
        )

    def proven(self) -> set[tuple[ProofLevel, Scope]]:
        return {(proof.level, proof.scope) for proof in self.catalog.queries.proofs("onsite")}

    def findings(self) -> list[tuple[FindingKind, str]]:
        return [(finding.kind, finding.subject) for finding in self.catalog.queries.findings()]

    def packs(self) -> list[str]:
        return [stored.key for stored in self.target.list("data")]

    def replace(self, key: str, data: bytes) -> bytes:
        """Put other bytes under a key; what was there."""
        before = self.target.load(key)
        self.target.remove(key)
        self.target.save(key, data)
        return before


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    source = tmp_path / "source"
    source.mkdir()
    (source / "file").write_text("content")
    target, clock = MemoryTarget(), FakeClock()
    initialize(target, "x", cost=ScryptCost(2, 1, 1), clock=clock)
    with open_catalog(CatalogPlace(tmp_path / "state"), upgrade) as catalog:
        stage = Stage(source, tmp_path / "state", target, catalog, clock)
        stage.save()
        yield stage


L0, L1, L2 = ((level, Scope.FULL) for level in (ProofLevel.L0, ProofLevel.L1, ProofLevel.L2))
SAMPLE = (ProofLevel.L2, Scope.SAMPLE)


def test_a_check_proves_what_it_looked_at_and_is_a_run(stage: Stage) -> None:
    done = stage.check()
    assert stage.proven() == {L0, L1}
    [run] = stage.catalog.queries.runs()
    assert run == done.run
    assert (run.kind, run.outcome, run.target, run.job) == (RunKind.CHECK, RunOutcome.OK, "onsite", "")
    assert (run.counters["snapshots_sound"], run.counters["snapshots_read"]) == (1, 0)
    at = stage.clock.now()
    stage.check(ReadAll())
    assert stage.proven() == {L0, L1, L2}
    assert all(proof.at > at for proof in stage.catalog.queries.proofs("onsite"))


def test_a_part_that_was_read_is_a_sample_and_never_the_whole(stage: Stage) -> None:
    for number in range(3):
        (stage.source / f"more{number}").write_bytes(bytes([number]) * 1000)
        stage.save()
    for bucket in sorted({int(key.split("/")[-1][:2], 16) + 1 for key in stage.packs()}):
        assert stage.check(ReadBucket(bucket, 256)).report.packs_read
    levels = {
        snapshot.hex(): {(p.level, p.scope) for p in stage.catalog.queries.proofs("onsite", [snapshot])}
        for snapshot in {proof.snapshot for proof in stage.catalog.queries.proofs("onsite")}
    }
    assert all(SAMPLE in found or L2 in found for found in levels.values())
    newest = stage.catalog.queries.known("onsite")[-1].id.hex()
    assert L2 not in levels[newest]
    assert SAMPLE in levels[newest]


def test_a_missing_pack_is_a_finding_takes_proof_back_and_closes_when_it_is_back(stage: Stage) -> None:
    stage.check(ReadAll())
    key = stage.packs()[0]
    content = stage.target.load(key)
    stage.target.remove(key)
    done = stage.check()
    assert done.run.outcome is RunOutcome.FAILED
    assert done.run.problems
    assert stage.proven() == {L0}
    assert stage.findings() == [(FindingKind.DAMAGE, "onsite")]
    stage.check()
    assert len(stage.findings()) == 1
    stage.target.save(key, content)
    stage.check()
    assert (stage.findings(), stage.proven()) == ([], {L0, L1})
    [closed] = stage.catalog.queries.findings(only_open=False)
    assert closed.comments[-1].text == "a later check found it sound"


def test_damage_that_only_reading_shows_is_not_closed_by_a_check_that_does_not_read(stage: Stage) -> None:
    (stage.source / "large").write_bytes(os.urandom(200_000))
    stage.save()
    key = max(stage.packs(), key=lambda pack: stage.target.stat(pack).size)
    good = stage.replace(key, flip_bit(stage.target.load(key)))
    assert stage.check(ReadAll()).run.outcome is RunOutcome.FAILED
    assert stage.findings() == [(FindingKind.DAMAGE, "onsite:data")]
    assert stage.check().run.outcome is RunOutcome.OK
    another = 256 if key.split("/")[-1].startswith("00") else 1
    assert stage.check(ReadBucket(another, 256)).run.outcome is RunOutcome.OK
    assert stage.findings() == [(FindingKind.DAMAGE, "onsite:data")]
    stage.replace(key, good)
    stage.check(ReadAll())
    assert stage.findings() == []


def test_a_snapshot_that_vanished_is_an_alarm_once_with_a_finding_and_a_hold(stage: Stage) -> None:
    stage.check(ReadAll())
    [key] = [stored.key for stored in stage.target.list("snapshots")]
    stage.target.remove(key)
    [alarm] = stage.check().alarms
    assert alarm.event.run == stage.catalog.queries.runs()[0].id
    assert [kind for kind, _ in stage.findings()] == [FindingKind.SNAPSHOT_VANISHED]
    [hold] = stage.catalog.queries.holds()
    assert hold.subject == Lineage("here", "homes")
    assert stage.proven() == {L0}
    assert stage.check().alarms == ()


class _Meanwhile(CountingTarget):
    """A target where something happens once, just after its snapshots were listed."""

    def __init__(self, inner: Target, happens: Callable[[], object]) -> None:
        super().__init__(inner)
        self._happens: list[Callable[[], object]] = [happens]

    def list(self, prefix: str) -> Iterator[StoredObject]:
        found = tuple(super().list(prefix))
        if prefix == "snapshots" and self._happens:
            self._happens.pop()()
        return iter(found)


def test_a_snapshot_that_another_process_saves_while_a_target_is_listed_has_not_vanished(stage: Stage) -> None:
    def saves() -> None:
        stage.save()
        with stage.door() as repository:
            stage.books.look("onsite", repository, None)

    repository = Repository.open(_Meanwhile(stage.target, saves), "x", stage.clock)
    assert stage.books.look("onsite", repository, None).alarms == ()
    assert len(stage.catalog.queries.known("onsite")) == 2


def test_a_check_that_could_not_be_made_proves_nothing_and_is_written_down(stage: Stage) -> None:
    stage.check()
    proofs = stage.catalog.queries.proofs("onsite")

    @contextmanager
    def broken() -> Iterator[Repository]:
        faulty = FaultyTarget(stage.target, [Fault("list", prefix="index", error=TargetUnavailable)])
        yield Repository.open(faulty, "x", stage.clock)

    @contextmanager
    def locked() -> Iterator[Repository]:
        yield Repository.open(stage.target, "wrong", stage.clock)

    checker = Checker(stage.books, stage.clock)
    for door, error in ((broken, TargetUnavailable), (locked, WrongPassword)):
        stage.clock.advance(60)
        with pytest.raises(error):
            checker.check(ERRAND, door, lambda repository: checking.check(repository, CheckRequest()))
        newest = stage.catalog.queries.runs()[0]
        assert (newest.outcome, len(newest.problems)) == (RunOutcome.FAILED, 1)
    assert _without_listings(stage.catalog.queries.proofs("onsite")) == _without_listings(proofs)
    assert stage.findings() == []


def test_data_in_cold_storage_proves_nothing_and_is_said_to_be_unread(stage: Stage) -> None:
    def run(pack: str) -> RunOutcome | str:
        frozen = [Fault("load", prefix=pack, times=9, error=ObjectFrozen)]

        @contextmanager
        def door() -> Iterator[Repository]:
            yield Repository.open(FaultyTarget(stage.target, frozen), "x", stage.clock)

        def work(repository: Repository) -> CheckReport:
            return checking.check(repository, CheckRequest(ReadAll()))

        try:
            done = Checker(stage.books, stage.clock).check(ERRAND, door, work)
        except ObjectFrozen:
            return "trees could not be read"
        assert "cold storage" in done.run.problems[0].message
        return done.run.outcome

    assert {run(pack) for pack in stage.packs()} == {RunOutcome.INCOMPLETE, "trees could not be read"}
    assert L2 not in stage.proven()
    assert stage.findings() == []


def _without_listings(proofs: list[Proof]) -> list[Proof]:
    return [proof for proof in proofs if proof.level is not ProofLevel.L0]


def test_a_config_that_is_damaged_is_a_finding_although_nothing_can_be_checked(stage: Stage) -> None:
    stage.replace("config", flip_bit(stage.target.load("config")))
    with pytest.raises(Exception, match="config"):
        stage.check()
    assert stage.findings() == [(FindingKind.DAMAGE, "onsite")]


def test_without_a_catalog_the_proof_waits_in_the_spool(stage: Stage) -> None:
    books = Books(None, CatalogPlace(stage.state).spool, stage.clock)
    assert stage.check(ReadAll(), books).report.exit_code == 0
    assert books.complaints
    assert stage.proven() == set()
    with open_catalog(CatalogPlace(stage.state), upgrade) as catalog:
        assert catalog.replayed.recorded == 1
    assert stage.proven() == {L0, L1, L2}
