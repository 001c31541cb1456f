"""The model's values as rows of catalog.sqlite, and back; and how rows are put where they may be already."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, Table, and_, bindparam, insert, select, tuple_, update

from drorch.catalog.columns import written_by_drorch
from drorch.catalog.record import Stored
from drorch.errors import Problem
from drorch.ids import SnapshotId, TreeId
from drorch.model.audit import AuditEntry, Deed
from drorch.model.facts import DumpFacts
from drorch.model.finding import Comment, Finding, FindingKind, FindingState
from drorch.model.hold import Hold, HoldSubject, Lineage
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.names import TargetName
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome, Trigger
from drorch.process.identity import ProcessIdentity

Row = Mapping[str, Any]


def put(connection: Connection, table: Table, keys: Sequence[str], given: Sequence[Row]) -> None:
    """Insert rows, or overwrite those whose keys are there. Called under the write lock: none comes between."""
    wanted = [tuple(row[key] for key in keys) for row in given]
    columns = [table.c[key] for key in keys]
    there = {tuple(found) for found in connection.execute(select(*columns).where(tuple_(*columns).in_(wanted)))}
    stale = [row for row, key in zip(given, wanted, strict=True) if key in there]
    if stale:
        change = update(table).where(and_(*(column == _given(table, column.name) for column in columns)))
        others = {column.name: _given(table, column.name) for column in table.c if column.name not in keys}
        values = [{f"given_{name}": value for name, value in row.items()} for row in stale]
        connection.execute(change.values(**others), values)
    fresh = [row for row, key in zip(given, wanted, strict=True) if key not in there]
    if fresh:
        connection.execute(insert(table), fresh)


def _given(table: Table, name: str) -> BindParameter[Any]:
    return bindparam(f"given_{name}", type_=table.c[name].type)


def of_run(run: Run) -> Row:
    """A run without its problems."""
    return {
        "id": run.id,
        "job": run.job,
        "kind": run.kind.value,
        "host": run.host,
        "target": run.target,
        "started": run.started,
        "ended": run.ended,
        "outcome": run.outcome.value,
        "snapshot": run.snapshot,
        "counters": run.counters,
        "config_hash": run.config_hash,
        "versions": run.versions,
        "trigger": run.trigger.value,
        "username": run.user,
        "launch": run.launch,
    }


@written_by_drorch("a run")
def to_run(row: RowMapping, problems: Sequence[Problem]) -> Run:
    """A run with its problems."""
    return Run(
        id=row["id"],
        job=row["job"],
        kind=RunKind(row["kind"]),
        host=row["host"],
        started=row["started"],
        target=row["target"],
        ended=row["ended"],
        outcome=RunOutcome(row["outcome"]),
        snapshot=SnapshotId(bytes(row["snapshot"])) if row["snapshot"] is not None else None,
        counters=row["counters"],
        problems=tuple(problems),
        config_hash=row["config_hash"],
        versions=row["versions"],
        trigger=Trigger(row["trigger"]),
        user=row["username"],
        launch=row["launch"],
    )


def of_problems(run: Run) -> Sequence[Row]:
    """A run's problems in their order."""
    return [
        {"run": run.id, "ordinal": ordinal, "subject": problem.subject, "message": problem.message}
        for ordinal, problem in enumerate(run.problems)
    ]


def of_stored(stored: Stored) -> Row:
    """A snapshot on a target."""
    snapshot = stored.snapshot
    return {
        "target": stored.target,
        "snapshot": snapshot.id,
        "original": snapshot.original,
        "tree": snapshot.tree,
        "host": snapshot.lineage.host,
        "job": snapshot.lineage.job,
        "taken": snapshot.taken,
    }


@written_by_drorch("a known snapshot")
def to_stored(row: RowMapping) -> Stored:
    """A snapshot on a target."""
    snapshot = SeenSnapshot(
        id=SnapshotId(bytes(row["snapshot"])),
        original=SnapshotId(bytes(row["original"])),
        tree=TreeId(bytes(row["tree"])) if row["tree"] is not None else None,
        lineage=Lineage(row["host"], row["job"]),
        taken=row["taken"],
    )
    return Stored(row["target"], snapshot)


def of_facts(original: SnapshotId, facts: DumpFacts) -> Row:
    """Facts of a dump, by the first id of its snapshot."""
    return {"snapshot": original, "kind": facts.kind, "document": facts.document}


@written_by_drorch("the facts of a dump")
def to_facts(row: RowMapping) -> DumpFacts:
    """Facts of a dump."""
    return DumpFacts(str(row["kind"]), str(row["document"]))


def of_proof(proof: Proof) -> Row:
    """A proof."""
    return {
        "target": proof.target,
        "snapshot": proof.snapshot,
        "scope": proof.scope.value,
        "level": int(proof.level),
        "at": proof.at,
    }


@written_by_drorch("a proof")
def to_proof(row: RowMapping) -> Proof:
    """A proof."""
    return Proof(
        row["target"], SnapshotId(bytes(row["snapshot"])), Scope(row["scope"]), ProofLevel(row["level"]), row["at"]
    )


