"""What is recorded reads back as it was, in both kinds of database, once, however often it is recorded."""

from dataclasses import replace

import pytest

from drorch.catalog.open import Catalog
from drorch.catalog.queries import RunQuery
from drorch.catalog.record import Record, Stored
from drorch.errors import CatalogError, Problem
from drorch.model.facts import DumpFacts
from drorch.model.finding import Comment, Finding, FindingKind, FindingState
from drorch.model.hold import Hold, Lineage
from drorch.model.proof import ProofLevel, Scope
from drorch.model.reconciliation import alarm, reconcile
from drorch.model.run import RunKind, RunOutcome
from tests.catalog.making import HOMES, START, begun, hours, proof, record, run, seen, snapshot_id


def test_a_record_reads_back_as_it_was(either: Catalog) -> None:
    written = record(1, problems=3)
    either.ledger.begin(begun(1))
    either.ledger.record(written)
    assert either.queries.run(written.run.id[:20]) == written.run
    assert either.queries.known("onsite") == [written.stored[0].snapshot]
    assert either.queries.proofs("onsite", [snapshot_id(1)]) == list(written.proofs)


def test_a_run_that_began_is_seen_as_running(either: Catalog) -> None:
    either.ledger.begin(begun(1))
    assert [one.outcome for one in either.queries.runs()] == [RunOutcome.RUNNING]
    assert either.queries.runs(RunQuery(outcomes=[RunOutcome.OK])) == []


def test_recording_twice_changes_nothing(either: Catalog) -> None:
    for _ in range(2):
        either.ledger.record(record(1, problems=2))
    assert either.queries.runs() == [run(1, problems=2)]
    assert len(either.queries.proofs()) == len(either.queries.known("onsite")) == 1


def test_more_problems_than_a_batch_are_all_kept(either: Catalog) -> None:
    either.ledger.record(Record(run(1, problems=2_500)))
    assert either.queries.runs()[0].problems == run(1, problems=2_500).problems


def test_runs_are_found_by_job_kind_outcome_and_time(either: Catalog) -> None:
    etc = replace(run(4, job="etc"), outcome=RunOutcome.FAILED, kind=RunKind.CHECK)
    for one in (run(1), run(2), run(3), etc):
        either.ledger.record(Record(one))
    assert either.queries.runs(RunQuery(job="homes", limit=2)) == [run(3), run(2)]
    assert either.queries.runs(RunQuery(kinds=[RunKind.CHECK])) == [etc]
    assert either.queries.runs(RunQuery(outcomes=[RunOutcome.FAILED])) == [etc]
    assert either.queries.runs(RunQuery(since=hours(3))) == [etc, run(3)]
    assert either.queries.last_runs() == {"homes": run(3)}


def test_runs_are_found_by_their_launch(either: Catalog) -> None:
    launched = replace(run(2), launch="a" * 32)
    for one in (run(1), launched):
        either.ledger.record(Record(one))
    assert either.queries.runs(RunQuery(launch="a" * 32)) == [launched]
    assert either.queries.runs(RunQuery(launch="")) == [run(1)]


def test_what_a_launch_left_under_way_has_failed(either: Catalog) -> None:
    ended = replace(run(1), launch="a" * 32)
    either.ledger.record(Record(ended))
    left = [replace(begun(number), launch="a" * 32) for number in (2, 3)]
    left[1] = replace(left[1], job="", kind=RunKind.CHECK)
    others = [begun(4), replace(begun(5), launch="b" * 32)]
    for one in (*left, *others):
        either.ledger.begin(one)
    either.ledger.record(Record(replace(left[0], problems=run(2, problems=2).problems)))
    said = Problem("homes@onsite", "the daemon ended while it ran"), Problem("onsite", "the daemon ended while it ran")
    told = (*run(2, problems=2).problems, said[0]), (said[1],)
    expected = [
        replace(one, outcome=RunOutcome.FAILED, ended=hours(7), problems=problems)
        for one, problems in zip(left, told, strict=True)
    ]
    assert either.ledger.cut_off("a" * 32, hours(7), "the daemon ended while it ran") == expected
    assert either.queries.runs(RunQuery(launch="a" * 32)) == [*reversed(expected), ended]
    assert either.ledger.cut_off("a" * 32, hours(8), "again") == []
    assert either.queries.runs(RunQuery(outcomes=[RunOutcome.RUNNING])) == list(reversed(others))


