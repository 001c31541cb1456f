"""PostgreSQL: databases dumped in snapshots of their own and put back, with the facts to compare.

Promise: a dump that is not whole fails; nothing is replaced before what replaces it has been loaded.
"""

from drorch.sources.postgresql.kind import Postgresql
from drorch.sources.postgresql.settings import PostgresqlSettings

__all__ = ["Postgresql", "PostgresqlSettings"]
