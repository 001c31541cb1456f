"""The tables of paths.sqlite: which path was what, from which snapshot to which. `migrations/paths` makes them.

Snapshots of a lineage are numbered as they are recorded, and a number is never used twice. A version of a path is
an interval of these numbers: from the snapshot it was first seen in (`first`) up to, not including, the one that
showed something else (`until`; `OPEN` while none has). So an unchanged path costs nothing, and a snapshot that was
only half written is taken back by its number alone.
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, Table, UniqueConstraint

from drorch.catalog.columns import BigKey, Instant

OPEN = 2**31 - 1
"""`until` of a version that the newest snapshot still has."""

METADATA = MetaData()

LINEAGE = Table(
    "lineage",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("host", LargeBinary, nullable=False),
    Column("job", LargeBinary, nullable=False),
    Column("numbered", Integer, nullable=False),
    UniqueConstraint("host", "job"),
)

SNAPSHOT = Table(
    "snapshot",
    METADATA,
    Column("lineage", Integer, ForeignKey("lineage.id"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("snapshot", LargeBinary, nullable=False, unique=True),
    Column("taken", Instant, nullable=False),
    Column("complete", Integer, nullable=False),
    Column("kept", Integer, nullable=False),
    sqlite_with_rowid=False,
)

FOLDER = Table(
    "folder",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("path", LargeBinary, nullable=False, unique=True),
)

ENTRY = Table(
    "entry",
    METADATA,
    Column("id", BigKey, primary_key=True),
    Column("lineage", Integer, ForeignKey("lineage.id"), nullable=False),
    Column("folder", Integer, ForeignKey("folder.id"), nullable=False),
    Column("name", LargeBinary, nullable=False),
    UniqueConstraint("folder", "name", "lineage"),
)

VERSION = Table(
    "version",
    METADATA,
    Column("entry", BigInteger, ForeignKey("entry.id"), primary_key=True),
    Column("first", Integer, primary_key=True),
    Column("until", Integer, nullable=False),
    Column("type", Integer, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("content", LargeBinary),
    sqlite_with_rowid=False,
)
