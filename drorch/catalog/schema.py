"""Which revision a database has, asked in plain SQL, so that alembic is loaded only where there is work for it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from sqlalchemy import Engine, inspect, text

from drorch.catalog.engine import reading, shown
from drorch.errors import CatalogError


@dataclass(frozen=True, slots=True)
class Schema:
    """One of the catalog's databases and the revision this drorch knows: four digits, counted up."""

    name: str
    revision: str


CATALOG = Schema("catalog", "0003")
PATHS = Schema("paths", "0001")

Upgrade = Callable[[Engine, Schema], None]
"""Brings a database up to a schema: `drorch.catalog.migrate.upgrade`, handed in, since alembic is heavy."""


class Standing(Enum):
    """How a database stands to the schema this drorch knows."""

    EMPTY = auto()
    BEHIND = auto()
    CURRENT = auto()


def revision_of(engine: Engine) -> str | None:
    """The revision a database has; None where it is empty. Raises `CatalogError`."""
    with reading(engine) as connection:
        there = inspect(connection).has_table("alembic_version")
        return connection.scalar(text("SELECT version_num FROM alembic_version")) if there else None


def standing(engine: Engine, schema: Schema) -> Standing:
    """How a database stands. Raises `CatalogError` where it cannot be read or is of a newer drorch."""
    revision = revision_of(engine)
    if revision is None:
        return Standing.EMPTY
    if revision == schema.revision:
        return Standing.CURRENT
    if not revision.isdecimal() or int(revision) > int(schema.revision):
        raise CatalogError(
            f"catalog {shown(engine)} was written by a newer drorch (schema {revision}, known: {schema.revision})",
            hint="Run the newer drorch.",
        )
    return Standing.BEHIND


def bring_up_to_date(engine: Engine, schema: Schema, upgrade: Upgrade) -> None:
    """Upgrade a database that is empty or behind; refuse one that is ahead. Raises `CatalogError`."""
    if standing(engine, schema) is not Standing.CURRENT:
        upgrade(engine, schema)
