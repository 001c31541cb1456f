import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from drorch.catalog.paths.values import PathEntry, PathState, PathType, RecordedSnapshot
from drorch.catalog.record import Record, Stored
from drorch.errors import Problem
from drorch.ids import SnapshotId, TreeId
from drorch.model.audit import Deed
from drorch.model.hold import Lineage
from drorch.model.launch import Launch, LaunchState, Work, WorkKind
from drorch.model.names import TargetName
from drorch.model.proof import Proof, ProofLevel, Scope
from drorch.model.reconciliation import SeenSnapshot
from drorch.model.run import Run, RunKind, RunOutcome, Trigger

START = datetime(2026, 3, 1, 2, 30, 0, 123456, tzinfo=UTC)
DUE_TIMES = 40
HOMES = Lineage("web1", "homes")


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def snapshot_id(number: int) -> SnapshotId:
    return SnapshotId(number.to_bytes(32, "big"))


def seen(number: int, *, original: int | None = None, tree: int | None = None) -> SeenSnapshot:
    content = TreeId((tree if tree is not None else number).to_bytes(32, "little"))
    return SeenSnapshot(snapshot_id(number), snapshot_id(original or number), content, HOMES, hours(number))


def recorded(number: int, lineage: Lineage = HOMES) -> RecordedSnapshot:
    return RecordedSnapshot(snapshot_id(number), lineage, hours(number))


def run(number: int = 1, *, problems: int = 0, job: str = "homes") -> Run:
    return Run(
        id=uuid.UUID(int=number).hex,
        job=job,
        kind=RunKind.BACKUP,
        host="web1",
        started=hours(number),
        target="onsite",
        ended=hours(number + 0.5),
        outcome=RunOutcome.INCOMPLETE if problems else RunOutcome.OK,
        snapshot=snapshot_id(number),
        counters={"files_new": number, "bytes_added": 2**40},
        problems=tuple(Problem(f"/home/\udcff\x00{one}", "vanished") for one in range(problems)),
        config_hash="ab" * 32,
        versions={"drorch": "1.0", "python": "3.11"},
        trigger=Trigger.SCHEDULE,
        user="root",
    )


def begun(number: int) -> Run:
    return replace(run(number), ended=None, outcome=RunOutcome.RUNNING, snapshot=None)


def record(number: int = 1, *, problems: int = 0) -> Record:
    return Record(
        run(number, problems=problems),
        (Stored("onsite", seen(number)),),
        (proof(number, ProofLevel.L0),),
    )


def proof(number: int, level: ProofLevel, *, at: float = 0, target: str = "onsite") -> Proof:
    return Proof(target, snapshot_id(number), Scope.FULL, level, hours(at))


def deed(number: int) -> Deed:
    return Deed(hours(number), "jörg", 1000, "pts/1", "restore", {"path": f"/etc/\udcff{number}", "to": "/tmp/x"})


def launch(number: int, *, due: float | None = None, kind: WorkKind = WorkKind.JOB, line: str = "homes") -> Launch:
    """A launch that was asked for at its number's hour and is queued."""
    return Launch(
        id=uuid.UUID(int=number).hex,
        work=Work(kind, line, line, (TargetName("onsite"), TargetName("vault"))),
        trigger=Trigger.HAND if due is None else Trigger.SCHEDULE,
        asked=hours(number),
        begins=hours(number + 0.25),
        due=None if due is None else hours(due),
    )


def over(
    number: int,
    *,
    due: float | None = None,
    kind: WorkKind = WorkKind.JOB,
    line: str = "homes",
    state: LaunchState = LaunchState.OK,
) -> Launch:
    """The same launch, ended half an hour after it was asked for."""
    begun = launch(number, due=due, kind=kind, line=line)
    return replace(begun, state=state, started=hours(number + 0.25), ended=hours(number + 0.5), exit_code=0)


def file(path: str, version: int = 0) -> PathEntry:
    return PathEntry(path.encode(), file_state(version))


def file_state(version: int) -> PathState:
    return PathState(PathType.FILE, 100 + version, 1_700_000_000_000_000_000 + version, bytes([version % 256]) * 16)


def gone(path: str) -> PathEntry:
    return PathEntry(path.encode(), None)
