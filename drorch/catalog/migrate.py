"""The only room that loads alembic: brings a database from whatever revision it has to the one drorch knows.

An upgrade happens whole or not at all, whenever the process dies. A copy of a SQLite file that had content is kept
beside it (`catalog.sqlite.0001.copy`), one per revision; a PostgreSQL database is backed up by its administrator.
"""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Engine

from drorch.catalog.engine import copy_to, shown, writing
from drorch.catalog.schema import Schema, Standing, revision_of, standing
from drorch.errors import CatalogError

_IN_THE_WHEEL = Path(__file__).with_name("migrations")
_IN_THE_SOURCE = Path(__file__).parents[2] / "migrations"


def scripts_folder() -> Path:
    """Where the migrations lie: beside this file when installed, at the top of the source otherwise."""
    return _IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else _IN_THE_SOURCE


def upgrade(engine: Engine, schema: Schema, scripts: Path | None = None) -> None:
    """Upgrade a database to a schema. A second process that wants the same waits and finds it done.

    `scripts` is another folder of migrations than drorch's own. Raises `CatalogError`.
    """
    with _alone(engine):
        found = standing(engine, schema)
        if found is Standing.CURRENT:
            return
        if found is Standing.BEHIND:
            _keep_copy(engine)
        _migrate(engine, schema, scripts or scripts_folder())


def _migrate(engine: Engine, schema: Schema, scripts: Path) -> None:
    config = Config()
    config.set_main_option("script_location", _escaped(scripts))
    config.set_main_option("version_locations", _escaped(scripts / schema.name))
    config.set_main_option("path_separator", "os")
    try:
        with writing(engine) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, schema.revision)
    except CommandError as fault:
        raise CatalogError(f"catalog {shown(engine)} cannot be upgraded: {fault}") from fault


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    path = Path(f"{engine.url.database}.upgrade-lock")
    try:
        held = path.open("ab")
    except OSError as fault:
        raise CatalogError(f"catalog {shown(engine)} cannot be upgraded: {path}: {fault.strerror}") from fault
    with held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _keep_copy(engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return
    copy_to(engine, Path(f"{engine.url.database}.{revision_of(engine)}.copy"))
