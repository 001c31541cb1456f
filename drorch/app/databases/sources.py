"""The database that a job names, as a source of its kind."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drorch.clock import Clock
from drorch.model.job import DatabaseSpec, MariadbSpec, PostgresqlSpec, RedisSpec, SqliteSpec
from drorch.secrets import SecretRef
from drorch.sources.databases.contract import DatabaseKind

KindOf = Callable[[DatabaseSpec, Clock], DatabaseKind]
"""What makes a source of what a job names."""


def kind_of(spec: DatabaseSpec, clock: Clock) -> DatabaseKind:
    """The database that a job names. Nothing is asked of it, and no secret read, before it is used."""
    match spec:
        case PostgresqlSpec():
            return _postgresql(spec, clock)
        case MariadbSpec():
            return _mariadb(spec, clock)
        case SqliteSpec():
            return _sqlite(spec, clock)
        case RedisSpec():
            return _redis(spec, clock)


def _postgresql(spec: PostgresqlSpec, clock: Clock) -> DatabaseKind:
    room = _room(spec)
    settings = room.PostgresqlSettings(
        host=spec.host,
        port=spec.port,
        user=spec.user,
        password=_reading(spec.password),
        databases=spec.databases,
        globals=spec.globals,
        facts=spec.facts,
        base=spec.base,
        bin_dir=_folder(spec.bin_dir),
        quiet_seconds=spec.quiet.total_seconds(),
    )
    kind: DatabaseKind = room.Postgresql(settings, clock)
    return kind


def _mariadb(spec: MariadbSpec, clock: Clock) -> DatabaseKind:
    room = _room(spec)
    settings = room.MariadbSettings(
        host=spec.host,
        port=spec.port,
        socket=spec.socket,
        user=spec.user,
        password=_reading(spec.password),
        databases=spec.databases,
        users=spec.users,
        facts=spec.facts,
        physical=spec.physical,
        bin_dir=_folder(spec.bin_dir),
        quiet_seconds=spec.quiet.total_seconds(),
    )
    kind: DatabaseKind = room.Mariadb(settings, clock)
    return kind


def _sqlite(spec: SqliteSpec, clock: Clock) -> DatabaseKind:
    room = _room(spec)
    kind: DatabaseKind = room.Sqlite(room.SqliteSettings(path=Path(spec.path), facts=spec.facts), clock)
    return kind


def _redis(spec: RedisSpec, clock: Clock) -> DatabaseKind:
    room = _room(spec)
    settings = room.RedisSettings(
        host=spec.host,
        port=spec.port,
        socket=spec.socket,
        user=spec.user,
        password=_reading(spec.password),
        bin_dir=_folder(spec.bin_dir),
        quiet_seconds=spec.quiet.total_seconds(),
    )
    kind: DatabaseKind = room.Redis(settings, clock)
    return kind


def _room(spec: DatabaseSpec) -> Any:
    # By name: each room brings its own heavy library.
    return importlib.import_module(f"drorch.sources.{spec.kind}.kind")


def _reading(password: SecretRef | None) -> Callable[[], str] | None:
    return None if password is None else password.read


def _folder(path: str | None) -> Path | None:
    return None if path is None else Path(path)
