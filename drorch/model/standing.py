"""How jobs and maintenance stand: judged from what is known and the time, and from nothing else.

Promise: unknown is never well. Where nothing is known of a run or of a snapshot, that is said; a job is well only
where something happened that makes it so. A pause excuses from the schedule, never from the objective. Who cancels a
run that began in time is not told that it is missing; what was overdue before stays so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from drorch.model.finding import Finding, FindingKind
from drorch.model.job import Job
from drorch.model.launch import Launch, LaunchState, Pause
from drorch.model.maintenance import CheckPlan, Maintenance
from drorch.model.names import TargetName
from drorch.model.proof import Proof
from drorch.model.punctuality import LEEWAY, Course, Expected, Punctuality, Timing, at, timing
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.model.schedule import Schedule
from drorch.units import duration_text


class Condition(StrEnum):
    """How a job stands, the worst first but for `DISABLED`, of which nothing is asked.

    `OVERDUE`: something that should have happened by now has not. `FAILED`: the last run came to nothing. `UNKNOWN`:
    nothing tells that all is well. `ATTENTION`: it works, and somebody should look.
    """

    OVERDUE = "overdue"
    FAILED = "failed"
    UNKNOWN = "unknown"
    ATTENTION = "attention"
    OK = "ok"
    DISABLED = "disabled"


_WORST_FIRST = list(Condition)


@dataclass(frozen=True, slots=True)
class Overdue:
    """What should have happened by now and has not, as which kind of finding, and since when it is missing."""

    kind: FindingKind
    message: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Launched:
    """What is known of the launches of a line.

    `last` is the newest that began, or failed before it could; the rest is as `Course` has it.
    """

    last: Launch | None = None
    waiting: Launch | None = None
    last_due: datetime | None = None
    served: datetime | None = None
    followed: datetime | None = None
    pause: Pause | None = None

    def course(self, *begun: datetime | None, under_way: datetime | None = None) -> Course:
        """The course of the line whose runs began at these times, too."""
        moments = [*begun, under_way, None if self.last is None else _began(self.last)]
        return Course(
            begun=max((moment for moment in moments if moment is not None), default=None),
            under_way=under_way,
            last_due=self.last_due,
            served=self.served,
            waiting=self.waiting,
            followed=self.followed,
            pause=self.pause,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a job on a target.

    `last_run` is the newest run that was begun, skipped ones do not count; where somebody cancelled it, `uncancelled`
    is the newest that nobody did. `under_way` is when the run began that is
    going on now, on whichever target of the job; None where none is. `newest` is the newest snapshot that can be
    read, `proof` what is proven of it and `best` what is proven of any snapshot of the job here, each the highest of
    the whole snapshot. `findings` are those open about the job here or about the target. `launched` are the launches
    that it was part of.
    """

    last_run: Run | None = None
    under_way: datetime | None = None
    newest: SeenSnapshot | None = None
    proof: Proof | None = None
    best: Proof | None = None
    findings: tuple[Finding, ...] = ()
    launched: Launched = field(default_factory=Launched)
    uncancelled: Run | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """What is asked of a job on one of its targets, in which zone, and since when at the latest it is."""

    job: Job
    target: TargetName
    zone: ZoneInfo
    since: datetime

    @property
    def schedule(self) -> Schedule | None:
        """When it runs; None where it does by hand or after another job only, or not at all."""
        return self.job.on(self.target).schedule if self.job.enabled else None

    @property
    def expected(self) -> Expected:
        """What is asked of the line it is run on."""
        timetable = self.job.on(self.target).timetable
        zone = self.zone if timetable is None else timetable.zone
        return Expected(self.since, zone, timetable, self.job.after if timetable is None else None)


@dataclass(frozen=True, slots=True)
class Standing:
    """The judgement: the condition, and the reasons for it, the gravest first. `age` is the newest snapshot's.

    `next_due` is the next time that its schedule names, `next_begin` when it may begin then; jitter and windows count.
    `overdue` is all that makes it `OVERDUE`.
    """

    duty: Duty
    record: Record
    condition: Condition
    reasons: tuple[str, ...] = field(default=())
    next_due: datetime | None = None
    age: timedelta | None = None
    next_begin: datetime | None = None
    overdue: tuple[Overdue, ...] = ()

    @property
    def subject(self) -> str:
        """How findings name it."""
        return f"{self.duty.job.name}@{self.duty.target}"

    @property
    def job(self) -> str:
        """The job's name."""
        return self.duty.job.name


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """What is known of the scheduled check of a target: its runs, as `Record` has them, and its launches."""

    last_run: Run | None = None
    launched: Launched = field(default_factory=Launched)
    uncancelled: Run | None = None


