"""Runs a job on a target: one at a time, written down before, during and after, whatever becomes of it.

What to do is given as a function over the opened repository; here is decided what it means: ok, incomplete, failed.
What a job with several targets needs beyond that is in copying.py.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from drorch.actions.backup import BackupResult
from drorch.catalog.record import Record, Stored
from drorch.clock import INTERRUPTION, Clock
from drorch.errors import DrorchError, JobBusy, Outcome, Problem
from drorch.model.finding import FindingKind
from drorch.model.names import JobName
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import Alarm
from drorch.model.run import Run, RunKind, RunOutcome, Trigger
from drorch.orchestrator.books import Books
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.seen import seen
from drorch.orchestrator.turn import NO_PATIENCE, turn_with
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing

MOST_PROBLEMS = 1000
"""Problems of a run that are written down; beyond that, their number."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job to be run on one target, by whom and under which configuration.

    `keeps_history` is set for one target of a job: the same paths need not be recorded twice. `patience` is how long
    it waits for another run of the same job. `launch` is the launch that its run belongs to, empty where there is none.
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
    launch: str = ""

    @property
    def subject(self) -> str:
        """How findings name it."""
        return f"{self.job}@{self.target}"


@dataclass(frozen=True, slots=True)
class RunReport:
    """What became of a run: the run, the result where a backup saved a snapshot, the error where it failed.

    `listing` is what the target held before a backup. `counts_as` is the exit code it stands for where that is not
    its own: a target that failed while another one answered lacks a copy, whatever its fault was.
    """

    run: Run
    result: BackupResult | None
    fault: DrorchError | None
    alarms: tuple[Alarm, ...]
    listing: SnapshotListing | None = None
    counts_as: int | None = None

    @property
    def exit_code(self) -> int:
        """What a command that did only this ends with."""
        if self.counts_as is not None:
            return self.counts_as
        if self.fault is not None:
            return int(self.fault.exit_code)
        return int(Outcome.SOURCE_INCOMPLETE if self.run.problems else Outcome.OK)


class Runner:
    """Carries out assignments."""

    def __init__(self, books: Books, state_dir: Path, clock: Clock) -> None:
        self.books = books
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
        written down (`interrupt`) and raised.
        """
        try:
            with self.turn(assignment):
                return self.attempt(assignment, door, work)
        except JobBusy as fault:
            return self.skip(assignment, fault)

    @contextmanager
    def turn(self, assignment: Assignment) -> Iterator[None]:
        """Be the only one who runs the job meanwhile. Raises `JobBusy`."""
        with turn_with(assignment.job, self._state_dir, self._clock, assignment.patience) as complaint:
            if complaint is not None:
                self.books.complaints.append(complaint)
            yield

    def attempt(
        self,
        assignment: Assignment,
        door: Callable[[], AbstractContextManager[Repository]],
        work: Callable[[Repository], BackupResult],
    ) -> RunReport:
        """As `back_up`, for whoever has the turn."""
        run = self.new_run(assignment)
        try:
            self.books.begin(run)
            return self._carry_out(assignment, run, door, work)
        except DrorchError as fault:
            return self.fail(assignment, Record(run), fault)
        except BaseException as interruption:
            self.interrupt(assignment, Record(run), interruption)
            raise

    def _carry_out(
        self,
        assignment: Assignment,
        run: Run,
        door: Callable[[], AbstractContextManager[Repository]],
        work: Callable[[Repository], BackupResult],
    ) -> RunReport:
        with door() as repository:
            look = self.books.look(assignment.target, repository, run.id)
            result = work(repository)
            named = NamedSnapshot(result.id, result.snapshot)
            ended = self._ended(run, result)
            self.books.end(replace(self._record(assignment, ended, named), facts=result.facts))
            if assignment.keeps_history:
                self.books.remember_paths(repository, named)
        self.books.close_findings([FindingKind.RUN_FAILED, FindingKind.RUN_MISSED], assignment.subject, "it ran well")
        return RunReport(ended, result, None, look.alarms, look.listing)

    def new_run(self, assignment: Assignment, kind: RunKind = RunKind.BACKUP) -> Run:
        """A run that begins now."""
        return Run(
            id=uuid.uuid4().hex,
            job=assignment.job,
            kind=kind,
            host=assignment.host,
            started=self._clock.now(),
            target=assignment.target,
            config_hash=assignment.config_hash,
            versions=assignment.versions,
            trigger=assignment.trigger,
            user=assignment.doer.user,
            launch=assignment.launch,
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

    def skip(self, assignment: Assignment, fault: DrorchError) -> RunReport:
        """Write down that nothing was begun, and why."""
        skipped = replace(self._over(self.new_run(assignment), assignment.subject, fault), outcome=RunOutcome.SKIPPED)
        self.books.end(Record(skipped))
        return RunReport(skipped, None, fault, ())

    def fail(self, assignment: Assignment, so_far: Record, fault: DrorchError) -> RunReport:
        """Write down that a run failed, and what it had stored before; a finding is open about it from now on."""
        subject = assignment.subject
        ended = self._over(so_far.run, subject, fault)
        self.books.end(replace(so_far, run=ended))
        self.books.open_finding(FindingKind.RUN_FAILED, subject, f"{subject}: {fault.message}", ended.id)
        return RunReport(ended, None, fault, ())

    def interrupt(self, assignment: Assignment, so_far: Record, interruption: BaseException) -> None:
        """Write down that a run was interrupted: it has failed, unless somebody wanted that, who needs no alarm."""
        fault = DrorchError(why(interruption))
        if interrupted_as() is RunOutcome.FAILED:
            self.fail(assignment, so_far, fault)
            return
        over = replace(self._over(so_far.run, assignment.subject, fault), outcome=interrupted_as())
        self.books.end(replace(so_far, run=over))

    def _over(self, run: Run, subject: str, fault: DrorchError) -> Run:
        problems = (Problem(subject, fault.message),)
        return replace(run, ended=self._clock.now(), outcome=RunOutcome.FAILED, problems=problems)


def why(interruption: BaseException) -> str:
    """What is written down of what interrupted a run: the reason that was given for stopping it, else its kind."""
    if INTERRUPTION.came and INTERRUPTION.reason:
        return f"it was stopped: {INTERRUPTION.reason}"
    if interrupted_as() is RunOutcome.CANCELLED:
        return "it was stopped: somebody cancelled it"
    return f"it was interrupted ({type(interruption).__name__})"


def interrupted_as() -> RunOutcome:
    """What an interruption makes of a run."""
    return RunOutcome.CANCELLED if INTERRUPTION.came and INTERRUPTION.wanted else RunOutcome.FAILED
