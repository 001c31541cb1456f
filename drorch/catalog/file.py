"""A catalog.sqlite by itself, without path history and spool: a copy that is made, read back or taken over from."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from drorch.catalog.audit import AuditLog
from drorch.catalog.engine import sqlite_engine
from drorch.catalog.launches import Launches
from drorch.catalog.ledger import Ledger
from drorch.catalog.queries import Queries
from drorch.catalog.schema import CATALOG, Upgrade, bring_up_to_date

_UPGRADE_LEAVES = (".upgrade-lock", ".????.copy")


@dataclass(frozen=True, slots=True)
class CatalogFile:
    """A copy of a catalog, opened, with the doors that a catalog has."""

    engine: Engine
    ledger: Ledger
    queries: Queries
    audit: AuditLog
    launches: Launches


@contextlib.contextmanager
def opened_file(file: Path, upgrade: Upgrade) -> Iterator[CatalogFile]:
    """Open a copy of a catalog, at the schema this drorch knows; an empty one is made where there is none.

    Raises `CatalogError`.
    """
    engine = sqlite_engine(file)
    try:
        bring_up_to_date(engine, CATALOG, upgrade)
        yield CatalogFile(engine, Ledger(engine), Queries(engine), AuditLog(engine), Launches(engine))
    finally:
        engine.dispose()
        for left in (path for ending in _UPGRADE_LEAVES for path in file.parent.glob(f"{file.name}{ending}")):
            left.unlink(missing_ok=True)
