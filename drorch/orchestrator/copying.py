"""A job with several targets: its source is read into the first that answers, and the others get copies.

Promise: a target that fails keeps no other one from its snapshots, and what one lacks of what its retention would keep
it gets from whichever has it, the next time it answers. Each copy is a run of its own, and its proof starts at L0.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from drorch.actions.backup import BackupResult
from drorch.actions.copy import CopyResult, execute_copy, original_of, plan_copy
from drorch.actions.progress import Progress
from drorch.catalog.record import Record, Stored
from drorch.clock import Clock
from drorch.errors import DrorchError, JobBusy, Outcome, Problem, SourceError
from drorch.ids import SnapshotId
from drorch.model.finding import FindingKind
from drorch.model.hold import Lineage
from drorch.model.keeping import kept
from drorch.model.names import TargetName
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import Alarm
from drorch.model.retention import Retention
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.orchestrator.books import Books
from drorch.orchestrator.errand import Errand, told, under_way
from drorch.orchestrator.runner import Assignment, Runner, RunReport
from drorch.orchestrator.seen import seen
from drorch.repository.repository import NamedSnapshot, Repository, SnapshotListing
from drorch.repository.writer import DEFAULT_POLICY, WritePolicy, Writer

Door = Callable[[], AbstractContextManager[Repository]]
Work = Callable[[Repository], BackupResult]


@dataclass(frozen=True, slots=True)
class Post:
    """A target of a job: what opens its repository, locked against removal, and what is kept there (None: all)."""

    target: TargetName
    door: Door
    retention: Retention | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """A job to be run on all of its targets, in this order. The assignment's own target does not count.

    Retentions count days and weeks in `zone`. `progress` is asked for anew for each copy, by the target it goes to.
    """

    assignment: Assignment
    posts: tuple[Post, ...]
    zone: ZoneInfo
    progress: Callable[[TargetName], AbstractContextManager[Progress]]
    policy: WritePolicy = DEFAULT_POLICY


@dataclass(slots=True)
class _Station:
    """A target that answers, open and locked; `snapshots` are those of the job that it holds, oldest first."""

    post: Post
    repository: Repository
    snapshots: list[NamedSnapshot] = field(default_factory=list)
    alarms: tuple[Alarm, ...] = ()

    @property
    def originals(self) -> set[SnapshotId]:
        """By what name copies know each of its snapshots."""
        return {original_of(named) for named in self.snapshots}

    def take_in(self, arrived: Sequence[NamedSnapshot]) -> None:
        """It holds these too from now on."""
        together = [*self.snapshots, *arrived]
        self.snapshots = sorted(together, key=lambda named: (named.snapshot.time, named.id))


Gifts = Sequence[tuple[_Station, list[NamedSnapshot]]]
"""What a target lacks, by who gives it."""


class Rounds:
    """Runs jobs on all of their targets."""

    def __init__(self, runner: Runner, clock: Clock) -> None:
        self._runner = runner
        self._books = runner.books
        self._clock = clock

    def run(self, to_do: Round, work: Work) -> Iterator[RunReport]:
        """Back up to the first target that answers, then copy: a report for each target, as soon as it is known.

        A target that fails while another one answers counts as a missing copy (exit code 24). Where none answers, all
        count as the first one's fault; where the source fails, nothing is copied.
        """
        try:
            with self._runner.turn(to_do.assignment):
                yield from self.in_turn(to_do, work)
        except JobBusy as fault:
            yield self._runner.skip(replace(to_do.assignment, target=to_do.posts[0].target), fault)

    def in_turn(self, to_do: Round, work: Work) -> Iterator[RunReport]:
        """As `run`, for whoever has the turn."""
        yield from _Circuit(self._runner, self._clock, to_do).go(work)


class _Circuit:
    """One run of one job on all of its targets, by whoever has the turn."""

    def __init__(self, runner: Runner, clock: Clock, to_do: Round) -> None:
        self._runner = runner
        self._books = runner.books
        self._clock = clock
        self._to_do = to_do
        self._lineage = Lineage(to_do.assignment.host, to_do.assignment.job)
        self._stations: list[_Station] = []

    def go(self, work: Work) -> Iterator[RunReport]:
        failed: list[RunReport] = []
        posts = iter(self._to_do.posts)
        with ExitStack() as held:
            for post in posts:
                report = self._back_up(post, work, held)
                if report.fault is None:
                    yield from (_lacking(one) for one in failed)
                    yield report
                    break
                failed.append(report)
                if isinstance(report.fault, SourceError):
                    yield from failed
                    return
            else:
                yield from (replace(one, counts_as=failed[0].exit_code) for one in failed)
                return
            yield from self._copy_to(posts, held)

    def _at(self, post: Post) -> Assignment:
        return replace(self._to_do.assignment, target=post.target)

    def _back_up(self, post: Post, work: Work, held: ExitStack) -> RunReport:
        @contextmanager
        def left_open() -> Iterator[Repository]:
            with ExitStack() as stack:
                repository = stack.enter_context(post.door())
                yield repository
                held.callback(self._leave, post, stack.pop_all())
                self._stations.append(_Station(post, repository))

        report = self._runner.attempt(self._at(post), left_open, work)
        if report.result is not None and report.listing is not None:
            saved = NamedSnapshot(report.result.id, report.result.snapshot)
            self._stations[0].snapshots = [*self._own(report.listing), saved]
        return report

    def _leave(self, post: Post, stack: ExitStack) -> None:
        """Let go of a target. What goes wrong then undoes nothing, and is told."""
        try:
            stack.close()
        except DrorchError as fault:
            self._books.complaints.append(f"{post.target} could not be left in order: {fault.message}")

    def _own(self, listing: SnapshotListing) -> list[NamedSnapshot]:
        return [named for named in listing.snapshots if seen(named).lineage == self._lineage]

    def _copy_to(self, posts: Iterator[Post], held: ExitStack) -> Iterator[RunReport]:
        """Open the targets that were not tried yet, see what each of all lacks, and copy that."""
        first = self._stations[0]
        for post in posts:
            run = self._runner.new_run(self._at(post), RunKind.COPY)
            try:
                self._stations.append(self._open(post, held))
            except DrorchError as fault:
                yield _lacking(self._runner.fail(self._at(post), Record(run), fault))
        for station in [*self._stations[1:], first]:
            gifts = self._lacked_by(station)
            if gifts or station is not first:
                yield self._copy(station, gifts)

    def _open(self, post: Post, held: ExitStack) -> _Station:
        with ExitStack() as stack:
            repository = stack.enter_context(post.door())
            look = self._books.look(post.target, repository, None)
            held.callback(self._leave, post, stack.pop_all())
            return _Station(post, repository, self._own(look.listing), look.alarms)

    def _lacked_by(self, station: _Station) -> Gifts:
        """What a target's retention would keep of all that the job has anywhere, and is not there."""
        taken: dict[SnapshotId, datetime] = {}
        for one in self._stations:
            for named in one.snapshots:
                taken[original_of(named)] = named.snapshot.moment.astimezone(self._to_do.zone)
        wanted = kept(station.post.retention, taken, self._clock.now()) - station.originals
        gifts = []
        for giver in self._stations:
            given = {original_of(named): named for named in giver.snapshots if original_of(named) in wanted}
            wanted -= given.keys()
            if given:
                gifts.append((giver, list(given.values())))
        return gifts

    def _copy(self, station: _Station, gifts: Gifts) -> RunReport:
        assignment = self._at(station.post)
        arrivals = _Arrivals(self._runner.new_run(assignment, RunKind.COPY))
        self._books.begin(arrivals.run)
        try:
            progressing = self._to_do.progress(station.post.target)
            with progressing as progress, Writer(station.repository, self._to_do.policy) as writer:
                for giver, wanted in gifts:
                    plan = plan_copy(giver.repository, station.repository, wanted, station.snapshots)
                    station.take_in(arrivals.take_in(execute_copy(giver.repository, writer, plan, progress)))
        except DrorchError as fault:
            self._stations.remove(station)
            report = self._runner.fail(assignment, arrivals.record(self._clock.now()), fault)
            return _lacking(replace(report, alarms=station.alarms))
        except BaseException as interruption:
            self._runner.interrupt(assignment, arrivals.record(self._clock.now()), interruption)
            raise
        record = arrivals.record(self._clock.now())
        self._books.end(record)
        report = RunReport(record.run, None, None, station.alarms)
        if record.run.problems:
            return _lacking(report)
        kinds = [FindingKind.RUN_FAILED, FindingKind.RUN_MISSED]
        self._books.close_findings(kinds, assignment.subject, "it has its copies")
        return report