@dataclass(frozen=True, slots=True)
class CheckStanding:
    """How the scheduled check of a target stands; its parts mean what a job's mean."""

    target: TargetName
    plan: CheckPlan
    record: CheckRecord
    condition: Condition
    reasons: tuple[str, ...] = ()
    next_due: datetime | None = None
    next_begin: datetime | None = None
    overdue: tuple[Overdue, ...] = ()

    @property
    def subject(self) -> str:
        """How findings name it."""
        return f"check@{self.target}"

    @property
    def job(self) -> str:
        """No job's name: a check is none."""
        return ""


@dataclass(frozen=True, slots=True)
class _Ground:
    condition: Condition
    reason: str
    overdue: Overdue | None = None


def judge(duty: Duty, record: Record, now: datetime) -> Standing:
    """How a job stands on a target at this time."""
    age = None if record.newest is None else now - record.newest.taken
    if not duty.job.enabled:
        return Standing(duty, record, Condition.DISABLED, age=age)
    run, launched = record.last_run, record.launched
    course = launched.course(_counted(run, record.uncancelled), under_way=record.under_way)
    times = timing(duty.expected, course, now)
    found = [
        *_of_timing(times, FindingKind.RUN_MISSED),
        *_of_snapshot(duty, record, now),
        *_of_last_launch(launched.last, run),
        *_of_last_run(run, record.under_way),
        *_of_pause(launched.pause, duty.zone),
    ]
    overdue = _overdue(found)
    # What is overdue is said already; where it is no longer, somebody should see that it was.
    told = [one for one in record.findings if one.kind not in {ground.kind for ground in overdue}]
    found = _gravest_first([*found, *_of_findings(told)])
    return Standing(
        duty,
        record,
        found[0].condition if found else Condition.OK,
        tuple(ground.reason for ground in found),
        times.next_due,
        age,
        times.next_begin,
        overdue,
    )


def judge_check(
    maintenance: Maintenance, plan: CheckPlan, record: CheckRecord, since: datetime, now: datetime
) -> CheckStanding:
    """How the check that is planned for a target stands at this time; `since` as a job's duty has it."""
    if not maintenance.enabled:
        return CheckStanding(maintenance.target, plan, record, Condition.DISABLED)
    run, launched, zone = record.last_run, record.launched, plan.timetable.zone
    is_going_on = launched.last is not None and launched.last.state is LaunchState.RUNNING
    under_way = launched.last.started if launched.last is not None and is_going_on else None
    course = launched.course(_counted(run, record.uncancelled), under_way=under_way)
    times = timing(Expected(since, zone, plan.timetable), course, now)
    found = _gravest_first(
        [
            *_of_timing(times, FindingKind.CHECK_MISSED),
            *_of_last_launch(launched.last, run),
            *_of_last_check(run),
            *_of_pause(launched.pause, zone),
        ]
    )
    standing = CheckStanding(maintenance.target, plan, record, found[0].condition if found else Condition.OK)
    reasons = tuple(ground.reason for ground in found)
    return replace(
        standing, reasons=reasons, next_due=times.next_due, next_begin=times.next_begin, overdue=_overdue(found)
    )


def _counted(last: Run | None, uncancelled: Run | None) -> datetime | None:
    """When the newest run began that counts as one: what somebody cancelled is not done."""
    run = uncancelled if last is not None and last.outcome is RunOutcome.CANCELLED else last
    return None if run is None else run.started


def _gravest_first(found: Iterable[_Ground]) -> list[_Ground]:
    return sorted(found, key=lambda ground: _WORST_FIRST.index(ground.condition))


def _overdue(found: Iterable[_Ground]) -> tuple[Overdue, ...]:
    return tuple(ground.overdue for ground in found if ground.overdue is not None)


