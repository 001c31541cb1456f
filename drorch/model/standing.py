"""How a job stands on one of its targets: judged from what is known and the time, and from nothing else.

Promise: unknown is never well. Where nothing is known of a run or of a snapshot, that is said; a job is well only
where something happened that makes it so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from drorch.model.finding import Finding
from drorch.model.job import Job
from drorch.model.names import TargetName
from drorch.model.proof import Proof
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.model.schedule import Schedule, next_time
from drorch.units import duration_text

LEEWAY = timedelta(minutes=1)
"""How much later than it is due a run may begin, and how far two clocks may be apart."""


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
class Record:
    """What is known of a job on a target.

    `last_run` is the newest run that was begun, skipped ones do not count. `under_way` is when the run began that is
    going on now, on whichever target of the job; None where none is. `newest` is the newest snapshot that can be
    read, `proof` what is proven of it and `best` what is proven of any snapshot of the job here, each the highest of
    the whole snapshot. `findings` are those open about the job here or about the target.
    """

    last_run: Run | None = None
    under_way: datetime | None = None
    newest: SeenSnapshot | None = None
    proof: Proof | None = None
    best: Proof | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class Duty:
    """What is asked of a job on one of its targets, in which zone, and since when at the latest it is."""

    job: Job
    target: TargetName
    zone: ZoneInfo
    since: datetime

    @property
    def schedule(self) -> Schedule | None:
        """When it runs; None where it does by hand only, or not at all."""
        return self.job.on(self.target).schedule if self.job.enabled else None


@dataclass(frozen=True, slots=True)
class Standing:
    """The judgement: the condition, and the reasons for it, the gravest first. `age` is the newest snapshot's."""

    duty: Duty
    record: Record
    condition: Condition
    reasons: tuple[str, ...] = field(default=())
    next_due: datetime | None = None
    age: timedelta | None = None


@dataclass(frozen=True, slots=True)
class _Ground:
    condition: Condition
    reason: str


def judge(duty: Duty, record: Record, now: datetime) -> Standing:
    """How a job stands on a target at this time."""
    age = None if record.newest is None else now - record.newest.taken
    if not duty.job.enabled:
        return Standing(duty, record, Condition.DISABLED, age=age)
    found = [
        *_of_schedule(duty, record, now),
        *_of_snapshot(duty, record, now),
        *_of_last_run(record),
        *_of_findings(record),
    ]
    found.sort(key=lambda ground: _WORST_FIRST.index(ground.condition))
    return Standing(
        duty,
        record,
        found[0].condition if found else Condition.OK,
        tuple(ground.reason for ground in found),
        None if duty.schedule is None else next_time(duty.schedule, now, duty.zone),
        age,
    )


def _of_schedule(duty: Duty, record: Record, now: datetime) -> Iterator[_Ground]:
    begun = [moment for moment in (record.last_run and record.last_run.started, record.under_way) if moment]
    last = max(begun, default=None)
    if last is not None and last > now + LEEWAY:
        yield _Ground(Condition.UNKNOWN, f"its last run began at {_at(last, duty)}, which is still to come")
    elif duty.schedule is None:
        if last is None:
            yield _Ground(Condition.UNKNOWN, "it never ran")
    else:
        due = next_time(duty.schedule, last or duty.since, duty.zone)
        if last is not None and due + LEEWAY <= now:
            yield _Ground(Condition.OVERDUE, f"it was due {_at(due, duty)}, and last began {_at(last, duty)}")
        elif last is None and due + LEEWAY <= now:
            yield _Ground(Condition.OVERDUE, f"it never ran, and was due {_at(due, duty)}")
        elif last is None:
            yield _Ground(Condition.UNKNOWN, f"it never ran; it is due {_at(due, duty)}")


def _of_snapshot(duty: Duty, record: Record, now: datetime) -> Iterator[_Ground]:
    rpo, newest = duty.job.objective.rpo, record.newest
    if newest is None:
        if rpo is not None and duty.since + rpo < now:
            yield _Ground(Condition.OVERDUE, f"no snapshot is known, nor one of the last {duration_text(rpo)}")
        else:
            yield _Ground(Condition.UNKNOWN, "no snapshot is known")
    elif newest.taken > now + LEEWAY:
        yield _Ground(Condition.UNKNOWN, f"its newest snapshot is of {_at(newest.taken, duty)}, which is still to come")
    elif rpo is not None and now - newest.taken > rpo:
        taken = _at(newest.taken, duty)
        yield _Ground(Condition.OVERDUE, f"its newest snapshot is of {taken}, older than {duration_text(rpo)}")


def _of_last_run(record: Record) -> Iterator[_Ground]:
    run = record.last_run
    if run is None:
        return
    match run.outcome:
        case RunOutcome.FAILED:
            why = f": {run.problems[0].message}" if run.problems else ""
            yield _Ground(Condition.FAILED, f"its last run failed{why}")
        case RunOutcome.RUNNING if run.started != record.under_way:
            yield _Ground(Condition.FAILED, "its last run was cut off: it never ended, and nothing is running")
        case RunOutcome.INCOMPLETE if run.kind is RunKind.COPY:
            yield _Ground(Condition.ATTENTION, f"its last run could not copy all: {len(run.problems)} problems")
        case RunOutcome.INCOMPLETE:
            yield _Ground(Condition.ATTENTION, f"its last run could not read all: {len(run.problems)} problems")
        case RunOutcome.SKIPPED:
            yield _Ground(Condition.UNKNOWN, "its last run was skipped")
        case _:
            return


def _of_findings(record: Record) -> Iterator[_Ground]:
    count = len(record.findings)
    if count:
        yield _Ground(Condition.ATTENTION, f"{count} open findings" if count > 1 else record.findings[0].message)


def _at(moment: datetime, duty: Duty) -> str:
    return f"{moment.astimezone(duty.zone):%Y-%m-%d %H:%M %Z}"
