"""Launches and pauses, and which launch a run belongs to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add them."""
    op.add_column("run", sa.Column("launch", sa.Text, nullable=False, server_default=""))
    op.create_index("run_by_launch", "run", ["launch"])
    _make_launches()
    op.create_table(
        "pause",
        sa.Column("job", sa.Text, primary_key=True),
        sa.Column("since", sa.BigInteger, primary_key=True),
        sa.Column("until", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )


def _make_launches() -> None:
    op.create_table(
        "launch",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("targets", sa.Text, nullable=False),
        sa.Column("due", sa.BigInteger),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.Column("begins", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("started", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("exit_code", sa.Integer),
        sa.Column("reason", sa.LargeBinary, nullable=False),
        sa.Column("machine", sa.Text),
        sa.Column("boot", sa.Text),
        sa.Column("namespace", sa.Text),
        sa.Column("pid", sa.BigInteger),
        sa.Column("pid_started", sa.BigInteger),
    )
    # Times that nobody was due at are no times: any number of launches may have none.
    op.create_index("launch_by_due", "launch", ["kind", "line", "due", "attempt"], unique=True)
    op.create_index("launch_by_state", "launch", ["state"])
    op.create_index("launch_by_asking", "launch", ["asked"])
