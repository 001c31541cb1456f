"""How jobs and checks are judged that the daemon launches: launches that failed, wait or are paused, and objectives."""

from dataclasses import replace
from datetime import datetime, timedelta

from drorch.model.finding import Finding, FindingKind
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.maintenance import CheckPlan, Maintenance
from drorch.model.names import job_name
from drorch.model.run import Run, RunKind, RunOutcome, Trigger
from drorch.model.schedule import parse_schedule
from drorch.model.standing import CheckRecord, CheckStanding, Condition, Launched, Overdue, Record, judge, judge_check
from drorch.model.timetable import Timetable
from tests.model.test_standing import BERLIN, DUE, ONSITE, WRITTEN, duty, run, saved, snapshot

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
RPO = timedelta(hours=26)


def launch(
    due: datetime, state: LaunchState = LaunchState.OK, reason: str = "", kind: WorkKind = WorkKind.JOB
) -> Launch:
    work = Work(kind, "homes", "homes", (ONSITE,))
    began = None if state is LaunchState.QUEUED else due + timedelta(seconds=2)
    return Launch("ab" * 16, work, Trigger.SCHEDULE, due, due, due, state=state, started=began, reason=reason)


def launched(last: Launch, **more: object) -> Launched:
    return replace(Launched(last=last, last_due=last.due, served=last.due), **more)  # type: ignore[arg-type]


def test_a_launch_that_failed_before_a_run_began_is_a_failure_and_no_missed_run() -> None:
    failed = launch(DUE, LaunchState.FAILED, "killed by signal 9, for want of memory")
    record = replace(saved(DUE - DAY), launched=launched(failed))
    standing = judge(duty(), record, DUE + HOUR)
    assert standing.condition is Condition.FAILED
    assert standing.reasons == ("its last launch failed: killed by signal 9, for want of memory",)
    assert standing.overdue == ()


def test_a_launch_that_failed_without_a_process_is_told_with_its_reason() -> None:
    failed = replace(launch(DUE, LaunchState.FAILED, "no process can be started"), started=None, ended=DUE + MINUTE)
    standing = judge(duty(), replace(saved(DUE - DAY), launched=launched(failed)), DUE + HOUR)
    assert standing.reasons == ("its last launch failed: no process can be started",)


def test_a_launch_that_failed_with_its_run_is_one_failure() -> None:
    failed = launch(DUE, LaunchState.FAILED, "exit code 20")
    ran = replace(run(DUE + MINUTE, RunOutcome.FAILED, "no space left"), launch=failed.id)
    standing = judge(duty(), Record(last_run=ran, newest=snapshot(DUE - DAY), launched=launched(failed)), DUE + HOUR)
    assert standing.reasons == ("its last run failed: no space left",)


def test_a_run_after_the_failed_launch_is_what_counts() -> None:
    record = replace(saved(DUE + HOUR), launched=launched(launch(DUE, LaunchState.FAILED, "exit code 20")))
    assert judge(duty(), record, DUE + 2 * HOUR).condition is Condition.OK


def test_what_is_overdue_says_what_is_missing_and_since_when() -> None:
    standing = judge(duty(rpo=RPO), saved(DUE), DUE + 2 * DAY)
    assert standing.subject == "homes@onsite"
    assert standing.overdue == (
        Overdue(FindingKind.RUN_MISSED, standing.reasons[0], DUE + DAY + MINUTE),
        Overdue(FindingKind.OBJECTIVE_MISSED, standing.reasons[1], DUE + RPO),
    )


def test_a_pause_is_told_and_excuses_from_the_schedule_but_not_from_the_objective() -> None:
    pause = Pause("homes", DUE + HOUR, "joe", DUE + 5 * DAY, "the disk is changed")
    record = replace(saved(DUE), launched=Launched(pause=pause))
    standing = judge(duty(rpo=RPO), record, DUE + 25 * HOUR)
    assert standing.condition is Condition.ATTENTION
    assert standing.reasons == ("paused by joe until 2026-03-15 02:30 CET: the disk is changed",)
    exceeded = judge(duty(rpo=RPO), record, DUE + RPO + MINUTE)
    assert exceeded.condition is Condition.OVERDUE
    assert [one.kind for one in exceeded.overdue] == [FindingKind.OBJECTIVE_MISSED]
    everything = replace(record, launched=Launched(pause=Pause("", DUE + HOUR, "root")))
    reasons = judge(duty(), everything, DUE + 2 * DAY).reasons
    assert reasons == ("paused by root until somebody resumes it, as everything is",)