def of_hold(hold: Hold) -> Row:
    """A hold; it names a lineage or a snapshot, never both."""
    lineage = hold.subject if isinstance(hold.subject, Lineage) else None
    return {
        "id": hold.id,
        "host": lineage.host if lineage else None,
        "job": lineage.job if lineage else None,
        "snapshot": None if lineage else hold.subject,
        "reason": hold.reason,
        "since": hold.since,
        "set_by": hold.by,
        "released": hold.released,
        "released_by": hold.released_by,
    }


@written_by_drorch("a hold")
def to_hold(row: RowMapping) -> Hold:
    """A hold."""
    subject: HoldSubject = Lineage(row["host"] or "", row["job"] or "")
    if row["snapshot"] is not None:
        subject = SnapshotId(bytes(row["snapshot"]))
    return Hold(row["id"], subject, row["reason"], row["since"], row["set_by"], row["released"], row["released_by"])


def of_finding(finding: Finding) -> Row:
    """A finding without its comments."""
    return {
        "id": finding.id,
        "kind": finding.kind.value,
        "subject": finding.subject,
        "message": finding.message,
        "opened": finding.opened,
        "state": finding.state.value,
        "assignee": finding.assignee,
        "run": finding.run,
        "closed": finding.closed,
    }


@written_by_drorch("a finding")
def to_finding(row: RowMapping, comments: Sequence[Comment]) -> Finding:
    """A finding with its comments."""
    return Finding(
        id=row["id"],
        kind=FindingKind(row["kind"]),
        subject=row["subject"],
        message=row["message"],
        opened=row["opened"],
        state=FindingState(row["state"]),
        assignee=row["assignee"],
        run=row["run"],
        closed=row["closed"],
        comments=tuple(comments),
    )


def of_comment(finding: str, ordinal: int, comment: Comment) -> Row:
    """A finding's comment."""
    return {
        "finding": finding,
        "ordinal": ordinal,
        "at": comment.at,
        "username": comment.user,
        "text": comment.text,
    }


def of_entry(entry: AuditEntry) -> Row:
    """An entry of the audit log."""
    deed = entry.deed
    return {
        "seq": entry.seq,
        "at": deed.at,
        "username": deed.user,
        "uid": deed.uid,
        "tty": deed.tty,
        "action": deed.action,
        "detail": deed.detail,
        "prev_hash": entry.prev_hash,
        "hash": entry.hash,
    }


@written_by_drorch("an entry of the audit log")
def to_entry(row: RowMapping) -> AuditEntry:
    """An entry of the audit log."""
    user, tty, action = (str(row[name]) for name in ("username", "tty", "action"))
    deed = Deed(row["at"], user, int(row["uid"]), tty, action, row["detail"])
    return AuditEntry(row["seq"], deed, bytes(row["prev_hash"]), bytes(row["hash"]))


def of_launch(launch: Launch) -> Row:
    """A launch."""
    work, process = launch.work, launch.process
    return {
        "id": launch.id,
        "kind": work.kind.value,
        "name": work.name,
        "line": work.line,
        "targets": work.targets,
        "due": launch.due,
        "attempt": launch.attempt,
        "trigger": launch.trigger.value,
        "username": launch.user,
        "asked": launch.asked,
        "begins": launch.begins,
        "state": launch.state.value,
        "started": launch.started,
        "ended": launch.ended,
        "exit_code": launch.exit_code,
        "reason": launch.reason,
        "machine": process.machine if process else None,
        "boot": process.boot if process else None,
        "namespace": process.namespace if process else None,
        "pid": process.pid if process else None,
        "pid_started": process.started if process else None,
    }


@written_by_drorch("a launch")
def to_launch(row: RowMapping) -> Launch:
    """A launch."""
    targets = tuple(TargetName(target) for target in row["targets"])
    process = None
    if row["pid"] is not None:
        process = ProcessIdentity(row["machine"], row["boot"], row["namespace"], row["pid"], row["pid_started"])
    return Launch(
        id=row["id"],
        work=Work(WorkKind(row["kind"]), row["name"], row["line"], targets),
        trigger=Trigger(row["trigger"]),
        asked=row["asked"],
        begins=row["begins"],
        due=row["due"],
        attempt=row["attempt"],
        user=row["username"],
        state=LaunchState(row["state"]),
        started=row["started"],
        ended=row["ended"],
        exit_code=row["exit_code"],
        reason=row["reason"],
        process=process,
    )


def of_pause(pause: Pause) -> Row:
    """A pause that was not ended."""
    return {
        "job": pause.job,
        "since": pause.since,
        "until": pause.until,
        "ended": None,
        "username": pause.by,
        "reason": pause.reason,
    }


@written_by_drorch("a pause")
def to_pause(row: RowMapping) -> Pause:
    """A pause."""
    return Pause(row["job"], row["since"], row["username"], row["until"], row["reason"])