def test_what_a_launch_left_under_way_is_cancelled_where_that_was(either: Catalog) -> None:
    either.ledger.begin(replace(begun(1), launch="a" * 32))
    (cut,) = either.ledger.cut_off("a" * 32, hours(7), "ann cancelled it", RunOutcome.CANCELLED)
    assert (cut.outcome, cut.ended, [one.message for one in cut.problems]) == (
        RunOutcome.CANCELLED,
        hours(7),
        ["ann cancelled it"],
    )
    assert either.queries.runs() == [cut]


def test_what_a_run_said_itself_counts_more_than_that_it_was_cut_off(either: Catalog) -> None:
    either.ledger.begin(replace(begun(1), launch="a" * 32))
    either.ledger.cut_off("a" * 32, hours(7), "the daemon ended while it ran")
    said = replace(record(1), run=replace(run(1), launch="a" * 32))
    either.ledger.record(said)
    assert either.queries.runs() == [said.run]


def test_an_id_that_names_no_run_or_several_is_refused(either: Catalog) -> None:
    for number in (1, 2):
        either.ledger.record(Record(run(number)))
    with pytest.raises(CatalogError, match="more than one run begins with 0"):
        either.queries.run("0")
    with pytest.raises(CatalogError, match="there is no run f_%"):
        either.queries.run("f_%")


def test_the_latest_proof_of_a_level_counts(either: Catalog) -> None:
    either.ledger.prove([proof(1, ProofLevel.L1, at=5), proof(1, ProofLevel.L1, at=2)])
    either.ledger.prove([proof(1, ProofLevel.L1, at=9), proof(1, ProofLevel.L2, at=9)])
    sample = replace(proof(1, ProofLevel.L2, at=3), scope=Scope.SAMPLE)
    either.ledger.prove([sample])
    expected = [proof(1, ProofLevel.L1, at=9), proof(1, ProofLevel.L2, at=9), sample]
    assert either.queries.proofs() == expected


def test_proof_is_taken_back_above_a_level(either: Catalog) -> None:
    either.ledger.prove(proof(number, level) for number in (1, 2) for level in ProofLevel)
    either.ledger.withdraw("onsite", [snapshot_id(1)], above=ProofLevel.L1)
    assert [one.level for one in either.queries.proofs(snapshots=[snapshot_id(1)])] == [ProofLevel.L0, ProofLevel.L1]
    assert len(either.queries.proofs(snapshots=[snapshot_id(2)])) == len(ProofLevel)


def test_a_snapshot_that_drorch_removed_is_no_longer_known(either: Catalog) -> None:
    either.ledger.record(record(1))
    either.ledger.record(record(2))
    either.ledger.removed("onsite", [snapshot_id(1)])
    assert either.queries.known("onsite") == [seen(2)]
    assert {one.snapshot for one in either.queries.proofs()} == {snapshot_id(2)}


def test_facts_are_known_until_their_dump_lies_nowhere_any_more(either: Catalog) -> None:
    facts = DumpFacts("postgresql", '{"databases": {"caf\\u00e9": {}}}')
    either.ledger.record(replace(record(1), facts=facts))
    assert either.queries.facts_of(snapshot_id(1)) == facts
    assert either.queries.facts_of(snapshot_id(2)) is None
    either.ledger.know([Stored("offsite", seen(7, original=1))])
    either.ledger.removed("onsite", [snapshot_id(1)])
    assert either.queries.facts_of(snapshot_id(1)) == facts
    either.ledger.removed("offsite", [snapshot_id(7)])
    assert either.queries.facts_of(snapshot_id(1)) is None


