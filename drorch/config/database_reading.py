"""Tables of databases -> what they say, as values."""

from collections.abc import Mapping

from drorch.config.databases import DatabaseTable, MariadbTable, PostgresqlTable, SqliteTable
from drorch.config.table import SecretTable
from drorch.config.target_reading import secret
from drorch.model.job import DatabaseSpec, MariadbSpec, PostgresqlSpec, RedisSpec, SqliteSpec
from drorch.secrets import SecretRef


def database(table: DatabaseTable, facts: Mapping[str, str]) -> DatabaseSpec:
    """A database of any kind; `facts` are queries by name, which only some kinds have."""
    match table:
        case PostgresqlTable():
            return PostgresqlSpec(
                databases=_databases(table),
                host=table.host,
                port=table.port,
                user=table.user,
                password=_secret(table.password),
                globals=table.globals,
                base=table.base,
                facts=dict(facts),
                bin_dir=table.bin_dir,
                quiet=table.quiet,
                min_bytes=table.min_bytes,
            )
        case MariadbTable():
            return MariadbSpec(
                databases=_databases(table),
                host=table.host,
                port=table.port,
                socket=table.socket,
                user=table.user,
                password=_secret(table.password),
                users=table.users,
                physical=table.physical,
                facts=dict(facts),
                bin_dir=table.bin_dir,
                quiet=table.quiet,
                min_bytes=table.min_bytes,
            )
        case SqliteTable():
            return SqliteSpec(path=table.path, facts=dict(facts), min_bytes=table.min_bytes)
        case _:
            return RedisSpec(
                host=table.host,
                port=table.port,
                socket=table.socket,
                user=table.user,
                password=_secret(table.password),
                bin_dir=table.bin_dir,
                quiet=table.quiet,
                min_bytes=table.min_bytes,
            )


def _databases(table: PostgresqlTable | MariadbTable) -> tuple[str, ...]:
    """Nothing where all of them are meant."""
    return (table.database,) if table.database is not None else tuple(table.databases or ())


def _secret(table: SecretTable | None) -> SecretRef | None:
    return None if table is None else secret(table)
