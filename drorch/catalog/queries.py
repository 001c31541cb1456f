"""What the catalog knows, read by everybody above: runs, known snapshots, proof, holds, findings."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection, Engine, RowMapping, Select, func, select

from drorch.catalog import rows
from drorch.catalog.engine import batches, reading
from drorch.catalog.record import Stored
from drorch.catalog.tables import COMMENT, FACTS, FINDING, HOLD, KNOWN_SNAPSHOT, PROBLEM, PROOF, RUN
from drorch.errors import CatalogError, Problem
from drorch.ids import SnapshotId
from drorch.model.facts import DumpFacts
from drorch.model.finding import Comment, Finding, FindingState
from drorch.model.hold import Hold, Lineage
from drorch.model.proof import Proof
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs: those that fit everything that is given, the newest `limit` of them."""

    job: str | None = None
    target: str | None = None
    host: str | None = None
    kinds: Collection[RunKind] = ()
    outcomes: Collection[RunOutcome] = ()
    since: datetime | None = None
    snapshot: SnapshotId | None = None
    launch: str | None = None
    limit: int = 100


class Queries:
    """The door by which the catalog is read. Every method raises `CatalogError` where it cannot be."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def runs(self, wanted: RunQuery | None = None) -> list[Run]:
        """Runs with their problems, newest first."""
        asked = wanted or RunQuery()
        query = select(RUN).order_by(RUN.c.started.desc(), RUN.c.id).limit(asked.limit)
        if asked.job is not None:
            query = query.where(RUN.c.job == asked.job)
        if asked.target is not None:
            query = query.where(RUN.c.target == asked.target)
        if asked.host is not None:
            query = query.where(RUN.c.host == asked.host)
        if asked.kinds:
            query = query.where(RUN.c.kind.in_([kind.value for kind in asked.kinds]))
        if asked.outcomes:
            query = query.where(RUN.c.outcome.in_([outcome.value for outcome in asked.outcomes]))
        if asked.since is not None:
            query = query.where(RUN.c.started >= asked.since)
        if asked.snapshot is not None:
            query = query.where(RUN.c.snapshot == asked.snapshot)
        if asked.launch is not None:
            query = query.where(RUN.c.launch == asked.launch)
        with reading(self._engine) as connection:
            return read_runs(connection, query)

    def run(self, prefix: str) -> Run:
        """The run whose id begins so. Raises `CatalogError` where there is none, or more than one."""
        with reading(self._engine) as connection:
            found = read_runs(connection, select(RUN).where(RUN.c.id.startswith(prefix, autoescape=True)).limit(2))
        return _only(found, "run", prefix)

    def last_runs(self, kind: RunKind = RunKind.BACKUP) -> Mapping[str, Run]:
        """By job: its newest run of a kind."""
        newest = select(RUN.c.job, func.max(RUN.c.started).label("started")).where(RUN.c.kind == kind.value)
        last = newest.group_by(RUN.c.job).subquery()
        query = select(RUN).join(last, (RUN.c.job == last.c.job) & (RUN.c.started == last.c.started))
        with reading(self._engine) as connection:
            return {run.job: run for run in read_runs(connection, query.where(RUN.c.kind == kind.value))}

    def known(self, target: str) -> list[SeenSnapshot]:
        """The snapshots a target is known to hold, oldest first."""
        query = select(KNOWN_SNAPSHOT).where(KNOWN_SNAPSHOT.c.target == target)
        return [stored.snapshot for stored in self._stored(query)]

    def known_of(self, lineage: Lineage) -> list[Stored]:
        """The known snapshots of a lineage on all targets, oldest first."""
        query = select(KNOWN_SNAPSHOT).where(KNOWN_SNAPSHOT.c.host == lineage.host, KNOWN_SNAPSHOT.c.job == lineage.job)
        return self._stored(query)

    def newest(self) -> Mapping[Lineage, datetime]:
        """By lineage: when its newest known snapshot was taken, wherever it lies."""
        lineage = (KNOWN_SNAPSHOT.c.host, KNOWN_SNAPSHOT.c.job)
        query = select(*lineage, func.max(KNOWN_SNAPSHOT.c.taken)).group_by(*lineage)
        with reading(self._engine) as connection:
            return {Lineage(host, job): taken for host, job, taken in connection.execute(query)}

    def _stored(self, query: Select[*tuple[object, ...]]) -> list[Stored]:
        ordered = query.order_by(KNOWN_SNAPSHOT.c.taken, KNOWN_SNAPSHOT.c.target, KNOWN_SNAPSHOT.c.snapshot)
        with reading(self._engine) as connection:
            return [rows.to_stored(row) for row in connection.execute(ordered).mappings()]

    def proofs(self, target: str | None = None, snapshots: Collection[SnapshotId] | None = None) -> list[Proof]:
        """All proof, or that of a target, or of some snapshots: lowest level first."""
        query = select(PROOF).order_by(PROOF.c.target, PROOF.c.snapshot, PROOF.c.scope, PROOF.c.level)
        if target is not None:
            query = query.where(PROOF.c.target == target)
        with reading(self._engine) as connection:
            pieces = (
                [query] if snapshots is None else [query.where(PROOF.c.snapshot.in_(b)) for b in batches(snapshots)]
            )
            return [rows.to_proof(row) for piece in pieces for row in connection.execute(piece).mappings()]

    def facts_of(self, original: SnapshotId) -> DumpFacts | None:
        """The facts of the database that a snapshot holds, by its first id; None where none are known."""
        with reading(self._engine) as connection:
            row = connection.execute(select(FACTS).where(FACTS.c.snapshot == original)).mappings().first()
        return None if row is None else rows.to_facts(row)

    def holds(self, *, only_in_force: bool = True) -> list[Hold]:
        """Holds, oldest first."""
        query = select(HOLD).order_by(HOLD.c.since, HOLD.c.id)
        if only_in_force:
            query = query.where(HOLD.c.released.is_(None))
        with reading(self._engine) as connection:
            return [rows.to_hold(row) for row in connection.execute(query).mappings()]

    def hold(self, prefix: str) -> Hold:
        """The hold whose id begins so. Raises `CatalogError` where there is none, or more than one."""
        query = select(HOLD).where(HOLD.c.id.startswith(prefix, autoescape=True)).limit(2)
        with reading(self._engine) as connection:
            found = [rows.to_hold(row) for row in connection.execute(query).mappings()]
        return _only(found, "hold", prefix)

    def findings(self, *, only_open: bool = True) -> list[Finding]:
        """Findings with their comments, oldest first; an acknowledged one is still open."""
        query = select(FINDING).order_by(FINDING.c.opened, FINDING.c.id)
        if only_open:
            query = query.where(FINDING.c.state != FindingState.CLOSED.value)
        with reading(self._engine) as connection:
            return _findings(connection, query)

    def finding(self, prefix: str) -> Finding:
        """The finding whose id begins so. Raises `CatalogError` where there is none, or more than one."""
        with reading(self._engine) as connection:
            query = select(FINDING).where(FINDING.c.id.startswith(prefix, autoescape=True)).limit(2)
            found = _findings(connection, query)
        return _only(found, "finding", prefix)


def read_runs(connection: Connection, query: Select[*tuple[object, ...]]) -> list[Run]:
    """The runs that a query of their table finds, with their problems, in its order."""
    found = list(connection.execute(query).mappings())
    problems: dict[str, list[Problem]] = defaultdict(list)
    for batch in batches(_ids(found)):
        of_batch = select(PROBLEM).where(PROBLEM.c.run.in_(batch)).order_by(PROBLEM.c.run, PROBLEM.c.ordinal)
        for row in connection.execute(of_batch):
            problems[row.run].append(Problem(row.subject, row.message))
    return [rows.to_run(row, problems[row["id"]]) for row in found]


def _findings(connection: Connection, query: Select[*tuple[object, ...]]) -> list[Finding]:
    found = list(connection.execute(query).mappings())
    comments: dict[str, list[Comment]] = defaultdict(list)
    for batch in batches(_ids(found)):
        of_batch = select(COMMENT).where(COMMENT.c.finding.in_(batch)).order_by(COMMENT.c.finding, COMMENT.c.ordinal)
        for row in connection.execute(of_batch):
            comments[row.finding].append(Comment(row.at, row.username, row.text))
    return [rows.to_finding(row, comments[row["id"]]) for row in found]


def _ids(found: Sequence[RowMapping]) -> list[str]:
    return [row["id"] for row in found]


def _only(found: Sequence[T], what: str, prefix: str) -> T:
    if len(found) == 1:
        return found[0]
    problem = f"more than one {what} begins with {prefix}" if found else f"there is no {what} {prefix}"
    raise CatalogError(problem)