def test_a_snapshot_that_drorch_tagged_keeps_its_proof(either: Catalog) -> None:
    either.ledger.record(record(1))
    tagged = seen(7, original=1, tree=1)
    either.ledger.rewritten("onsite", snapshot_id(1), tagged)
    assert either.queries.known("onsite") == [tagged]
    assert either.queries.proofs() == [proof(7, ProofLevel.L0)]


def test_a_renamed_lineage_takes_everything_along(either: Catalog) -> None:
    either.ledger.record(record(1))
    either.ledger.set_hold(Hold("a" * 32, HOMES, "court order", START, "anna"))
    renamed = Lineage("web1", "people")
    either.ledger.renamed(HOMES, renamed)
    assert [stored.snapshot.id for stored in either.queries.known_of(renamed)] == [snapshot_id(1)]
    assert either.queries.known_of(HOMES) == []
    assert either.queries.runs()[0].job == "people"
    assert either.queries.holds()[0].subject == renamed
    assert either.queries.newest() == {renamed: hours(1)}


def test_holds_are_set_and_released(either: Catalog) -> None:
    of_snapshot = Hold("b" * 32, snapshot_id(3), "looks odd", hours(1), "anna")
    of_lineage = Hold("a" * 32, HOMES, "court order", START, "anna")
    for hold in (of_snapshot, of_lineage):
        either.ledger.set_hold(hold)
    assert either.queries.holds() == [of_lineage, of_snapshot]
    either.ledger.release_hold("a" * 32, hours(2), "ben")
    either.ledger.release_hold("a" * 32, hours(3), "carl")
    assert either.queries.holds() == [of_snapshot]
    assert either.queries.hold("aaa") == replace(of_lineage, released=hours(2), released_by="ben")
    with pytest.raises(CatalogError, match="there is no hold cccccccc"):
        either.ledger.release_hold("c" * 32, hours(2), "ben")


def test_a_finding_goes_from_open_to_closed(either: Catalog) -> None:
    finding = Finding("f" * 32, FindingKind.RUN_FAILED, "homes", "the target is full", START, run=run().id)
    assert either.ledger.open_finding(finding) == finding.id
    again = replace(finding, id="e" * 32, message="still full")
    assert either.ledger.open_finding(again) == finding.id, "one open finding of a kind for a subject"
    either.ledger.assign(finding.id, "anna")
    said, last = Comment(hours(1), "anna", "ordered a disk"), Comment(hours(2), "anna", "put in")
    either.ledger.comment(finding.id, said)
    assigned = replace(finding, state=FindingState.ACKNOWLEDGED, assignee="anna", comments=(said,))
    assert either.queries.findings() == [assigned]
    either.ledger.close_finding(finding.id, last)
    assert either.queries.findings() == []
    closed = replace(assigned, state=FindingState.CLOSED, closed=hours(2), comments=(said, last))
    assert either.queries.finding("ffff") == closed
    assert either.ledger.open_finding(again) == again.id, "a closed one is over: the next is another"
    with pytest.raises(CatalogError, match="finding ffffffff is closed"):
        either.ledger.assign(finding.id, "ben")
    with pytest.raises(CatalogError, match="there is no finding 00000000"):
        either.ledger.comment("0" * 32, said)


def test_a_vanished_snapshot_raises_its_alarm_once(either: Catalog) -> None:
    either.ledger.know(Stored("onsite", seen(number)) for number in (1, 2, 3))
    listed = [seen(2), seen(9, original=3, tree=8)]

    def look() -> list[str]:
        found = reconcile("onsite", either.queries.known("onsite"), listed)
        ids = iter(range(1, 100))
        alarms = [
            alarm("onsite", one, hours(5), (f"{next(ids):032}", f"{next(ids):032}")) for one in found.discrepancies
        ]
        return [one.discrepancy.kind.value for one in either.ledger.alarm("onsite", alarms)]

    assert look() == ["vanished", "replaced"]
    assert look() == []
    assert either.queries.known("onsite") == [seen(2), listed[1]]
    assert [one.kind for one in either.queries.findings()] == [
        FindingKind.SNAPSHOT_VANISHED,
        FindingKind.SNAPSHOT_CHANGED,
    ]
    assert [hold.subject for hold in either.queries.holds()] == [HOMES, HOMES]
