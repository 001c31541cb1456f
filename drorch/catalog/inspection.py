"""Looks at a catalog without changing anything: nothing is made, upgraded or replayed, and no file is left behind."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, text
from sqlalchemy.pool import NullPool

from drorch.catalog.audit import AuditLog
from drorch.catalog.engine import reading, server_engine
from drorch.catalog.open import CatalogPlace
from drorch.catalog.queries import Queries
from drorch.catalog.schema import CATALOG, PATHS, Schema, Standing, standing
from drorch.errors import CatalogError


def is_lost(place: CatalogPlace) -> bool:
    """Whether catalog.sqlite was there and is not any more."""
    return place.url is None and place.paths_file.exists() and not place.catalog_file.exists()


def behind(place: CatalogPlace) -> list[str]:
    """The databases that the next use will upgrade. Raises `CatalogError` where one cannot be used at all."""
    return [name for name, engine, schema in _databases(place) if _is_behind(engine, schema)]


def _is_behind(opened: Engine, schema: Schema) -> bool:
    try:
        return standing(opened, schema) is Standing.BEHIND
    finally:
        opened.dispose()


def damage(place: CatalogPlace) -> list[str]:
    """What SQLite finds wrong in its files, reading all of them. Raises `CatalogError` where it cannot read one."""
    found = []
    for name, engine, _ in _databases(place):
        if engine.dialect.name == "sqlite":
            with _disposed(engine), reading(engine) as connection:
                told = [str(line) for line in connection.scalars(text("PRAGMA integrity_check(10)"))]
            found += [] if told == ["ok"] else [f"{name}: {line}" for line in told]
    return found


@contextmanager
def looked_at(place: CatalogPlace) -> Iterator[tuple[Queries, AuditLog] | None]:
    """The two doors through which a catalog is only read; None where it is not there, or to be upgraded first.

    Raises `CatalogError` where it cannot be used at all.
    """
    for _, engine, schema in _databases(place):
        if schema is CATALOG:
            with _disposed(engine):
                current = standing(engine, schema) is Standing.CURRENT
                yield (Queries(engine), AuditLog(engine)) if current else None
            return
    yield None


@contextmanager
def _disposed(engine: Engine) -> Iterator[None]:
    try:
        yield
    finally:
        engine.dispose()


def _databases(place: CatalogPlace) -> Iterator[tuple[str, Engine, Schema]]:
    if place.url is not None:
        yield "the catalog", server_engine(place.url), CATALOG
    elif place.catalog_file.exists():
        yield str(place.catalog_file), _looking_at(place.catalog_file), CATALOG
    if place.paths_file.exists():
        yield str(place.paths_file), _looking_at(place.paths_file), PATHS


def _looking_at(path: Path) -> Engine:
    if not os.access(path, os.R_OK):
        raise CatalogError(f"catalog {path} cannot be read", hint=f"Give drorch the right to: ls -l {path}")
    # Without a log beside it nobody has the file open, and reading it must not make one.
    at_rest = not path.with_name(f"{path.name}-wal").exists()
    address = f"file:{quote(str(path))}?mode=ro{'&immutable=1' if at_rest else ''}"
    return create_engine(
        URL.create("sqlite", database=str(path)),
        creator=lambda: sqlite3.connect(address, uri=True, check_same_thread=False),
        poolclass=NullPool,
    )
