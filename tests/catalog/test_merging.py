"""What two catalogs of one host know becomes one: nothing is lost, nothing comes twice, nothing looks better for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from drorch.catalog.file import CatalogFile, opened_file
from drorch.catalog.merging import Taken
from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog
from drorch.catalog.record import Record
from drorch.errors import Problem
from drorch.ids import SnapshotId
from drorch.model.facts import DumpFacts
from drorch.model.finding import Comment, Finding, FindingKind, FindingState
from drorch.model.hold import Hold
from drorch.model.launch import LaunchState, Pause
from drorch.model.proof import ProofLevel
from drorch.model.run import Run, RunKind, RunOutcome
from tests.catalog.making import HOMES, begun, deed, hours, launch, over, proof, record, run, snapshot_id


@pytest.fixture
def other(tmp_path: Path) -> Iterator[CatalogFile]:
    """Another catalog of the same host."""
    with opened(tmp_path) as file:
        yield file


@contextmanager
def opened(folder: Path) -> Iterator[CatalogFile]:
    with opened_file(folder / "other.sqlite", upgrade) as file:
        yield file


def finding(number: int, *, kind: FindingKind = FindingKind.RUN_FAILED, subject: str = "homes@onsite") -> Finding:
    return Finding(f"{number:032x}", kind, subject, f"message {number}", hours(number))


def failed_check(number: int) -> Run:
    checked = replace(run(number), kind=RunKind.CHECK, job="", outcome=RunOutcome.FAILED, snapshot=None)
    return replace(checked, problems=(Problem("pack", "damaged"),))


def levels(catalog: Catalog, number: int) -> list[int]:
    return [int(one.level) for one in catalog.queries.proofs(snapshots=[SnapshotId(snapshot_id(number))])]


def test_what_one_alone_knows_is_known(either: Catalog, other: CatalogFile) -> None:
    for number in (1, 2):
        either.ledger.record(record(number))
    for number in (2, 3):
        other.ledger.record(record(number, problems=3))
    either.ledger.record(record(2, problems=3))
    other.ledger.prove([proof(1, ProofLevel.L2, at=9)])
    other.ledger.set_hold(Hold("a" * 32, HOMES, "why", hours(1), "anna"))
    taken = either.take_over(other)
    assert taken == Taken(runs=1, snapshots=1, findings=0, holds=1, deeds=0)
    assert either.queries.runs() == [
        record(number, problems=problems).run for number, problems in ((3, 3), (2, 3), (1, 0))
    ]
    assert [one.id for one in either.queries.known("onsite")] == [snapshot_id(number) for number in (1, 2, 3)]
    assert levels(either, 1) == [0, 2]
    assert [hold.reason for hold in either.queries.holds()] == ["why"]
    assert either.take_over(other) == Taken(0, 0, 0, 0, 0)
    assert len(either.queries.runs()[0].problems) == 3


def test_a_run_that_ended_there_has_ended(catalog: Catalog, other: CatalogFile) -> None:
    catalog.ledger.begin(begun(1))
    other.ledger.record(record(1, problems=2))
    catalog.ledger.record(record(2))
    other.ledger.begin(begun(2))
    catalog.take_over(other)
    assert catalog.queries.runs() == [record(2).run, record(1, problems=2).run]


def test_findings_and_holds_that_are_over_on_one_side_are_over(catalog: Catalog, other: CatalogFile) -> None:
    hold = Hold("a" * 32, HOMES, "why", hours(1), "anna")
    for side in (catalog, other):
        side.ledger.open_finding(finding(1))
        side.ledger.set_hold(hold)
    other.ledger.close_finding(finding(1).id, Comment(hours(5), "anna", "mended"))
    other.ledger.release_hold(hold.id, hours(6), "anna")
    catalog.take_over(other)
    assert catalog.queries.findings() == []
    assert catalog.queries.finding(finding(1).id).comments == (Comment(hours(5), "anna", "mended"),)
    assert catalog.queries.holds() == []


def test_of_two_open_findings_about_the_same_one_stays_open(catalog: Catalog, other: CatalogFile) -> None:
    catalog.ledger.open_finding(finding(1))
    other.ledger.open_finding(finding(2))
    other.ledger.open_finding(finding(3, subject="etc@onsite"))
    assert catalog.take_over(other).findings == 2
    assert [one.id for one in catalog.queries.findings()] == [finding(1).id, finding(3).id]
    assert catalog.queries.finding(finding(2).id).state is FindingState.CLOSED


@pytest.mark.parametrize("here", [True, False])
def test_proof_that_a_failed_check_has_overtaken_does_not_come_back(
    catalog: Catalog, other: CatalogFile, *, here: bool
) -> None:
    checked, proven = (catalog.ledger, other.ledger) if here else (other.ledger, catalog.ledger)
    proven.prove([proof(1, ProofLevel.L0), proof(1, ProofLevel.L2, at=3), proof(2, ProofLevel.L1, at=9)])
    checked.record(Record(failed_check(5)))
    catalog.take_over(other)
    assert levels(catalog, 1) == [0]
    assert levels(catalog, 2) == [1]


def test_the_latest_proof_counts(catalog: Catalog, other: CatalogFile) -> None:
    catalog.ledger.prove([proof(1, ProofLevel.L1, at=5), proof(2, ProofLevel.L1, at=5)])
    other.ledger.prove([proof(1, ProofLevel.L1, at=3), proof(2, ProofLevel.L1, at=7)])
    catalog.take_over(other)
    assert [one.at for one in catalog.queries.proofs()] == [hours(5), hours(7)]


def test_a_snapshot_whose_vanishing_was_an_alarm_here_is_not_known_again(catalog: Catalog, other: CatalogFile) -> None:
    vanished = finding(1, kind=FindingKind.SNAPSHOT_VANISHED, subject=f"onsite:{snapshot_id(4).hex()}")
    catalog.ledger.open_finding(vanished)
    other.ledger.record(record(4))
    assert catalog.take_over(other).snapshots == 0
    assert catalog.queries.known("onsite") == []


def test_launches_that_are_over_there_are_known_here(either: Catalog, other: CatalogFile) -> None:
    mine, both = over(1, due=1), over(2, due=2)
    for one in (mine, both, launch(3, due=3)):
        either.launches.update(one)
    theirs, same_due, ended_there = over(4, due=4), over(5, due=1), over(3, due=3)
    running = replace(launch(7, due=7), state=LaunchState.RUNNING, started=hours(7))
    for one in (both, theirs, same_due, ended_there, launch(6, due=6), running):
        other.launches.update(one)
    assert either.take_over(other).launches == 2
    expected = [replace(same_due, due=None), theirs, launch(3, due=3), both, mine]
    assert either.launches.recent() == expected
    assert either.take_over(other).launches == 0
    assert either.launches.recent() == expected
    assert either.launches.claim(launch(8, due=6)), "what was only queued there was launched by nobody"


def test_facts_of_dumps_are_taken_over(either: Catalog, other: CatalogFile) -> None:
    ours, theirs = DumpFacts("sqlite", '{"of": "here"}'), DumpFacts("sqlite", '{"of": "there"}')
    either.ledger.remember_facts(snapshot_id(1), ours)
    for number in (1, 2):
        other.ledger.remember_facts(snapshot_id(number), theirs)
    for _ in range(2):
        either.take_over(other)
        assert [either.queries.facts_of(snapshot_id(number)) for number in (1, 2, 3)] == [ours, theirs, None]


def test_pauses_that_are_over_on_one_side_are_over(either: Catalog, other: CatalogFile) -> None:
    resumed_here, resumed_there = Pause("a", hours(1), "anna"), Pause("b", hours(1), "anna")
    of_both = Pause("c", hours(1), "anna"), Pause("c", hours(2), "ben")
    of_other = Pause("", hours(1), "ben", hours(9))
    for launches in (either.launches, other.launches):
        for one in (resumed_here, resumed_there):
            launches.pause(one)
    either.launches.resume("a", hours(2))
    other.launches.resume("b", hours(2))
    either.launches.pause(of_both[0])
    for one in (of_both[1], of_other):
        other.launches.pause(one)
    for new in (2, 0):
        assert either.take_over(other).pauses == new
        assert either.launches.pauses(hours(3)) == [of_other, *of_both]
    assert either.launches.resume("c", hours(3)) == list(of_both)
    assert either.launches.pauses(hours(3)) == [of_other]


def test_an_audit_log_that_goes_on_where_this_one_ends_is_continued(either: Catalog, other: CatalogFile) -> None:
    for number in (1, 2):
        either.audit.append(deed(number))
    for number in (1, 2, 3, 4):
        other.audit.append(deed(number))
    assert either.take_over(other).deeds == 2
    assert either.audit.head() == other.audit.head()
    assert either.audit.verify([other.audit.head()]) is None


def test_an_audit_log_that_parted_from_this_one_is_held_on_to(either: Catalog, other: CatalogFile) -> None:
    for number in (1, 2):
        other.audit.append(deed(number))
    either.audit.append(deed(1))
    either.audit.append(deed(7))
    mine, theirs = either.audit.head(), other.audit.head()
    assert not either.audit.holds(theirs)
    assert either.take_over(other).deeds == 1
    assert either.audit.holds(theirs)
    assert either.audit.holds(mine)
    assert either.audit.verify([mine, theirs]) is None
    assert either.take_over(other).deeds == 0


def test_an_audit_log_that_was_tampered_with_is_not_taken_over(catalog: Catalog, other: CatalogFile) -> None:
    other.audit.append(deed(1))
    anchor = other.audit.head()
    other.ledger.record(record(1))
    taken = catalog.take_over(other, [replace(anchor, hash=bytes(32))])
    assert taken.broken is not None
    assert (taken.deeds, taken.runs) == (0, 1)
    assert catalog.audit.head().seq == 0
