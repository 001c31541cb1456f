import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from tests.catalog.postgresql import running_server


@pytest.fixture
def place(tmp_path: Path) -> CatalogPlace:
    """Where a catalog in SQLite goes."""
    return CatalogPlace(tmp_path / "state")


@pytest.fixture
def catalog(place: CatalogPlace) -> Iterator[Catalog]:
    """A catalog in SQLite."""
    with open_catalog(place, upgrade) as opened:
        yield opened


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The url of a PostgreSQL server, to be completed by the name of a database."""
    with running_server() as url:
        yield url


@pytest.fixture
def database(server: str) -> Iterator[str]:
    """The url of an empty PostgreSQL database."""
    name = f"test{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}postgres", autocommit=True) as administrator:
        administrator.execute(f'CREATE DATABASE "{name}"'.encode())
        yield server + name
        administrator.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    """A catalog in SQLite, and then one in PostgreSQL."""
    url = request.getfixturevalue("database") if request.param == "postgresql" else None
    with open_catalog(CatalogPlace(tmp_path / "state", url), upgrade) as opened:
        yield opened
