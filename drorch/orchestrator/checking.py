"""A check of a target becomes proof, or a finding: what it really showed is written down, and nothing beyond.

Promise: proof is granted for what was found sound or read in this very check, and taken back from a snapshot that is
damaged now. Damage in stored data is not taken for mended because a check that did not read it saw nothing.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime

from drorch.actions.check import CheckReport, Finding, FindingKind, ReadAll, Severity, SnapshotStanding
from drorch.catalog.record import Record
from drorch.clock import Clock
from drorch.errors import IntegrityError, Problem
from drorch.model.estimate import READ
from drorch.model.finding import FindingKind as OpenKind
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import Alarm
from drorch.model.run import Run, RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.errand import Errand, told, under_way
from drorch.repository.repository import Repository

_FOUND_BY_READING = frozenset({FindingKind.PACK_UNREADABLE, FindingKind.PACK_DAMAGED, FindingKind.PACK_GAP})


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found, the run it is written down as, and alarms about what vanished or changed meanwhile."""

    run: Run
    report: CheckReport
    alarms: tuple[Alarm, ...]


class Checker:
    """Carries out checks of targets."""

    def __init__(self, books: Books, clock: Clock) -> None:
        self._books = books
        self._clock = clock

    def check(
        self,
        errand: Errand,
        door: Callable[[], AbstractContextManager[Repository]],
        work: Callable[[Repository], CheckReport],
    ) -> Checked:
        """Check the repository behind the door. Raises what opening and checking raise; that is written down, too."""
        with under_way(self._books, errand, self._clock) as run:
            try:
                with door() as repository:
                    alarms = self._books.look(errand.target, repository, run.id).alarms
                    report = work(repository)
            except IntegrityError as fault:
                self._books.open_finding(OpenKind.DAMAGE, errand.target, f"{errand.target}: {fault.message}", run.id)
                raise
            ended = self._ended(run, report)
            self._books.withdraw(
                errand.target, [one.snapshot for one in report.snapshots if not one.sound], ProofLevel.L0
            )
            at = ended.ended or run.started
            self._books.end(Record(ended, proofs=tuple(proofs_of(errand.target, report, at))))
        self._answer_for(errand.target, report, run)
        return Checked(ended, report, alarms)

    def _ended(self, run: Run, report: CheckReport) -> Run:
        return replace(
            run,
            ended=self._clock.now(),
            outcome=_outcome(report),
            counters={
                "errors": len(report.errors),
                "hints": len(report.hints),
                "packs": report.packs,
                "packs_read": report.packs_read,
                "packs_frozen": report.packs_frozen,
                READ: report.bytes_read,
                "snapshots": len(report.snapshots),
                "snapshots_sound": sum(one.sound for one in report.snapshots),
                "snapshots_read": sum(one.read for one in report.snapshots),
            },
            problems=told([Problem(fault.subject, fault.message) for fault in report.findings if _is_told(fault)]),
        )

    def _answer_for(self, target: str, report: CheckReport, run: Run) -> None:
        """Open and close findings: about the structure, and apart from that about data that only reading shows."""
        structure = [fault for fault in report.errors if fault.kind not in _FOUND_BY_READING]
        data = [fault for fault in report.errors if fault.kind in _FOUND_BY_READING]
        self._settle(target, target, structure, run, looked=True)
        read_all = isinstance(report.read_data, ReadAll) and not report.packs_frozen
        self._settle(target, f"{target}:data", data, run, looked=read_all)

    def _settle(self, target: str, subject: str, faults: list[Finding], run: Run, *, looked: bool) -> None:
        if faults:
            more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
            self._books.open_finding(OpenKind.DAMAGE, subject, f"{target}: {faults[0].message}{more}", run.id)
        elif looked:
            self._books.close_findings([OpenKind.DAMAGE], subject, "a later check found it sound")


def _is_told(fault: Finding) -> bool:
    return fault.severity is Severity.ERROR or fault.kind is FindingKind.PACKS_FROZEN


def _outcome(report: CheckReport) -> RunOutcome:
    """Incomplete where packs in cold storage could not be read: that is neither damage nor proof."""
    if report.errors:
        return RunOutcome.FAILED
    return RunOutcome.INCOMPLETE if report.packs_frozen else RunOutcome.OK


def proofs_of(target: str, report: CheckReport, at: datetime) -> Iterator[Proof]:
    """What a check proves of the snapshots that can be read."""
    for standing in report.snapshots:
        for level, scope in _reached(standing, sampled=report.packs_read > 0):
            yield Proof(target, standing.snapshot, scope, level, at)


def _reached(standing: SnapshotStanding, *, sampled: bool) -> Iterable[tuple[ProofLevel, Scope]]:
    yield ProofLevel.L0, Scope.FULL
    if standing.sound:
        yield ProofLevel.L1, Scope.FULL
    if standing.read:
        yield ProofLevel.L2, Scope.FULL
    elif standing.sound and sampled:
        # Its trees were read, and of the packs a part: nothing of either was bad for this snapshot.
        yield ProofLevel.L2, Scope.SAMPLE
