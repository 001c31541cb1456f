"""Launches and pauses: what the daemon meant to run, what became of it, and what it is to leave alone.

Nothing is launched twice for the same due time, by however many processes: a launch is claimed before it is begun.
Written by the orchestrator only.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, delete, func, insert, or_, select, update

from drorch.catalog import rows
from drorch.catalog.engine import batches, reading, writing
from drorch.catalog.rows import Row, put
from drorch.catalog.tables import LAUNCH, PAUSE
from drorch.errors import CatalogError
from drorch.model.launch import Launch, LaunchState, Pause, WorkKind

_LOST = "how it ended was lost with the catalog"
_UNFINISHED = LAUNCH.c.state.in_([state.value for state in LaunchState if not state.is_over])
_IS_GOOD_CHECK = and_(LAUNCH.c.kind == WorkKind.CHECK.value, LAUNCH.c.state == LaunchState.OK.value)


class Launches:
    """The door of launches and pauses. Every method raises `CatalogError` where the catalog fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(self, launch: Launch) -> bool:
        """Put a launch in the queue; False where its work was launched for that due time and attempt already.

        A launch without a due time is always new, unless it is there itself.
        """
        row = rows.of_launch(launch)
        with writing(self._engine) as connection:
            there = connection.scalar(select(LAUNCH.c.id).where(LAUNCH.c.id == launch.id))
            if there is not None or _is_claimed(connection, row):
                return False
            connection.execute(insert(LAUNCH), [row])
        return True

    def update(self, launch: Launch) -> None:
        """Note where a launch stands now. One that could not be claimed, because the catalog failed, is there then.

        Where another launch has its due time and attempt meanwhile, it is kept without a due time.
        """
        with writing(self._engine) as connection:
            put_launch(connection, rows.of_launch(launch))

    def unfinished(self) -> list[Launch]:
        """What is queued or running, in the order in which it was asked for."""
        return self._read(select(LAUNCH).where(_UNFINISHED).order_by(LAUNCH.c.asked, LAUNCH.c.id))

    def find(self, prefix: str) -> Launch:
        """The launch whose id begins so. Raises `CatalogError` where there is none, or more than one."""
        found = self._read(select(LAUNCH).where(LAUNCH.c.id.startswith(prefix, autoescape=True)).limit(2))
        if len(found) != 1:
            problem = f"more than one launch begins with {prefix}" if found else f"there is no launch {prefix}"
            raise CatalogError(problem)
        return found[0]

    def recent(self, limit: int = 100, *, name: str | None = None, only_over: bool = False) -> list[Launch]:
        """The newest launches, the last asked for first: all, or those of one job or target, or what is over alone."""
        query = select(LAUNCH).order_by(LAUNCH.c.asked.desc(), LAUNCH.c.id).limit(limit)
        if name is not None:
            query = query.where(LAUNCH.c.name == name)
        if only_over:
            query = query.where(~_UNFINISHED)
        return self._read(query)

    def last_due(self, kind: WorkKind, line: str, now: datetime) -> datetime | None:
        """The newest due time that was launched; one that is still to come (the clock was put back) does not count."""
        query = select(func.max(LAUNCH.c.due)).where(_of_line(kind, line), LAUNCH.c.due <= now)
        with reading(self._engine) as connection:
            newest: datetime | None = connection.scalar(query)
        return newest

    def of_due(self, kind: WorkKind, line: str, due: datetime) -> list[Launch]:
        """All attempts for one due time, the first one first."""
        query = select(LAUNCH).where(_of_line(kind, line), LAUNCH.c.due == due)
        return self._read(query.order_by(LAUNCH.c.attempt))

    def count_ok(self, kind: WorkKind, line: str) -> int:
        """How many launches of a line ended well. Of checks that did none is ever forgotten."""
        query = select(func.count()).where(_of_line(kind, line), LAUNCH.c.state == LaunchState.OK.value)
        with reading(self._engine) as connection:
            return connection.scalar(query) or 0

    def forget_before(self, moment: datetime) -> int:
        """Remove what ended before a moment; answers how many launches that were.

        Of each line stay the newest launch and the newest due time (what comes next depends on them), and the checks
        that ended well (which part of the data comes next is counted by them).
        """
        with reading(self._engine) as connection:
            forgotten = list(connection.scalars(_forgettable(moment)))
        for batch in batches(forgotten):
            with writing(self._engine) as connection:
                connection.execute(delete(LAUNCH).where(LAUNCH.c.id.in_(batch)))
        with writing(self._engine) as connection:
            connection.execute(delete(PAUSE).where(or_(PAUSE.c.ended < moment, PAUSE.c.until < moment)))
        return len(forgotten)

    def settle_lost(self, at: datetime) -> None:
        """Let nothing be under way in a catalog that was read back from a copy.

        What was running has failed, since nobody knows its end. What was queued never began and is gone: where it is
        still due, it is claimed anew.
        """
        failed = {"state": LaunchState.FAILED.value, "ended": at, "reason": _LOST}
        with writing(self._engine) as connection:
            connection.execute(delete(LAUNCH).where(LAUNCH.c.state == LaunchState.QUEUED.value))
            connection.execute(update(LAUNCH).where(LAUNCH.c.state == LaunchState.RUNNING.value).values(**failed))

    def pause(self, pause: Pause) -> None:
        """Let no schedule launch a job, or anything. It takes the place of the pause that the job has already."""
        with writing(self._engine) as connection:
            connection.execute(update(PAUSE).where(_lasting(pause.job)).values(ended=pause.since))
            put(connection, PAUSE, ("job", "since"), [rows.of_pause(pause)])

    def resume(self, job: str | None, at: datetime) -> list[Pause]:
        """End the pause of a job, the one of everything (an empty name), or every pause (None); answers those ended.

        One that had passed by itself is not among them.
        """
        with writing(self._engine) as connection:
            ended = [one for one in _pauses(connection, at) if job is None or one.job == job]
            for one in ended:
                connection.execute(update(PAUSE).where(_lasting(one.job)).values(ended=at))
        return ended

    def pauses(self, now: datetime) -> list[Pause]:
        """The pauses in force, the one of everything first, then by job; of two catalogs merged, those of both."""
        with reading(self._engine) as connection:
            return _pauses(connection, now)

    def _read(self, query: Select[*tuple[object, ...]]) -> list[Launch]:
        with reading(self._engine) as connection:
            return [rows.to_launch(row) for row in connection.execute(query).mappings()]


