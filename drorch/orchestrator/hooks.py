"""Hooks: the operator's own commands around a run of a job.

Promises: each is run once for a run of a job, however many targets that has; those for failures and for always get
their time after an interruption, too; none is given a variable that may hold a secret; none outlives its time.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from drorch.catalog.record import Record
from drorch.errors import DrorchError, HookFailed, Outcome, Problem
from drorch.model.hook import Hook, HookFailure, HookTime
from drorch.model.names import TargetName
from drorch.model.run import RunOutcome
from drorch.orchestrator.runner import Assignment, Runner, RunReport, interrupted_as, why
from drorch.process.commands import HARMLESS_VARIABLES, ChildFailed, describe_status, run_whole
from drorch.secrets import redacted

_ERROR_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class HookPlan:
    """The hooks of one run of a job on its targets. `run_id` names this run of the job, or the launch that made it."""

    hooks: tuple[Hook, ...]
    targets: tuple[TargetName, ...]
    run_id: str


def with_hooks(
    plan: HookPlan, runner: Runner, assignment: Assignment, work: Callable[[], Iterator[RunReport]]
) -> Iterator[RunReport]:
    """Run a job with its hooks around it, for whoever has the turn: the reports of `work`, and what hooks add to them.

    Where a hook before it fails for good, the source is not touched and the run has failed on each target. Where one
    fails for good after a snapshot was saved, the snapshot stays: the run that saved it is incomplete from then on and
    reported once more, with `HookFailed`. Everything else that hooks complain of is among the complaints of the books.
    """
    course = _Course(plan, runner, assignment)
    try:
        yield from course.go(work)
        course.conclude()
    except BaseException as interruption:
        course.give_up(interruption)
        raise
    finally:
        course.close()
    yield from course.afterthought()


class _Course:
    """One run of a job and what is known of it so far."""

    def __init__(self, plan: HookPlan, runner: Runner, assignment: Assignment) -> None:
        self._plan = plan
        self._runner = runner
        self._assignment = assignment
        self._reports: list[RunReport] = []
        self._fault: HookFailed | None = None
        self._stopped: str | None = None
        self._has_failed = False

    def go(self, work: Callable[[], Iterator[RunReport]]) -> Iterator[RunReport]:
        for report in work() if self._is_prepared() else self._refused():
            self._reports.append(report)
            yield report

    def conclude(self) -> None:
        if not self._run_has_failed:
            self._run(HookTime.AFTER)
        if self._run_has_failed or self._fault is not None:
            self._run_failure()

    def give_up(self, interruption: BaseException) -> None:
        self._stopped = interruption.message if isinstance(interruption, DrorchError) else why(interruption)
        self._run_failure()

    def close(self) -> None:
        self._run(HookTime.ALWAYS)

    def afterthought(self) -> Iterator[RunReport]:
        """The run that saved a snapshot once more, where a hook failed for good afterwards."""
        saved = next((report for report in self._reports if report.run.snapshot is not None), None)
        if self._fault is None or saved is None or self._run_has_failed:
            return
        run = saved.run
        problems = (*run.problems, Problem(self._assignment.job, self._fault.message))
        told = replace(run, outcome=RunOutcome.INCOMPLETE, problems=problems)
        self._runner.books.end(Record(told))
        yield replace(saved, run=told, fault=self._fault, alarms=())

    def _is_prepared(self) -> bool:
        """Run the hooks before the source is touched, until one fails for good."""
        try:
            for hook in self._hooks(HookTime.BEFORE):
                self._fault = self._fault_of(hook)
                if self._fault is not None:
                    return False
        except BaseException as interruption:
            run = self._runner.new_run(self._assignment)
            self._runner.interrupt(self._assignment, Record(run), interruption)
            raise
        return True

    def _refused(self) -> Iterator[RunReport]:
        assert self._fault is not None
        for target in self._plan.targets:
            assignment = replace(self._assignment, target=target)
            yield self._runner.fail(assignment, Record(self._runner.new_run(assignment)), self._fault)

    def _run_failure(self) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._run(HookTime.FAILURE)

    def _run(self, when: HookTime) -> None:
        """Run all hooks of a time; the first that fails for good counts."""
        for hook in self._hooks(when):
            fault = self._fault_of(hook)
            self._fault = self._fault or fault

    def _hooks(self, when: HookTime) -> Sequence[Hook]:
        return [hook for hook in self._plan.hooks if hook.when is when]

    def _fault_of(self, hook: Hook) -> HookFailed | None:
        """Run a hook; its failure, where that counts. What is to be told of it is told."""
        reason, said = _failure_of(hook, self._environment(hook.when))
        if reason is None or hook.on_failure is HookFailure.IGNORE:
            return None
        message = f"the hook {hook.command[0]} ({hook.when}) {reason}"
        heard = redacted(said).strip()
        complaint = f"{self._assignment.job}: {message}{'; it said: ' if heard else ''}{heard}"
        self._runner.books.complaints.append(complaint)
        if hook.on_failure is HookFailure.WARN:
            return None
        hint = 'Run it by hand, mend it, or let it fail with on_failure = "warn".'
        return HookFailed(message, hint=hint)

    def _environment(self, when: HookTime) -> dict[str, str]:
        """What a hook is told: of the world what is harmless, and what is known of the run."""
        told = {name: os.environ[name] for name in HARMLESS_VARIABLES if name in os.environ}
        told["DRORCH_JOB"] = self._assignment.job
        told["DRORCH_TARGETS"] = " ".join(self._plan.targets)
        told["DRORCH_RUN_ID"] = self._plan.run_id
        told["DRORCH_HOOK"] = when.value
        if when is HookTime.BEFORE:
            return told
        snapshots = [report.run.snapshot.hex() for report in self._reports if report.run.snapshot is not None]
        told["DRORCH_OUTCOME"] = self._outcome.value
        told["DRORCH_SNAPSHOT"] = " ".join(dict.fromkeys(snapshots))
        told["DRORCH_EXIT_CODE"] = str(int(self._exit_code))
        told["DRORCH_ERROR"] = _one_line(redacted(self._error))
        return told

    @property
    def _run_has_failed(self) -> bool:
        """Whether the run of the job failed on any target."""
        return any(report.fault is not None for report in self._reports)

    @property
    def _exit_code(self) -> int:
        if self._stopped is not None:
            return Outcome.INTERRUPTED
        own = [] if self._fault is None else [self._fault.exit_code]
        return max([*own, *(report.exit_code for report in self._reports)], default=0)

    @property
    def _outcome(self) -> RunOutcome:
        if self._stopped is not None:
            return interrupted_as()
        if self._run_has_failed:
            return RunOutcome.FAILED
        return RunOutcome.OK if self._exit_code == Outcome.OK else RunOutcome.INCOMPLETE

    @property
    def _error(self) -> str:
        if self._stopped is not None:
            return self._stopped
        faults = [report.fault.message for report in self._reports if report.fault is not None]
        return faults[0] if faults else "" if self._fault is None else self._fault.message


def _failure_of(hook: Hook, environment: dict[str, str]) -> tuple[str | None, str]:
    """Why a hook failed, in words (None: it did not), and what it said."""
    try:
        ended = run_whole(hook.command, timeout=hook.timeout.total_seconds(), environment=environment)
    except ChildFailed as fault:
        reason = fault.message.removeprefix(f"command {hook.command[0]}").lstrip(": ")
        return reason, str(fault.context.get("said", ""))
    return (describe_status(ended.status), ended.said) if ended.status else (None, "")


def _one_line(text: str) -> str:
    """A text that any variable can hold: on one line, encodable, bounded."""
    plain = text.replace("\0", "").encode("utf-8", "backslashreplace").decode()
    return " ".join(plain.split())[:_ERROR_CHARACTERS]
