"""What can be derived: snapshots by lineage, and which path was what from which of them to which."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "lineage",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("host", sa.LargeBinary, nullable=False),
        sa.Column("job", sa.LargeBinary, nullable=False),
        sa.Column("numbered", sa.Integer, nullable=False),
        sa.UniqueConstraint("host", "job"),
    )
    op.create_table(
        "snapshot",
        sa.Column("lineage", sa.Integer, sa.ForeignKey("lineage.id"), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("snapshot", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("taken", sa.BigInteger, nullable=False),
        sa.Column("complete", sa.Integer, nullable=False),
        sa.Column("kept", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "folder",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("path", sa.LargeBinary, nullable=False, unique=True),
    )
    op.create_table(
        "entry",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("lineage", sa.Integer, sa.ForeignKey("lineage.id"), nullable=False),
        sa.Column("folder", sa.Integer, sa.ForeignKey("folder.id"), nullable=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("folder", "name", "lineage"),
    )
    op.create_table(
        "version",
        sa.Column("entry", sa.BigInteger, sa.ForeignKey("entry.id"), primary_key=True),
        sa.Column("first", sa.Integer, primary_key=True),
        sa.Column("until", sa.Integer, nullable=False),
        sa.Column("type", sa.Integer, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary),
        sqlite_with_rowid=False,
    )
