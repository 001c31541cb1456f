"""What two catalogs of one host know becomes one: whatever one alone knows is put into the other.

Nothing is taken away but proof that the other catalog knows to be overtaken by a failed check. Merging again changes
nothing, so a merge that dies is finished by the next.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Table, and_, delete, insert, select, tuple_, update

from drorch.catalog import tables
from drorch.catalog.audit import AuditLog
from drorch.catalog.engine import batches, reading, writing
from drorch.catalog.launches import put_launch
from drorch.catalog.rows import Row, put
from drorch.model.audit import AuditHead, BrokenLink
from drorch.model.finding import FindingKind, FindingState
from drorch.model.launch import LaunchState
from drorch.model.proof import ProofLevel
from drorch.model.run import RunKind, RunOutcome

_FEW = 20
_UNFINISHED = frozenset(state.value for state in LaunchState if not state.is_over)
_ALARMS = (FindingKind.SNAPSHOT_VANISHED.value, FindingKind.SNAPSHOT_CHANGED.value)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came from the other catalog. `broken` is its audit log's first wrong link: then none of that came."""

    runs: int
    snapshots: int
    findings: int
    holds: int
    deeds: int
    broken: BrokenLink | None = None
    launches: int = 0
    pauses: int = 0


def take_over(mine: Engine, other: Engine, anchors: Sequence[AuditHead] = ()) -> Taken:
    """Put into a catalog what another one of the same host knows; `anchors` are ends noted of the other's audit log.

    Raises `CatalogError`.
    """
    broken = AuditLog(other).verify(anchors)
    with reading(other) as there:
        overtaken = _failed_checks(mine, there)
        alarmed = _alarmed(mine)
        merger = _Merger(mine, there)
        runs = merger.runs()
        findings = merger.findings()
        holds = merger.holds()
        launches = merger.launches()
        pauses = merger.pauses()
        snapshots = merger.snapshots(alarmed)
        merger.facts()
        merger.proofs(overtaken)
    deeds = AuditLog(mine).take_over(AuditLog(other)) if broken is None else 0
    return Taken(runs, snapshots, findings, holds, deeds, broken, launches, pauses)


@dataclass(frozen=True, slots=True)
class _Overtaken:
    """By target: when a check failed of which only the one side knows. Older proof of the other side is void."""

    mine: Mapping[str, datetime]
    theirs: Mapping[str, datetime]


def _failed_checks(mine: Engine, there: Connection) -> _Overtaken:
    run = tables.RUN
    failed = and_(run.c.kind == RunKind.CHECK.value, run.c.outcome == RunOutcome.FAILED.value)
    query = select(run.c.id, run.c.target, run.c.started).where(failed).order_by(run.c.started)
    with reading(mine) as here:
        ours = {row.id: row for row in here.execute(query)}
    theirs = {row.id: row for row in there.execute(query)}
    return _Overtaken(
        mine={row.target: row.started for key, row in theirs.items() if key not in ours},
        theirs={row.target: row.started for key, row in ours.items() if key not in theirs},
    )


def _alarmed(mine: Engine) -> set[str]:
    finding = tables.FINDING
    with reading(mine) as here:
        return set(here.scalars(select(finding.c.subject).where(finding.c.kind.in_(_ALARMS))))