def put_launch(connection: Connection, row: Row) -> None:
    """Insert a launch or overwrite it, without its due time where another one has that and the attempt."""
    put(connection, LAUNCH, ("id",), [{**row, "due": None} if _is_claimed(connection, row) else row])


def _is_claimed(connection: Connection, row: Row) -> bool:
    if row["due"] is None:
        return False
    same = and_(*(LAUNCH.c[key] == row[key] for key in ("kind", "line", "due", "attempt")))
    return connection.scalar(select(LAUNCH.c.id).where(same, LAUNCH.c.id != row["id"])) is not None


def _of_line(kind: WorkKind, line: str) -> ColumnElement[bool]:
    return and_(LAUNCH.c.kind == kind.value, LAUNCH.c.line == line)


def _forgettable(moment: datetime) -> Select[tuple[str]]:
    line = (LAUNCH.c.kind, LAUNCH.c.line)
    newest = select(*line, func.max(LAUNCH.c.asked).label("asked"), func.max(LAUNCH.c.due).label("due"))
    last = newest.group_by(*line).subquery()
    of_line = and_(LAUNCH.c.kind == last.c.kind, LAUNCH.c.line == last.c.line)
    return (
        select(LAUNCH.c.id)
        .join(last, of_line)
        .where(LAUNCH.c.ended < moment, ~_UNFINISHED, ~_IS_GOOD_CHECK)
        .where(LAUNCH.c.asked < last.c.asked, or_(LAUNCH.c.due.is_(None), LAUNCH.c.due < last.c.due))
    )


def _lasting(job: str) -> ColumnElement[bool]:
    return and_(PAUSE.c.job == job, PAUSE.c.ended.is_(None))


def _pauses(connection: Connection, now: datetime) -> list[Pause]:
    in_force = and_(PAUSE.c.ended.is_(None), or_(PAUSE.c.until.is_(None), PAUSE.c.until > now))
    found = connection.execute(select(PAUSE).where(in_force).order_by(PAUSE.c.job)).mappings()
    return [rows.to_pause(row) for row in found]