class _Arrivals:
    """What a run has copied to a target so far."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._copied: list[NamedSnapshot] = []
        self._problems: list[Problem] = []
        self._counters: Mapping[str, int] = {}
        self._fetched = 0

    def take_in(self, result: CopyResult) -> list[NamedSnapshot]:
        """What came from one giver: the snapshots as they are on the target from now on."""
        arrived = [new for _, new in result.copied]
        self._copied += arrived
        self._problems += result.problems
        self._fetched += result.bytes_fetched
        self._counters = {
            "snapshots_copied": len(self._copied),
            "data_blobs": result.stored.data_blobs,
            "tree_blobs": result.stored.tree_blobs,
            "data_added": result.stored.data_added,
            "data_added_packed": result.stored.data_added_packed,
            "bytes_fetched": self._fetched,
        }
        return arrived

    def record(self, now: datetime) -> Record:
        """The run as ended now, and the snapshots that arrived: they are listed there, and no more is proven."""
        target = self.run.target
        newest = max(self._copied, key=lambda named: named.snapshot.time, default=None)
        ended = replace(
            self.run,
            ended=now,
            outcome=RunOutcome.INCOMPLETE if self._problems else RunOutcome.OK,
            snapshot=None if newest is None else newest.id,
            counters=self._counters,
            problems=told(self._problems),
        )
        stored = tuple(Stored(target, seen(named)) for named in self._copied)
        proofs = tuple(Proof(target, named.id, Scope.FULL, ProofLevel.L0, now) for named in self._copied)
        return Record(ended, stored, proofs)


@dataclass(frozen=True, slots=True)
class HandCopy:
    """What a copy by hand did, and alarms about what vanished or changed on the target before."""

    result: CopyResult
    alarms: tuple[Alarm, ...]


def copy_by_hand(
    books: Books, errand: Errand, destination: Repository, clock: Clock, work: Callable[[], CopyResult]
) -> HandCopy:
    """Copy to a target, as a run of its own. Raises what `work` raises, written down."""
    with under_way(books, errand, clock) as run:
        alarms = books.look(errand.target, destination, run.id).alarms
        arrivals = _Arrivals(run)
        result = work()
        arrivals.take_in(result)
        books.end(arrivals.record(clock.now()))
        return HandCopy(result, alarms)


def _lacking(report: RunReport) -> RunReport:
    """A report that a target lacks a copy."""
    return replace(report, counts_as=int(Outcome.COPY_MISSING))