class _Merger:
    """Puts the rows of one catalog into another one, table by table."""

    def __init__(self, mine: Engine, there: Connection) -> None:
        self._mine = mine
        self._there = there

    def runs(self) -> int:
        """Runs with their problems; one that ended there is not under way here."""
        run, problem, count = tables.RUN, tables.PROBLEM, 0
        for batch in self._batches(run, _FEW):
            found = self._there.execute(select(problem).where(problem.c.run.in_([row["id"] for row in batch])))
            problems = [dict(row) for row in found.mappings()]
            with writing(self._mine) as connection:
                here = self._there_already(connection, run, ("id",), batch)
                taken = [row for row in batch if _is_news(row, here.get((row["id"],)))]
                put(connection, run, ("id",), taken)
                wanted = {row["id"] for row in taken}
                put(connection, problem, ("run", "ordinal"), [one for one in problems if one["run"] in wanted])
            count += len(taken)
        return count

    def snapshots(self, alarmed: set[str]) -> int:
        """Known snapshots, but for those whose vanishing or change is an alarm here already."""
        table, key = tables.KNOWN_SNAPSHOT, ("target", "snapshot")
        count = 0
        for batch in self._batches(table):
            with writing(self._mine) as connection:
                here = self._there_already(connection, table, key, batch)
                taken = [
                    row
                    for row in batch
                    if (row["target"], row["snapshot"]) not in here
                    and f"{row['target']}:{row['snapshot'].hex()}" not in alarmed
                ]
                put(connection, table, key, taken)
            count += len(taken)
        return count

    def facts(self) -> None:
        """Facts of dumps; they never change."""
        table = tables.FACTS
        for batch in self._batches(table, _FEW):
            with writing(self._mine) as connection:
                here = self._there_already(connection, table, ("snapshot",), batch)
                put(connection, table, ("snapshot",), [row for row in batch if (row["snapshot"],) not in here])

    def proofs(self, overtaken: _Overtaken) -> None:
        """The latest proof of each level, without what a failed check has overtaken."""
        table, key = tables.PROOF, ("target", "snapshot", "scope", "level")
        listed = int(ProofLevel.L0)
        for target, at in overtaken.mine.items():
            with writing(self._mine) as connection:
                old = and_(table.c.target == target, table.c.level > listed, table.c.at < at)
                connection.execute(delete(table).where(old))
        for batch in self._batches(table):
            valid = [
                row
                for row in batch
                if row["level"] <= listed
                or (since := overtaken.theirs.get(row["target"])) is None
                or row["at"] >= since
            ]
            with writing(self._mine) as connection:
                here = self._there_already(connection, table, key, valid)
                put(connection, table, key, [row for row in valid if _is_later(row, here.get(_key(row, key)))])

    def holds(self) -> int:
        """Holds; one that was released on either side is released."""
        table, count = tables.HOLD, 0
        for batch in self._batches(table):
            with writing(self._mine) as connection:
                here = self._there_already(connection, table, ("id",), batch)
                fresh = [row for row in batch if (row["id"],) not in here]
                released = [
                    row
                    for row in batch
                    if row["released"] is not None and here.get((row["id"],), row)["released"] is None
                ]
                put(connection, table, ("id",), [*fresh, *released])
            count += len(fresh)
        return count

    def launches(self) -> int:
        """Launches that are over: one that is queued or under way there is not to be begun or ended here."""
        table, count = tables.LAUNCH, 0
        for batch in self._batches(table, _FEW):
            with writing(self._mine) as connection:
                here = self._there_already(connection, table, ("id",), batch)
                fresh = [row for row in batch if (row["id"],) not in here and row["state"] not in _UNFINISHED]
                for row in fresh:
                    put_launch(connection, row)
            count += len(fresh)
        return count

    def pauses(self) -> int:
        """Pauses; one that was ended on either side is ended."""
        table, key, count = tables.PAUSE, ("job", "since"), 0
        for batch in self._batches(table):
            with writing(self._mine) as connection:
                here = self._there_already(connection, table, key, batch)
                fresh = [row for row in batch if _key(row, key) not in here]
                ended = [
                    row for row in batch if row["ended"] is not None and here.get(_key(row, key), row)["ended"] is None
                ]
                put(connection, table, key, [*fresh, *ended])
            count += len(fresh)
        return count

    def findings(self) -> int:
        """Findings with their comments; of two open ones about the same, the one that is here stays open."""
        count = 0
        for batch in self._batches(tables.FINDING, _FEW):
            comment = tables.COMMENT
            found = self._there.execute(select(comment).where(comment.c.finding.in_([row["id"] for row in batch])))
            comments = [dict(row) for row in found.mappings()]
            with writing(self._mine) as connection:
                count += sum(_put_finding(connection, row) for row in batch)
                here = self._there_already(connection, comment, ("finding", "ordinal"), comments)
                fresh = [row for row in comments if (row["finding"], row["ordinal"]) not in here]
                put(connection, comment, ("finding", "ordinal"), fresh)
        return count

    def _batches(self, table: Table, size: int | None = None) -> Iterator[Sequence[Row]]:
        found = (dict(row) for row in self._there.execute(select(table)).mappings())
        return batches(found) if size is None else batches(found, size)

    @staticmethod
    def _there_already(
        connection: Connection, table: Table, keys: Sequence[str], given: Sequence[Row]
    ) -> Mapping[tuple[object, ...], Row]:
        columns = [table.c[key] for key in keys]
        wanted = [_key(row, keys) for row in given]
        found = connection.execute(select(table).where(tuple_(*columns).in_(wanted))).mappings()
        return {_key(one, keys): one for one in map(dict, found)}


def _key(row: Row, keys: Sequence[str]) -> tuple[object, ...]:
    return tuple(row[key] for key in keys)


def _is_news(row: Row, mine: Row | None) -> bool:
    running = RunOutcome.RUNNING.value
    return mine is None or (mine["outcome"] == running and row["outcome"] != running)


def _is_later(row: Row, mine: Row | None) -> bool:
    return mine is None or row["at"] > mine["at"]


def _put_finding(connection: Connection, row: Row) -> bool:
    """Put a finding; whether it is new here."""
    table, closed = tables.FINDING, FindingState.CLOSED.value
    mine = connection.execute(select(table).where(table.c.id == row["id"])).mappings().first()
    if mine is not None:
        if mine["state"] != closed and row["state"] == closed:
            connection.execute(update(table).where(table.c.id == row["id"]).values(state=closed, closed=row["closed"]))
        return False
    same = and_(table.c.kind == row["kind"], table.c.subject == row["subject"], table.c.state != closed)
    if row["state"] != closed and connection.scalar(select(table.c.id).where(same)) is not None:
        row = {**row, "state": closed, "closed": row["opened"]}
    connection.execute(insert(table), [row])
    return True
