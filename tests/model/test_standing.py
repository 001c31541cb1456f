"""How jobs are judged: what is overdue, what is only unknown, and what is well."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from drorch.errors import Problem
from drorch.ids import SnapshotId, TreeId
from drorch.model.finding import Finding, FindingKind
from drorch.model.hold import Lineage
from drorch.model.job import Destination, FilesSpec, Job
from drorch.model.names import job_name, target_name
from drorch.model.objective import Objective
from drorch.model.punctuality import LEEWAY
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.model.schedule import parse_schedule
from drorch.model.standing import Condition, Duty, Record, Standing, judge
from drorch.model.timetable import Timetable

BERLIN = ZoneInfo("Europe/Berlin")
ONSITE = target_name("onsite")
DUE = datetime(2026, 3, 10, 1, 30, tzinfo=UTC)
"""02:30 in Berlin."""
WRITTEN = DUE - timedelta(days=30)
FINDING = Finding("ab" * 16, FindingKind.DAMAGE, "onsite", "onsite: pack 12 is gone", DUE)


def duty(schedule: str | None = "30 2 * * *", rpo: timedelta | None = None, *, enabled: bool = True) -> Duty:
    when = None if schedule is None else Timetable("homes", parse_schedule(schedule), BERLIN)
    destinations = (Destination(ONSITE, when),)
    job = Job(job_name("homes"), FilesSpec(("/home",)), destinations, Objective(rpo), enabled=enabled)
    return Duty(job, ONSITE, BERLIN, WRITTEN)


def run(started: datetime, outcome: RunOutcome = RunOutcome.OK, *problems: str) -> Run:
    told = tuple(Problem("/home/a", message) for message in problems)
    return Run("cd" * 16, "homes", RunKind.BACKUP, "web1", started, "onsite", started, outcome, problems=told)


def snapshot(taken: datetime) -> SeenSnapshot:
    name = SnapshotId(bytes(32))
    return SeenSnapshot(name, name, TreeId(bytes(32)), Lineage("web1", "homes"), taken)


def saved(at: datetime, outcome: RunOutcome = RunOutcome.OK, *problems: str) -> Record:
    """A run, and the snapshot it took."""
    return Record(last_run=run(at, outcome, *problems), newest=snapshot(at))


def condition(duty: Duty, record: Record, now: datetime) -> Condition:
    return judge(duty, record, now).condition


def only_reason(standing: Standing) -> str:
    (reason,) = standing.reasons
    return reason


def test_a_job_that_ran_when_it_was_due_is_well_and_says_when_it_is_due_next() -> None:
    standing = judge(duty(rpo=timedelta(hours=26)), saved(DUE), DUE + timedelta(hours=5))
    assert (standing.condition, standing.reasons) == (Condition.OK, ())
    assert standing.age == timedelta(hours=5)
    assert standing.next_due == DUE + timedelta(days=1)


def test_a_run_that_was_missed_is_overdue_once_the_leeway_has_passed() -> None:
    record, next_due = saved(DUE), DUE + timedelta(days=1)
    assert condition(duty(), record, next_due + LEEWAY - timedelta(seconds=1)) is Condition.OK
    standing = judge(duty(), record, next_due + LEEWAY)
    assert standing.condition is Condition.OVERDUE
    assert only_reason(standing) == "it was due 2026-03-11 02:30 CET, and last began 2026-03-10 02:30 CET"


def test_a_run_by_hand_before_the_hour_does_not_stand_in_for_the_run_that_is_due() -> None:
    assert condition(duty(), saved(DUE - timedelta(minutes=5)), DUE + timedelta(minutes=5)) is Condition.OVERDUE


def test_a_failed_run_was_not_missed_and_is_not_well() -> None:
    standing = judge(duty(), saved(DUE, RunOutcome.FAILED, "the source is empty"), DUE + timedelta(hours=1))
    assert (standing.condition, only_reason(standing)) == (
        Condition.FAILED,
        "its last run failed: the source is empty",
    )


def test_a_job_that_goes_on_is_not_overdue_on_the_target_that_waits_for_its_turn() -> None:
    now = DUE + timedelta(hours=3)
    waiting = saved(DUE - timedelta(days=1))
    assert condition(duty(), waiting, now) is Condition.OVERDUE
    assert condition(duty(), replace(waiting, under_way=DUE), now) is Condition.OK


def test_a_run_that_never_ended_is_a_failure_unless_it_goes_on() -> None:
    begun = replace(saved(DUE, RunOutcome.RUNNING), newest=snapshot(DUE - timedelta(days=1)))
    now = DUE + timedelta(hours=1)
    assert condition(duty(), replace(begun, under_way=DUE), now) is Condition.OK
    assert condition(duty(), begun, now) is Condition.FAILED
    assert condition(duty(), replace(begun, under_way=DUE - timedelta(hours=1)), now) is Condition.FAILED


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("30 2 * * *", Condition.OVERDUE), ("every 4h", Condition.OVERDUE), ("0 0 1 1 *", Condition.UNKNOWN)],
)
def test_a_job_that_never_ran_is_overdue_only_once_it_was_due(schedule: str, expected: Condition) -> None:
    standing = judge(duty(schedule), Record(), DUE)
    assert standing.condition is expected
    assert "never ran" in standing.reasons[0]


def test_a_job_written_this_minute_is_unknown_and_neither_well_nor_overdue() -> None:
    fresh = replace(duty(rpo=timedelta(hours=26)), since=DUE)
    standing = judge(fresh, Record(), DUE + timedelta(hours=1))
    assert standing.condition is Condition.UNKNOWN
    assert standing.reasons == ("it never ran; it is due 2026-03-11 02:30 CET", "no snapshot is known")


def test_the_objective_is_exceeded_by_the_newest_snapshot_even_where_runs_go_on() -> None:
    promised = duty(rpo=timedelta(hours=26))
    record = Record(last_run=run(DUE), newest=snapshot(DUE - timedelta(days=1)))
    assert condition(promised, record, DUE + timedelta(hours=2)) is Condition.OK
    standing = judge(promised, record, DUE + timedelta(hours=2, seconds=1))
    assert standing.condition is Condition.OVERDUE
    assert only_reason(standing) == "its newest snapshot is of 2026-03-09 02:30 CET, older than 26h"


def test_no_snapshot_at_all_exceeds_an_objective_that_holds_for_longer_than_it_allows() -> None:
    promised = duty(None, timedelta(hours=26))
    ran = Record(last_run=run(DUE))
    assert condition(promised, ran, WRITTEN + timedelta(hours=26)) is Condition.UNKNOWN
    assert condition(promised, ran, DUE + timedelta(hours=1)) is Condition.OVERDUE
    assert condition(duty(None), ran, DUE + timedelta(hours=1)) is Condition.UNKNOWN


def test_a_job_by_hand_is_never_overdue_without_an_objective_but_unknown_until_it_ran() -> None:
    by_hand = duty(None)
    assert judge(by_hand, saved(WRITTEN), DUE) == replace(
        judge(by_hand, saved(WRITTEN), DUE), condition=Condition.OK, reasons=(), next_due=None
    )
    assert condition(by_hand, Record(), DUE) is Condition.UNKNOWN


def test_a_disabled_job_is_shown_as_such_whatever_else_is_wrong_with_it() -> None:
    standing = judge(duty(rpo=timedelta(hours=1), enabled=False), Record(findings=(FINDING,)), DUE)
    assert (standing.condition, standing.next_due) == (Condition.DISABLED, None)


def test_what_is_not_quite_well_is_never_shown_as_well() -> None:
    now = DUE + timedelta(hours=1)
    unread = judge(duty(), saved(DUE, RunOutcome.INCOMPLETE, "vanished", "vanished"), now)
    assert (unread.condition, only_reason(unread)) == (
        Condition.ATTENTION,
        "its last run could not read all: 2 problems",
    )
    damaged = judge(duty(), replace(saved(DUE), findings=(FINDING,)), now)
    assert (damaged.condition, only_reason(damaged)) == (Condition.ATTENTION, FINDING.message)
    assert condition(duty(), saved(DUE, RunOutcome.SKIPPED), now) is Condition.UNKNOWN


def test_the_gravest_reason_comes_first_and_gives_the_condition() -> None:
    record = replace(saved(DUE - timedelta(days=9), RunOutcome.FAILED, "no space left"), findings=(FINDING,))
    standing = judge(duty(rpo=timedelta(hours=26)), record, DUE + timedelta(hours=1))
    assert standing.condition is Condition.OVERDUE
    assert [reason.split()[1] for reason in standing.reasons] == ["was", "newest", "last", "pack"]


def test_a_clock_that_was_set_back_makes_nothing_well() -> None:
    now = DUE - timedelta(days=2)
    standing = judge(duty(rpo=timedelta(hours=26)), saved(DUE), now)
    assert standing.condition is Condition.UNKNOWN
    assert len(standing.reasons) == 2
    assert all("still to come" in reason for reason in standing.reasons)
