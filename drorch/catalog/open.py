"""Opens the catalog: both databases at the schema this drorch knows, and what waited in the spool put in.

Missing databases are made in an empty state_dir. Where catalog.sqlite alone is missing it was lost, which is said and
never papered over: an empty catalog would find every snapshot new and nothing overdue. A paths.sqlite that cannot be
used keeps nobody from the rest: it can be derived.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, text

from drorch.catalog.audit import AuditLog
from drorch.catalog.engine import BUSY_SECONDS, reading, server_engine, shown, sqlite_engine
from drorch.catalog.file import CatalogFile
from drorch.catalog.launches import Launches
from drorch.catalog.ledger import Ledger
from drorch.catalog.merging import Taken, take_over
from drorch.catalog.paths.recording import Recorder
from drorch.catalog.paths.searching import Search
from drorch.catalog.queries import Queries
from drorch.catalog.schema import CATALOG, PATHS, Upgrade, bring_up_to_date
from drorch.catalog.spool import Replay, Spool
from drorch.errors import CatalogError
from drorch.model.audit import AuditHead


@dataclass(frozen=True, slots=True)
class CatalogPlace:
    """Where the catalog is: `state_dir`; `url` of a PostgreSQL database that takes catalog.sqlite's place.

    `spare_spool` is a folder on another disk that takes records while state_dir takes none.
    """

    state_dir: Path
    url: str | None = None
    spare_spool: Path | None = None

    @property
    def catalog_file(self) -> Path:
        """What only drorch knows."""
        return self.state_dir / "catalog.sqlite"

    @property
    def paths_file(self) -> Path:
        """What can be derived."""
        return self.state_dir / "paths.sqlite"

    @property
    def spool(self) -> Spool:
        """Where records wait while the catalog takes none; it needs no open catalog."""
        return Spool([self.state_dir / "spool", *([self.spare_spool] if self.spare_spool else [])])


class Catalog:
    """The open catalog, with a door for each purpose.

    `replayed` tells what was waiting in the spool. Where path history cannot be used, `paths_fault` says why, and its
    two doors raise it.
    """

    def __init__(
        self, engines: tuple[Engine, Engine], replayed: Replay, paths_fault: CatalogError | None = None
    ) -> None:
        self._engines = engines
        catalog, paths = engines
        self.ledger = Ledger(catalog)
        self.queries = Queries(catalog)
        self.audit = AuditLog(catalog)
        self.launches = Launches(catalog)
        self._recorder = Recorder(paths)
        self._search = Search(paths)
        self.replayed = replayed
        self.paths_fault = paths_fault

    @property
    def recorder(self) -> Recorder:
        """What path history is written with. Raises `CatalogError` where it cannot be used."""
        self._need_paths()
        return self._recorder

    @property
    def search(self) -> Search:
        """What path history is asked with. Raises `CatalogError` where it cannot be used."""
        self._need_paths()
        return self._search

    def _need_paths(self) -> None:
        if self.paths_fault is not None:
            raise self.paths_fault

    def damage(self) -> list[str]:
        """What SQLite finds wrong in its files, reading all of them; PostgreSQL looks after itself."""
        return [fault for engine in self._engines for fault in _damage(engine)]

    def take_over(self, other: CatalogFile, anchors: Sequence[AuditHead] = ()) -> Taken:
        """Take over what another catalog of the same host knows; `anchors` are ends noted of its audit log.

        Doing so again changes nothing. Raises `CatalogError`.
        """
        return take_over(self._engines[0], other.engine, anchors)

    def close(self) -> None:
        """Let go of the databases; closing again does nothing."""
        _dispose(self._engines)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_catalog(
    place: CatalogPlace, upgrade: Upgrade, *, replacing_lost: bool = False, patience: float = BUSY_SECONDS
) -> Catalog:
    """Open the catalog, make or upgrade what needs it, replay the spool. Who else writes is waited for `patience` s.

    `upgrade` is `drorch.catalog.migrate.upgrade`, called only where a schema lags: it loads alembic. `replacing_lost`
    makes a new catalog.sqlite where the old one was lost. Raises `CatalogError` where the catalog cannot be used; path
    history alone that cannot be is no reason (`Catalog.paths_fault`).
    """
    _make_state_dir(place)
    if place.url is None and not replacing_lost:
        _refuse_lost(place)
    catalog = sqlite_engine(place.catalog_file, patience=patience) if place.url is None else server_engine(place.url)
    paths = sqlite_engine(place.paths_file, synchronous="NORMAL", patience=patience)
    try:
        # In this order: paths.sqlite without catalog.sqlite then always means that the latter was lost.
        bring_up_to_date(catalog, CATALOG, upgrade)
        paths_fault = _fault_of_paths(paths, upgrade)
        replayed = place.spool.replay(Ledger(catalog))
    except BaseException:
        _dispose((catalog, paths))
        raise
    return Catalog((catalog, paths), replayed, paths_fault)


def _fault_of_paths(paths: Engine, upgrade: Upgrade) -> CatalogError | None:
    try:
        bring_up_to_date(paths, PATHS, upgrade)
    except CatalogError as fault:
        return fault
    return None


def _make_state_dir(place: CatalogPlace) -> None:
    try:
        place.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise CatalogError(
            f"state_dir {place.state_dir}: {fault.strerror}", hint="Give drorch a state_dir it may write."
        ) from fault


def _refuse_lost(place: CatalogPlace) -> None:
    if place.paths_file.exists() and not place.catalog_file.exists():
        raise CatalogError(
            f"catalog {place.catalog_file} is missing, and it was there",
            hint="Run drorch catalog rebuild.",
        )


def _damage(engine: Engine) -> list[str]:
    if engine.dialect.name != "sqlite":
        return []
    try:
        with reading(engine) as connection:
            found = [str(fault) for fault in connection.scalars(text("PRAGMA integrity_check"))]
    except CatalogError as fault:
        return [fault.message]
    return [] if found == ["ok"] else [f"{shown(engine)}: {fault}" for fault in found]


def _dispose(engines: Iterable[Engine]) -> None:
    for engine in engines:
        engine.dispose()
