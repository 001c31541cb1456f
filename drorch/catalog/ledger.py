"""What happened: runs, proof, findings. Written by the orchestrator only.

Whatever is recorded twice is there once. A run's own row is written last: a run that reads as ended is whole.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Engine, Table, and_, delete, func, insert, select, update

from drorch.catalog import rows, tables
from drorch.catalog.engine import batches, writing
from drorch.catalog.queries import read_runs
from drorch.catalog.record import Record, Stored
from drorch.catalog.rows import Row, put
from drorch.errors import CatalogError, Problem
from drorch.ids import SnapshotId
from drorch.model.facts import DumpFacts
from drorch.model.finding import Comment, Finding, FindingState
from drorch.model.hold import Hold, Lineage
from drorch.model.proof import Proof, ProofLevel
from drorch.model.reconciliation import Alarm, SeenSnapshot
from drorch.model.run import Run, RunOutcome


class Ledger:
    """The door by which what happened comes in. Every method raises `CatalogError` where it cannot be written."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, run: Run) -> None:
        """Note that a run is under way."""
        with writing(self._engine) as connection:
            put(connection, tables.RUN, ("id",), [rows.of_run(run)])

    def record(self, record: Record) -> None:
        """Note how a run ended, what it stored and what that proves."""
        run = record.run
        self._note_problems(run)
        self.know(record.stored)
        self.prove(record.proofs)
        if record.facts is not None and record.stored:
            self.remember_facts(record.stored[0].snapshot.original, record.facts)
        with writing(self._engine) as connection:
            put(connection, tables.RUN, ("id",), [rows.of_run(run)])
            left = and_(tables.PROBLEM.c.run == run.id, tables.PROBLEM.c.ordinal >= len(run.problems))
            connection.execute(delete(tables.PROBLEM).where(left))

    def _note_problems(self, run: Run) -> None:
        if not run.problems:
            return
        with writing(self._engine) as connection:
            if connection.scalar(select(tables.RUN.c.id).where(tables.RUN.c.id == run.id)) is None:
                begun = {**rows.of_run(run), "outcome": "running", "ended": None}
                connection.execute(insert(tables.RUN), [begun])
        self._put_all(tables.PROBLEM, ("run", "ordinal"), rows.of_problems(run))

    def cut_off(self, launch: str, at: datetime, reason: str, outcome: RunOutcome = RunOutcome.FAILED) -> list[Run]:
        """Note that the runs of a launch that are noted as under way have ended so; answers them as they are now.

        For a launch whose process is gone. What such a run said itself and waits in the spool counts more.
        """
        table = tables.RUN
        under_way = and_(table.c.launch == launch, table.c.outcome == RunOutcome.RUNNING.value)
        with writing(self._engine) as connection:
            found = read_runs(connection, select(table).where(under_way).order_by(table.c.started, table.c.id))
            ended = [_cut_off(run, at, reason, outcome) for run in found]
            for run in ended:
                put(connection, tables.PROBLEM, ("run", "ordinal"), rows.of_problems(run)[-1:])
                put(connection, table, ("id",), [rows.of_run(run)])
        return ended

    def know(self, stored: Iterable[Stored]) -> None:
        """Remember snapshots: from now on it is an alarm when one of them vanishes or changes."""
        self._put_all(tables.KNOWN_SNAPSHOT, ("target", "snapshot"), [rows.of_stored(one) for one in stored])

    def remember_facts(self, original: SnapshotId, facts: DumpFacts) -> None:
        """Remember the facts of the database that a snapshot holds, and all its copies; `original` is its first id."""
        with writing(self._engine) as connection:
            put(connection, tables.FACTS, ("snapshot",), [rows.of_facts(original, facts)])

    def removed(self, target: str, snapshots: Collection[SnapshotId]) -> None:
        """Note that drorch itself removed snapshots from a target: neither they nor their proof are known any more.

        Nor are the facts of those that lie nowhere else.
        """
        known, facts = tables.KNOWN_SNAPSHOT, tables.FACTS
        for batch in batches(snapshots):
            with writing(self._engine) as connection:
                mine = and_(known.c.target == target, known.c.snapshot.in_(batch))
                originals = connection.scalars(select(known.c.original).where(mine)).all()
                for table in (known, tables.PROOF):
                    connection.execute(delete(table).where(table.c.target == target, table.c.snapshot.in_(batch)))
                elsewhere = select(known.c.original).where(known.c.original == facts.c.snapshot).exists()
                connection.execute(delete(facts).where(facts.c.snapshot.in_(originals), ~elsewhere))

    def rewritten(self, target: str, old: SnapshotId, new: SeenSnapshot) -> None:
        """Note that drorch itself wrote a snapshot anew with the same content (it was tagged): proof goes with it."""
        known, proof = tables.KNOWN_SNAPSHOT, tables.PROOF
        with writing(self._engine) as connection:
            connection.execute(delete(known).where(known.c.target == target, known.c.snapshot == old))
            put(connection, known, ("target", "snapshot"), [rows.of_stored(Stored(target, new))])
            connection.execute(delete(proof).where(proof.c.target == target, proof.c.snapshot == new.id))
            connection.execute(
                update(proof).where(proof.c.target == target, proof.c.snapshot == old).values(snapshot=new.id)
            )

    def renamed(self, old: Lineage, new: Lineage) -> None:
        """Note that a lineage has another name now: its snapshots, runs and holds go by the new one."""
        known, run, hold = tables.KNOWN_SNAPSHOT, tables.RUN, tables.HOLD
        with writing(self._engine) as connection:
            for table in (known, hold, run):
                mine = and_(table.c.host == old.host, table.c.job == old.job)
                connection.execute(update(table).where(mine).values(host=new.host, job=new.job))

    def prove(self, proofs: Iterable[Proof]) -> None:
        """Note what was proven; the latest time counts."""
        newest: dict[tuple[object, ...], Row] = {}
        for proof in sorted(proofs, key=lambda one: one.at):
            row = rows.of_proof(proof)
            newest[row["target"], row["snapshot"], row["scope"], row["level"]] = row
        self._put_all(tables.PROOF, ("target", "snapshot", "scope", "level"), list(newest.values()))

    def withdraw(self, target: str, snapshots: Collection[SnapshotId], above: ProofLevel) -> None:
        """Take back proof above a level: what it was proven of is no longer there (packs were written anew)."""
        proof = tables.PROOF
        for batch in batches(snapshots):
            with writing(self._engine) as connection:
                connection.execute(
                    delete(proof).where(
                        proof.c.target == target, proof.c.snapshot.in_(batch), proof.c.level > int(above)
                    )
                )

    def alarm(self, target: str, alarms: Iterable[Alarm]) -> Sequence[Alarm]:
        """Open a finding and set a hold for each alarm, and take what is gone off the known snapshots.

        What stands in its place is known from now on, so that an alarm is raised once. Answers those that were new.
        """
        raised: list[Alarm] = []
        known = tables.KNOWN_SNAPSHOT
        for alarm in alarms:
            gone = alarm.discrepancy.known.id
            with writing(self._engine) as connection:
                taken = connection.execute(delete(known).where(known.c.target == target, known.c.snapshot == gone))
                if alarm.discrepancy.now is not None:
                    row = rows.of_stored(Stored(target, alarm.discrepancy.now))
                    put(connection, known, ("target", "snapshot"), [row])
                if taken.rowcount == 0 or _open_finding(connection, alarm.finding) != alarm.finding.id:
                    continue
                put(connection, tables.HOLD, ("id",), [rows.of_hold(alarm.hold)])
                raised.append(alarm)
        return raised

    def open_finding(self, finding: Finding) -> str:
        """Open a finding. Answers its id, or that of the one of its kind that is open about the subject already."""
        with writing(self._engine) as connection:
            return _open_finding(connection, finding)

    def assign(self, finding: str, assignee: str) -> None:
        """Make a person answer for a finding, which acknowledges it. An empty name takes it back."""
        state = FindingState.ACKNOWLEDGED if assignee else FindingState.OPEN
        self._change_finding(finding, {"assignee": assignee, "state": state.value})

    def acknowledge(self, finding: str) -> None:
        """Note that somebody has seen a finding."""
        self._change_finding(finding, {"state": FindingState.ACKNOWLEDGED.value})

    def _change_finding(self, finding: str, values: Row) -> None:
        table = tables.FINDING
        with writing(self._engine) as connection:
            _require(connection, table, finding)
            still_open = and_(table.c.id == finding, table.c.closed.is_(None))
            if connection.execute(update(table).where(still_open).values(**values)).rowcount == 0:
                raise CatalogError(f"finding {finding[:8]} is closed")

    def comment(self, finding: str, comment: Comment) -> None:
        """Add a comment to a finding."""
        with writing(self._engine) as connection:
            _require(connection, tables.FINDING, finding)
            _add_comment(connection, finding, comment)

    def close_finding(self, finding: str, last_word: Comment) -> None:
        """Close a finding with a last comment; closing it again only adds the comment."""
        table = tables.FINDING
        with writing(self._engine) as connection:
            _require(connection, table, finding)
            still_open = and_(table.c.id == finding, table.c.closed.is_(None))
            closed = {"state": FindingState.CLOSED.value, "closed": last_word.at}
            connection.execute(update(table).where(still_open).values(**closed))
            _add_comment(connection, finding, last_word)

    def set_hold(self, hold: Hold) -> None:
        """Set a hold."""
        with writing(self._engine) as connection:
            put(connection, tables.HOLD, ("id",), [rows.of_hold(hold)])

    def release_hold(self, hold: str, at: datetime, by: str) -> None:
        """Let go of a hold; one that was let go before keeps its date."""
        table = tables.HOLD
        with writing(self._engine) as connection:
            _require(connection, table, hold)
            in_force = and_(table.c.id == hold, table.c.released.is_(None))
            connection.execute(update(table).where(in_force).values(released=at, released_by=by))

    def _put_all(self, table: Table, keys: Sequence[str], given: Sequence[Row]) -> None:
        for batch in batches(given):
            with writing(self._engine) as connection:
                put(connection, table, keys, batch)


def _cut_off(run: Run, at: datetime, reason: str, outcome: RunOutcome) -> Run:
    subject = f"{run.job}@{run.target}" if run.job else run.target
    return replace(run, ended=at, outcome=outcome, problems=(*run.problems, Problem(subject, reason)))


def _open_finding(connection: Connection, finding: Finding) -> str:
    table = tables.FINDING
    same = and_(
        table.c.kind == finding.kind.value,
        table.c.subject == finding.subject,
        table.c.state != FindingState.CLOSED.value,
    )
    there = connection.scalar(select(table.c.id).where(same))
    if there is not None:
        return str(there)
    put(connection, table, ("id",), [rows.of_finding(finding)])
    return finding.id


def _add_comment(connection: Connection, finding: str, comment: Comment) -> None:
    table = tables.COMMENT
    before = connection.scalar(select(func.count()).where(table.c.finding == finding))
    connection.execute(insert(table), [rows.of_comment(finding, before or 0, comment)])


def _require(connection: Connection, table: Table, key: str) -> None:
    if connection.scalar(select(table.c.id).where(table.c.id == key)) is None:
        raise CatalogError(f"there is no {table.name} {key[:8]}", hint=f"Run drorch {table.name}s list.")
