"""Writes a snapshot into path history as what differs from the one before: an unchanged path touches no row.

A snapshot counts once all of it is written. One that was only half written, because its process died, is not seen by
any question and is taken back before the next of its lineage is written.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from drorch.catalog.engine import BATCH, batches, reading, writing
from drorch.catalog.paths.places import Known, Places, place_of
from drorch.catalog.paths.tables import ENTRY, LINEAGE, OPEN, SNAPSHOT, VERSION
from drorch.catalog.paths.values import PathEntry, PathState, RecordedSnapshot
from drorch.errors import CatalogError
from drorch.ids import SnapshotId
from drorch.model.hold import Lineage

_SPARE_BYTES = 4096

Condition = ColumnElement[bool]


class HistoryGap(CatalogError):
    """The snapshot before this one is not the newest in path history: record it whole (`record_listing`)."""


@dataclass(slots=True)
class Changes:
    """How many paths came, changed and went with a snapshot."""

    added: int = 0
    changed: int = 0
    removed: int = 0


class Recorder:
    """Writes path history; one process at a time for each lineage. Every method raises `CatalogError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def newest(self, lineage: Lineage) -> SnapshotId | None:
        """The newest snapshot recorded of a lineage: the one a difference is to be taken against."""
        query = (
            select(SNAPSHOT.c.snapshot)
            .join(LINEAGE)
            .where(*_is(lineage), SNAPSHOT.c.complete == 1)
            .order_by(SNAPSHOT.c.ordinal.desc())
        )
        with reading(self._engine) as connection:
            found = connection.scalar(query.limit(1))
        return None if found is None else SnapshotId(bytes(found))

    def record_delta(
        self, snapshot: RecordedSnapshot, parent: SnapshotId | None, changes: Iterable[PathEntry]
    ) -> Changes:
        """Record a snapshot by what differs from `parent`; each path that went is named, those below it too.

        Raises `HistoryGap` where `parent` is not the newest recorded one of the lineage.
        """
        if self._has(snapshot.id):
            return Changes()
        if self.newest(snapshot.lineage) != parent:
            raise HistoryGap(f"path history of {snapshot.lineage.job or 'no job'} lacks a snapshot")
        writer = _SnapshotWriter(self._engine, self._begin(snapshot))
        for batch in batches(changes):
            writer.write(batch)
        writer.finish()
        return writer.changes

    def record_listing(self, snapshot: RecordedSnapshot, entries: Iterable[PathEntry]) -> Changes:
        """Record a snapshot by all that is in it, whatever was recorded before; memory stays a bit per known path."""
        if self._has(snapshot.id):
            return Changes()
        writer = _SnapshotWriter(self._engine, self._begin(snapshot))
        pending: list[PathEntry] = []
        for batch in batches(entries):
            pending += writer.differing(batch)
            while len(pending) >= BATCH:
                writer.write(pending[:BATCH])
                del pending[:BATCH]
        if pending:
            writer.write(pending)
        writer.end_unseen()
        writer.finish()
        return writer.changes

    def drop(self, snapshots: Collection[SnapshotId]) -> None:
        """Forget snapshots that are on no target any more, and the versions that none of the others has."""
        for batch in batches(snapshots):
            with writing(self._engine) as connection:
                connection.execute(update(SNAPSHOT).where(SNAPSHOT.c.snapshot.in_(batch)).values(kept=0))
        kept_one_has_it = (
            select(SNAPSHOT.c.ordinal)
            .where(
                SNAPSHOT.c.lineage == ENTRY.c.lineage,
                SNAPSHOT.c.ordinal >= VERSION.c.first,
                SNAPSHOT.c.ordinal < VERSION.c.until,
                SNAPSHOT.c.kept == 1,
            )
            .exists()
        )
        unreachable = select(VERSION.c.entry, VERSION.c.first).join(ENTRY)
        with reading(self._engine) as connection:
            found = connection.execute(unreachable.where(VERSION.c.until != OPEN, not_(kept_one_has_it)))
            keys = [tuple(key) for key in found]
        for some in batches(keys):
            with writing(self._engine) as connection:
                closed = and_(tuple_(VERSION.c.entry, VERSION.c.first).in_(some), VERSION.c.until != OPEN)
                connection.execute(delete(VERSION).where(closed))

    def rename(self, old: Lineage, new: Lineage) -> None:
        """Give a lineage another name. Raises `CatalogError` where another has it."""
        with writing(self._engine) as connection:
            if connection.scalar(select(LINEAGE.c.id).where(*_is(new))) is not None:
                raise CatalogError(f"there is a history of {new.job} on {new.host} already")
            values = {"host": _bytes(new.host), "job": _bytes(new.job)}
            connection.execute(update(LINEAGE).where(*_is(old)).values(**values))

    def _has(self, snapshot: SnapshotId) -> bool:
        query = select(SNAPSHOT.c.ordinal).where(SNAPSHOT.c.snapshot == snapshot, SNAPSHOT.c.complete == 1)
        with reading(self._engine) as connection:
            return connection.scalar(query) is not None

    def _begin(self, snapshot: RecordedSnapshot) -> "_Numbered":
        self._take_back(snapshot)
        with writing(self._engine) as connection:
            found = connection.execute(select(LINEAGE.c.id, LINEAGE.c.numbered).where(*_is(snapshot.lineage))).first()
            if found is None:
                lineage = (connection.scalar(select(func.max(LINEAGE.c.id))) or 0) + 1
                ordinal = 1
                values = {"id": lineage, "host": _bytes(snapshot.lineage.host), "job": _bytes(snapshot.lineage.job)}
                connection.execute(insert(LINEAGE).values(numbered=1, **values))
            else:
                lineage, ordinal = found.id, found.numbered + 1
                connection.execute(update(LINEAGE).where(LINEAGE.c.id == lineage).values(numbered=ordinal))
            row = {"lineage": lineage, "ordinal": ordinal, "snapshot": snapshot.id, "taken": snapshot.taken}
            connection.execute(insert(SNAPSHOT).values(complete=0, kept=1, **row))
        return _Numbered(lineage, ordinal)

    def _take_back(self, snapshot: RecordedSnapshot) -> None:
        """Undo whatever snapshots of the lineage were only half written."""
        mine = or_(and_(*_is(snapshot.lineage)), SNAPSHOT.c.snapshot == snapshot.id)
        with reading(self._engine) as connection:
            half = select(SNAPSHOT.c.lineage, SNAPSHOT.c.ordinal).join(LINEAGE).where(SNAPSHOT.c.complete == 0, mine)
            dead = [_Numbered(*row) for row in connection.execute(half)]
        for one in dead:
            self._undo(one)

    def _undo(self, half: "_Numbered") -> None:
        of_lineage = select(VERSION.c.entry).join(ENTRY).where(ENTRY.c.lineage == half.lineage)
        with reading(self._engine) as connection:
            begun = list(connection.scalars(of_lineage.where(VERSION.c.first == half.ordinal)))
            ended = list(connection.scalars(of_lineage.where(VERSION.c.until == half.ordinal)))
        for batch in batches(begun):
            with writing(self._engine) as connection:
                connection.execute(delete(VERSION).where(VERSION.c.entry.in_(batch), VERSION.c.first == half.ordinal))
        for batch in batches(ended):
            with writing(self._engine) as connection:
                stale = and_(VERSION.c.entry.in_(batch), VERSION.c.until == half.ordinal)
                connection.execute(update(VERSION).where(stale).values(until=OPEN))
        with writing(self._engine) as connection:
            connection.execute(delete(SNAPSHOT).where(*half.is_row, SNAPSHOT.c.complete == 0))


@dataclass(frozen=True, slots=True)
class _Numbered:
    """A snapshot by its lineage and its number there."""

    lineage: int
    ordinal: int

    @property
    def is_row(self) -> tuple[Condition, ...]:
        return (SNAPSHOT.c.lineage == self.lineage, SNAPSHOT.c.ordinal == self.ordinal)


class _SnapshotWriter:
    """One snapshot on its way into the tables, batch by batch."""

    def __init__(self, engine: Engine, numbered: _Numbered) -> None:
        self._engine = engine
        self._numbered = numbered
        self._places = Places(numbered.lineage)
        self._seen = bytearray()
        self.changes = Changes()

    def differing(self, batch: Sequence[PathEntry]) -> list[PathEntry]:
        """Those of a batch that are not what they were; asked without holding up any writer."""
        with reading(self._engine) as connection:
            known = self._places.known(connection, batch)
        different = []
        for entry in batch:
            there = known.get(place_of(entry.path))
            if there is not None and there.state == entry.state:
                self._see(there.entry)
            else:
                different.append(entry)
        return different

    def write(self, batch: Sequence[PathEntry]) -> None:
        """Write what differs, in one transaction."""
        last_of_path = {entry.path: entry for entry in batch}
        with writing(self._engine) as connection:
            self._require_to_be_alone(connection)
            known = self._places.known(connection, list(last_of_path.values()))
            fresh = [
                entry.path
                for entry in last_of_path.values()
                if entry.state is not None and place_of(entry.path) not in known
            ]
            known.update(self._places.add(connection, fresh))
            began, ended = [], []
            for entry in last_of_path.values():
                there = known.get(place_of(entry.path))
                if there is None:
                    continue
                self._see(there.entry)
                if there.state == entry.state:
                    continue
                if there.state is not None:
                    ended.append(there)
                if entry.state is not None:
                    began.append((there.entry, entry.state))
                self._count(there.state, entry.state)
            self._end(connection, ended)
            self._start(connection, began)

    def end_unseen(self) -> None:
        """End whatever was there and has not been seen in a listing."""
        query = select(VERSION.c.entry, VERSION.c.first).join(ENTRY)
        still_open = query.where(ENTRY.c.lineage == self._numbered.lineage, VERSION.c.until == OPEN)
        with reading(self._engine) as connection:
            gone = [Known(entry, first) for entry, first in connection.execute(still_open) if not self._was_seen(entry)]
        for batch in batches(gone):
            with writing(self._engine) as connection:
                self._require_to_be_alone(connection)
                self._end(connection, batch)
        self.changes.removed += len(gone)

    def finish(self) -> None:
        """Make the snapshot count."""
        with writing(self._engine) as connection:
            self._require_to_be_alone(connection)
            connection.execute(update(SNAPSHOT).where(*self._numbered.is_row).values(complete=1))

    def _require_to_be_alone(self, connection: Connection) -> None:
        mine = select(SNAPSHOT.c.ordinal).where(*self._numbered.is_row, SNAPSHOT.c.complete == 0)
        if connection.scalar(mine) is None:
            raise CatalogError("another process records the same path history")

    def _end(self, connection: Connection, ended: Sequence[Known]) -> None:
        key = and_(VERSION.c.entry == bindparam("of_entry"), VERSION.c.first == bindparam("from_first"))
        if ended:
            connection.execute(
                update(VERSION).where(key).values(until=self._numbered.ordinal),
                [{"of_entry": known.entry, "from_first": known.first} for known in ended],
            )

    def _start(self, connection: Connection, began: Sequence[tuple[int, PathState]]) -> None:
        rows = [
            {
                "entry": entry,
                "first": self._numbered.ordinal,
                "until": OPEN,
                "type": int(state.type),
                "size": state.size,
                "mtime_ns": state.mtime_ns,
                "content": state.content,
            }
            for entry, state in began
        ]
        if rows:
            connection.execute(insert(VERSION), rows)

    def _count(self, before: PathState | None, after: PathState | None) -> None:
        if before is None:
            self.changes.added += 1
        elif after is None:
            self.changes.removed += 1
        else:
            self.changes.changed += 1

    def _see(self, entry: int) -> None:
        byte, bit = divmod(entry, 8)
        if byte >= len(self._seen):
            self._seen.extend(bytes(byte + 1 - len(self._seen) + _SPARE_BYTES))
        self._seen[byte] |= 1 << bit

    def _was_seen(self, entry: int) -> bool:
        byte, bit = divmod(entry, 8)
        return byte < len(self._seen) and bool(self._seen[byte] & 1 << bit)


def _is(lineage: Lineage) -> tuple[Condition, ...]:
    return (LINEAGE.c.host == _bytes(lineage.host), LINEAGE.c.job == _bytes(lineage.job))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
