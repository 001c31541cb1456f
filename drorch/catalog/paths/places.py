"""Where a path stands in the tables: its folder's number, its own, and what it was last."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.schema import CreateTable

from drorch.catalog.paths.tables import ENTRY, FOLDER, OPEN, VERSION
from drorch.catalog.paths.values import PathEntry, PathState, PathType

_MOST_FOLDERS_REMEMBERED = 100_000

_WANTED = Table(
    "wanted",
    MetaData(),
    Column("number", Integer, primary_key=True),
    Column("folder", Integer, nullable=False),
    Column("name", LargeBinary, nullable=False),
    prefixes=["TEMPORARY"],
)
_MAKE_WANTED = CreateTable(_WANTED, if_not_exists=True)
_KNOWN = (
    select(
        _WANTED.c.number,
        ENTRY.c.id,
        VERSION.c.first,
        VERSION.c.type,
        VERSION.c.size,
        VERSION.c.mtime_ns,
        VERSION.c.content,
    )
    .join(
        ENTRY,
        and_(
            ENTRY.c.folder == _WANTED.c.folder,
            ENTRY.c.name == _WANTED.c.name,
            ENTRY.c.lineage == bindparam("lineage"),
        ),
    )
    .join(VERSION, and_(VERSION.c.entry == ENTRY.c.id, VERSION.c.until == OPEN), isouter=True)
)

Place = tuple[bytes, bytes]
"""A path as its folder's path and its name."""


@dataclass(frozen=True, slots=True)
class Known:
    """A path that has a number; `first` is the snapshot its open version began with, where it has one."""

    entry: int
    first: int | None = None
    state: PathState | None = None


def place_of(path: bytes) -> Place:
    """Folder and name of an absolute path; the root is (b"", b"")."""
    folder, _, name = path.rpartition(b"/")
    return folder, name


class Places:
    """The numbers of a lineage's paths."""

    def __init__(self, lineage: int) -> None:
        self._lineage = lineage
        self._folders: dict[bytes, int] = {}

    def known(self, connection: Connection, entries: Sequence[PathEntry]) -> dict[Place, Known]:
        """Those of the paths that have a number, with their open version where they have one."""
        places = [place_of(entry.path) for entry in entries]
        folders = self._numbers(connection, {folder for folder, _ in places})
        wanted = [
            {"number": number, "folder": folders[folder], "name": name}
            for number, (folder, name) in enumerate(places)
            if folder in folders
        ]
        if not wanted:
            return {}
        # SQLite reads the whole table for a long list of pairs, and one index entry for each row of a joined table.
        connection.execute(_MAKE_WANTED)
        connection.execute(delete(_WANTED))
        connection.execute(insert(_WANTED), wanted)
        parameters = {"lineage": self._lineage}
        found: dict[Place, Known] = {}
        for number, entry, first, kind, size, mtime_ns, content in connection.execute(_KNOWN, parameters):
            state = None if first is None else PathState(PathType(kind), size, mtime_ns, content)
            found[places[number]] = Known(entry, first, state)
        return found

    def add(self, connection: Connection, paths: Iterable[bytes]) -> Mapping[Place, Known]:
        """Give numbers to paths that have none. Called under the write lock."""
        places = [place_of(path) for path in paths]
        if not places:
            return {}
        folders = self._numbers(connection, {folder for folder, _ in places})
        missing = [folder for folder in dict.fromkeys(folder for folder, _ in places) if folder not in folders]
        if missing:
            last = connection.scalar(select(func.max(FOLDER.c.id))) or 0
            folders |= {folder: number for number, folder in enumerate(missing, last + 1)}
            connection.execute(insert(FOLDER), [{"id": folders[folder], "path": folder} for folder in missing])
        last = connection.scalar(select(func.max(ENTRY.c.id))) or 0
        numbered = {place: Known(number) for number, place in enumerate(places, last + 1)}
        connection.execute(
            insert(ENTRY),
            [
                {"id": known.entry, "lineage": self._lineage, "folder": folders[folder], "name": name}
                for (folder, name), known in numbered.items()
            ],
        )
        return numbered

    def _numbers(self, connection: Connection, folders: set[bytes]) -> dict[bytes, int]:
        if len(self._folders) > _MOST_FOLDERS_REMEMBERED:
            self._folders.clear()
        unknown = [folder for folder in folders if folder not in self._folders]
        if unknown:
            query = select(FOLDER.c.path, FOLDER.c.id).where(FOLDER.c.path.in_(unknown))
            self._folders |= {bytes(path): number for path, number in connection.execute(query)}
        return {folder: self._folders[folder] for folder in folders if folder in self._folders}
