"""Answers from path history: all versions of a path, and where something like it lies. No target is touched."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, select

from drorch.catalog.engine import BATCH, batches, reading
from drorch.catalog.paths.patterns import fits
from drorch.catalog.paths.places import place_of
from drorch.catalog.paths.tables import ENTRY, FOLDER, LINEAGE, SNAPSHOT, VERSION
from drorch.catalog.paths.values import (
    FoundPath,
    PathHistory,
    PathQuery,
    PathState,
    PathType,
    PathVersion,
    RecordedSnapshot,
)
from drorch.ids import SnapshotId
from drorch.model.hold import Lineage

AnyRow = Row[*tuple[Any, ...]]


class Search:
    """Reads path history. Every method raises `CatalogError`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def snapshots(self, lineage: Lineage | None = None) -> list[RecordedSnapshot]:
        """The kept snapshots in path history, of all lineages or one, in the order they were recorded."""
        with reading(self._engine) as connection:
            lines = _lines(connection, None if lineage is None else _where(lineage.host, lineage.job))
        return [line.at(ordinal) for line in lines.values() for ordinal in line.kept]

    def history(self, path: bytes, host: str | None = None, job: str | None = None) -> list[PathHistory]:
        """All versions of a path, for each lineage that has or had it. Lineages are in order of host and job."""
        folder, name = place_of(path.rstrip(b"/"))
        query = select(ENTRY.c.id, ENTRY.c.lineage).join(FOLDER).where(FOLDER.c.path == folder, ENTRY.c.name == name)
        with reading(self._engine) as connection:
            lines = _lines(connection, _where(host, job))
            entries = [(entry, lines[lineage]) for entry, lineage in connection.execute(query) if lineage in lines]
            intervals = _intervals(connection, [entry for entry, _ in entries])
        told = [_history(line, path, intervals[entry]) for entry, line in entries]
        return sorted((one for one in told if one.versions), key=lambda one: (one.lineage.host, one.lineage.job))

    def find(self, query: PathQuery) -> list[FoundPath]:
        """Paths that fit, in order, at most `query.limit` of them."""
        test = fits(query)
        found: list[FoundPath] = []
        with reading(self._engine) as connection:
            lines = _lines(connection, _where(query.host, query.job))
            entries = (row for row in _entries(connection) if row.lineage in lines and test(row.path, row.name))
            for batch in batches(entries):
                intervals = _intervals(connection, [row.id for row in batch])
                for row in batch:
                    path = row.path + b"/" + row.name
                    history = _history(lines[row.lineage], path, intervals[row.id])
                    present = history.vanished is None
                    if history.versions and (present or not query.only_present):
                        found.append(FoundPath(history.lineage, path, history.versions[-1], present))
        found.sort(key=lambda one: (one.path, one.lineage.host, one.lineage.job))
        return found[: query.limit]


@dataclass(frozen=True, slots=True)
class _Line:
    """A lineage's complete snapshots: all their numbers, those of the kept ones, and what lies behind each."""

    lineage: Lineage
    numbers: Sequence[int]
    kept: Sequence[int]
    rows: Mapping[int, RecordedSnapshot]

    def at(self, ordinal: int) -> RecordedSnapshot:
        return self.rows[ordinal]

    def from_number(self, ordinal: int) -> RecordedSnapshot | None:
        """The first complete snapshot with this number or a later one."""
        place = bisect_left(self.numbers, ordinal)
        return self.rows[self.numbers[place]] if place < len(self.numbers) else None


def _where(host: str | None, job: str | None) -> list[ColumnElement[bool]]:
    conditions = []
    if host is not None:
        conditions.append(LINEAGE.c.host == host.encode("utf-8", "surrogateescape"))
    if job is not None:
        conditions.append(LINEAGE.c.job == job.encode("utf-8", "surrogateescape"))
    return conditions


def _lines(connection: Connection, conditions: Sequence[ColumnElement[bool]] | None) -> dict[int, _Line]:
    query = (
        select(LINEAGE.c.id, LINEAGE.c.host, LINEAGE.c.job, SNAPSHOT)
        .join(SNAPSHOT)
        .where(SNAPSHOT.c.complete == 1, *(conditions or ()))
        .order_by(LINEAGE.c.id, SNAPSHOT.c.ordinal)
    )
    by_lineage: dict[int, list[AnyRow]] = defaultdict(list)
    for row in connection.execute(query):
        by_lineage[row.id].append(row)
    return {number: _line(rows) for number, rows in by_lineage.items()}


def _line(rows: Sequence[AnyRow]) -> _Line:
    lineage = Lineage(_text(rows[0].host), _text(rows[0].job))
    return _Line(
        lineage,
        [row.ordinal for row in rows],
        [row.ordinal for row in rows if row.kept],
        {row.ordinal: RecordedSnapshot(SnapshotId(row.snapshot), lineage, row.taken) for row in rows},
    )


def _entries(connection: Connection) -> Iterator[AnyRow]:
    query = select(ENTRY.c.id, ENTRY.c.lineage, FOLDER.c.path, ENTRY.c.name).join(FOLDER)
    yield from connection.execution_options(yield_per=10 * BATCH).execute(query)


def _intervals(connection: Connection, entries: Sequence[int]) -> dict[int, list[AnyRow]]:
    found: dict[int, list[AnyRow]] = defaultdict(list)
    for batch in batches(entries):
        query = select(VERSION).where(VERSION.c.entry.in_(batch)).order_by(VERSION.c.entry, VERSION.c.first)
        for row in connection.execute(query):
            found[row.entry].append(row)
    return found


def _history(line: _Line, path: bytes, intervals: Sequence[AnyRow]) -> PathHistory:
    versions: list[PathVersion] = []
    vanished = None
    for row in intervals:
        before, after = bisect_left(line.kept, row.first), bisect_left(line.kept, row.until)
        end = line.from_number(row.until)
        if line.numbers and row.first <= line.numbers[-1]:
            vanished = end.taken if end else None
        if before < after:
            versions.append(
                PathVersion(
                    PathState(PathType(row.type), row.size, row.mtime_ns, row.content),
                    line.at(line.kept[before]),
                    line.at(line.kept[after - 1]),
                    after - before,
                    end.taken if end else None,
                )
            )
    return PathHistory(line.lineage, path, tuple(versions), vanished)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
