"""What was true of databases when they were dumped, by snapshot."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add it."""
    op.create_table(
        "facts",
        # The original id: a snapshot that was copied or tagged holds the same dump.
        sa.Column("snapshot", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