def test_what_waits_for_its_turn_is_worth_a_look_and_not_overdue() -> None:
    due = DUE + DAY
    record = replace(saved(DUE), launched=launched(launch(DUE), waiting=launch(due, LaunchState.QUEUED)))
    standing = judge(duty(), record, due + HOUR)
    assert standing.condition is Condition.ATTENTION
    assert standing.reasons == ("it was due 2026-03-11 02:30 CET, and waits for its turn",)


def test_the_finding_of_what_is_overdue_does_not_say_it_twice_and_stays_to_be_seen() -> None:
    finding = Finding("ef" * 16, FindingKind.RUN_MISSED, "homes@onsite", "homes@onsite: it was due", DUE + DAY)
    record = replace(saved(DUE), findings=(finding,))
    overdue = judge(duty(), record, DUE + DAY + HOUR)
    assert len(overdue.reasons) == 1
    well = judge(duty(), replace(record, last_run=run(DUE + DAY)), DUE + DAY + HOUR)
    assert (well.condition, well.reasons) == (Condition.ATTENTION, ("homes@onsite: it was due",))


def test_a_job_that_follows_another_is_judged_by_its_end() -> None:
    follows = duty(None)
    follows = replace(follows, job=replace(follows.job, after=job_name("dump")))
    record = replace(saved(DUE), launched=Launched(followed=DUE + HOUR))
    standing = judge(follows, record, DUE + 2 * HOUR)
    assert standing.condition is Condition.OVERDUE
    assert standing.reasons[0].startswith("it was due when dump ended 2026-03-10 03:30 CET")
    assert (standing.next_due, standing.duty.schedule) == (None, None)


def check(record: CheckRecord, now: datetime, *, enabled: bool = True) -> CheckStanding:
    plan = CheckPlan(Timetable("onsite", parse_schedule("30 2 * * 2"), BERLIN), parts=30)
    return judge_check(Maintenance(ONSITE, plan, enabled=enabled), plan, record, WRITTEN, now)


def checked(at: datetime, outcome: RunOutcome = RunOutcome.OK) -> Run:
    return replace(run(at, outcome, *(["pack 12 is gone"] if outcome is not RunOutcome.OK else [])), kind=RunKind.CHECK)


def test_a_check_is_well_when_it_ran_and_overdue_when_it_did_not() -> None:
    ran = CheckRecord(checked(DUE), launched(launch(DUE, kind=WorkKind.CHECK)))
    standing = check(ran, DUE + DAY)
    assert (standing.condition, standing.reasons, standing.next_due) == (Condition.OK, (), DUE + 7 * DAY)
    overdue = check(ran, DUE + 8 * DAY)
    assert overdue.condition is Condition.OVERDUE
    assert (overdue.subject, overdue.job) == ("check@onsite", "")
    assert [one.kind for one in overdue.overdue] == [FindingKind.CHECK_MISSED]
    assert check(CheckRecord(), DUE - 20 * DAY).condition is Condition.OVERDUE
    assert check(CheckRecord(), WRITTEN + HOUR).condition is Condition.UNKNOWN
    assert check(CheckRecord(), DUE, enabled=False).condition is Condition.DISABLED


def test_a_check_that_failed_or_found_damage_or_read_not_all_is_not_well() -> None:
    now = DUE + HOUR
    assert check(CheckRecord(checked(DUE, RunOutcome.FAILED)), now).reasons == (
        "the last check failed or found damage: pack 12 is gone",
    )
    assert check(CheckRecord(checked(DUE, RunOutcome.INCOMPLETE)), now).condition is Condition.ATTENTION
    died = CheckRecord(None, launched(launch(DUE, LaunchState.FAILED, "it took too long", WorkKind.CHECK)))
    assert check(died, now).reasons == ("its last launch failed: it took too long",)


def test_a_long_check_is_not_overdue_while_it_goes_on() -> None:
    going_on = CheckRecord(launched=launched(launch(DUE, LaunchState.RUNNING, kind=WorkKind.CHECK)))
    assert check(going_on, DUE + 6 * DAY).condition is Condition.OK
    assert check(going_on, DUE + 7 * DAY + HOUR).condition is Condition.ATTENTION
    assert check(going_on, DUE + 9 * DAY).condition is Condition.OVERDUE