def _of_timing(times: Timing, kind: FindingKind) -> Iterator[_Ground]:
    match times.punctuality:
        case Punctuality.LATE:
            assert times.since is not None
            yield _Ground(Condition.OVERDUE, times.reason, Overdue(kind, times.reason, times.since))
        case Punctuality.WAITING:
            yield _Ground(Condition.ATTENTION, times.reason)
        case Punctuality.UNKNOWN:
            yield _Ground(Condition.UNKNOWN, times.reason)
        case Punctuality.ON_TIME:
            return


def _of_snapshot(duty: Duty, record: Record, now: datetime) -> Iterator[_Ground]:
    rpo, newest, zone = duty.job.objective.rpo, record.newest, duty.zone
    if newest is None:
        if rpo is not None and duty.since + rpo < now:
            yield _exceeded(f"no snapshot is known, nor one of the last {duration_text(rpo)}", duty.since + rpo)
        else:
            yield _Ground(Condition.UNKNOWN, "no snapshot is known")
    elif newest.taken > now + LEEWAY:
        taken = at(newest.taken, zone)
        yield _Ground(Condition.UNKNOWN, f"its newest snapshot is of {taken}, which is still to come")
    elif rpo is not None and now - newest.taken > rpo:
        taken = at(newest.taken, zone)
        yield _exceeded(f"its newest snapshot is of {taken}, older than {duration_text(rpo)}", newest.taken + rpo)


def _exceeded(reason: str, since: datetime) -> _Ground:
    return _Ground(Condition.OVERDUE, reason, Overdue(FindingKind.OBJECTIVE_MISSED, reason, since))


def _of_last_launch(launch: Launch | None, run: Run | None) -> Iterator[_Ground]:
    """What the newest launch says where no run tells of it: it failed before one began here."""
    if launch is None or launch.state is not LaunchState.FAILED:
        return
    if run is None or (run.launch != launch.id and run.started < _began(launch)):
        yield _Ground(Condition.FAILED, f"its last launch failed{_why(launch.reason)}")


def _began(launch: Launch) -> datetime:
    return launch.started or launch.ended or launch.asked


def _of_last_run(run: Run | None, under_way: datetime | None) -> Iterator[_Ground]:
    if run is None:
        return
    match run.outcome:
        case RunOutcome.FAILED:
            yield _Ground(Condition.FAILED, f"its last run failed{_problem(run)}")
        case RunOutcome.RUNNING if run.started != under_way:
            yield _Ground(Condition.FAILED, "its last run was cut off: it never ended, and nothing is running")
        case RunOutcome.INCOMPLETE if run.kind is RunKind.COPY:
            yield _Ground(Condition.ATTENTION, f"its last run could not copy all: {len(run.problems)} problems")
        case RunOutcome.INCOMPLETE:
            yield _Ground(Condition.ATTENTION, f"its last run could not read all: {len(run.problems)} problems")
        case RunOutcome.SKIPPED:
            yield _Ground(Condition.UNKNOWN, "its last run was skipped")
        case RunOutcome.CANCELLED:
            yield _Ground(Condition.ATTENTION, f"its last run came to nothing{_problem(run)}")
        case _:
            return


def _of_last_check(run: Run | None) -> Iterator[_Ground]:
    if run is None:
        return
    match run.outcome:
        case RunOutcome.FAILED:
            yield _Ground(Condition.FAILED, f"the last check failed or found damage{_problem(run)}")
        case RunOutcome.CANCELLED:
            yield _Ground(Condition.ATTENTION, f"the last check came to nothing{_problem(run)}")
        case RunOutcome.INCOMPLETE:
            yield _Ground(Condition.ATTENTION, f"the last check could not read all: {len(run.problems)} problems")
        case _:
            return


def _of_pause(pause: Pause | None, zone: ZoneInfo) -> Iterator[_Ground]:
    if pause is not None:
        until = "until somebody resumes it" if pause.until is None else f"until {at(pause.until, zone)}"
        what = "" if pause.job else ", as everything is"
        yield _Ground(Condition.ATTENTION, f"paused by {pause.by} {until}{what}{_why(pause.reason)}")


def _of_findings(findings: Iterable[Finding]) -> Iterator[_Ground]:
    told = list(findings)
    if told:
        yield _Ground(Condition.ATTENTION, f"{len(told)} open findings" if len(told) > 1 else told[0].message)


def _problem(run: Run) -> str:
    return _why(*(one.message for one in run.problems[:1]))


def _why(*reasons: str) -> str:
    return "".join(f": {reason}" for reason in reasons if reason)
