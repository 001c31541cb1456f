"""Runs a job on a target: one at a time, written down before, during and after, whatever becomes of it.

What to do is given as a function over the opened repository; here is decided what it means: ok, incomplete, failed.
"""

import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from drorch.actions.backup import BackupResult
from drorch.catalog.record import Record, Stored
from drorch.clock import Clock
from drorch.errors import DrorchError, JobBusy, Problem
from drorch.model.finding import FindingKind
from drorch.model.names import JobName
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import Alarm
from drorch.model.run import Run, RunKind, RunOutcome, Trigger
from drorch.orchestrator.books import Books, Doer
from drorch.orchestrator.seen import seen
from drorch.orchestrator.turn import NO_PATIENCE, turn_with
from drorch.repository.repository import NamedSnapshot, Repository

MOST_PROBLEMS = 1000
"""Problems of a run that are written down; beyond that, their number."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job to be run on one target, by whom and under which configuration.

    `keeps_history` is set for one target of a job: the same paths need not be recorded twice. `patience` is how long
    it waits for another run of the same job.
    """

    job: JobName
    target: str
    host: str
    doer: Doer
    config_hash: str
    versions: Mapping[str, str]
    trigger: Trigger = Trigger.HAND
    keeps_history: bool = True
    patience: timedelta = NO_PATIENCE

    @property
    def subject(self) -> str:
        """How findings name it."""
        return f"{self.job}@{self.target}"


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of a run: the run, the result where a snapshot was saved, the error where none was."""

    run: Run
    result: BackupResult | None
    fault: DrorchError | None
    alarms: tuple[Alarm, ...]


class Runner:
    """Carries out assignments."""

    def __init__(self, books: Books, state_dir: Path, clock: Clock) -> None:
        self._books = books
        self._state_dir = state_dir
        self._clock = clock

    def back_up(
        self,
        assignment: Assignment,
        door: Callable[[], AbstractContextManager[Repository]],
        work: Callable[[Repository], BackupResult],
    ) -> RunReport:
        """Run a backup job on the target behind the door.

        An error of drorch's is in the report, and written down. Anything else, an interruption for instance, is
        written down as a failure and raised.
        """
        run = self._new_run(assignment)
        try:
            with turn_with(assignment.job, self._state_dir, self._clock, assignment.patience) as complaint:
                if complaint is not None:
                    self._books.complaints.append(complaint)
                self._books.begin(run)
                return self._carry_out(assignment, run, door, work)
        except JobBusy as fault:
            skipped = replace(self._over(run, assignment.subject, fault), outcome=RunOutcome.SKIPPED)
            self._books.end(Record(skipped))
            return RunReport(skipped, None, fault, ())
        except DrorchError as fault:
            return self._failed(assignment, run, fault)
        except BaseException as interruption:
            self._failed(assignment, run, DrorchError(f"it was interrupted ({type(interruption).__name__})"))
            raise

    def _carry_out(
        self,
        assignment: Assignment,
        run: Run,
        door: Callable[[], AbstractContextManager[Repository]],
        work: Callable[[Repository], BackupResult],
    ) -> RunReport:
        with door() as repository:
            alarms = self._books.look(assignment.target, repository, run.id).alarms
            result = work(repository)
            named = NamedSnapshot(result.id, result.snapshot)
            ended = self._ended(run, result)
            self._books.end(self._record(assignment, ended, named))
            if assignment.keeps_history:
                self._books.remember_paths(repository, named)
        self._books.close_findings([FindingKind.RUN_FAILED, FindingKind.RUN_MISSED], assignment.subject, "it ran well")
        return RunReport(ended, result, None, alarms)

    def _new_run(self, assignment: Assignment) -> Run:
        return Run(
            id=uuid.uuid4().hex,
            job=assignment.job,
            kind=RunKind.BACKUP,
            host=assignment.host,
            started=self._clock.now(),
            target=assignment.target,
            config_hash=assignment.config_hash,
            versions=assignment.versions,
            trigger=assignment.trigger,
            user=assignment.doer.user,
        )

    def _ended(self, run: Run, result: BackupResult) -> Run:
        problems = result.problems
        if len(problems) > MOST_PROBLEMS:
            more = Problem("", f"and {len(problems) - MOST_PROBLEMS} more problems")
            problems = (*problems[:MOST_PROBLEMS], more)
        return replace(
            run,
            ended=self._clock.now(),
            outcome=RunOutcome.INCOMPLETE if problems else RunOutcome.OK,
            snapshot=result.id,
            counters={name: value for name, value in result.summary.items() if isinstance(value, int)},
            problems=problems,
        )

    @staticmethod
    def _record(assignment: Assignment, ended: Run, named: NamedSnapshot) -> Record:
        assert ended.ended is not None
        listed = Proof(assignment.target, named.id, Scope.FULL, ProofLevel.L0, ended.ended)
        return Record(ended, (Stored(assignment.target, seen(named)),), (listed,))

    def _over(self, run: Run, subject: str, fault: DrorchError) -> Run:
        problems = (Problem(subject, fault.message),)
        return replace(run, ended=self._clock.now(), outcome=RunOutcome.FAILED, problems=problems)

    def _failed(self, assignment: Assignment, run: Run, fault: DrorchError) -> RunReport:
        subject = assignment.subject
        ended = self._over(run, subject, fault)
        self._books.end(Record(ended))
        self._books.open_finding(FindingKind.RUN_FAILED, subject, f"{subject}: {fault.message}", run.id)
        return RunReport(ended, None, fault, ())
