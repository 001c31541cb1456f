"""What only drorch knows: runs, problems, known snapshots, proof, holds, findings, audit."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.String(32)


def upgrade() -> None:
    """Make the tables."""
    _make_runs()
    _make_snapshots()
    _make_findings()
    _make_audit()


def _make_runs() -> None:
    op.create_table(
        "run",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("started", sa.BigInteger, nullable=False),
        sa.Column("ended", sa.BigInteger),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("snapshot", sa.LargeBinary),
        sa.Column("counters", sa.Text, nullable=False),
        sa.Column("config_hash", sa.Text, nullable=False),
        sa.Column("versions", sa.Text, nullable=False),
        sa.Column("trigger", sa.Text, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
    )
    op.create_index("run_by_job", "run", ["job", "started"])
    op.create_index("run_by_start", "run", ["started"])
    op.create_table(
        "problem",
        sa.Column("run", _ID, sa.ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("subject", sa.LargeBinary, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
    )


def _make_snapshots() -> None:
    op.create_table(
        "known_snapshot",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("snapshot", sa.LargeBinary, primary_key=True),
        sa.Column("original", sa.LargeBinary, nullable=False),
        sa.Column("tree", sa.LargeBinary),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("taken", sa.BigInteger, nullable=False),
    )
    op.create_index("known_snapshot_by_lineage", "known_snapshot", ["host", "job", "taken"])
    op.create_table(
        "proof",
        sa.Column("target", sa.Text, primary_key=True),
        sa.Column("snapshot", sa.LargeBinary, primary_key=True),
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("level", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "hold",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("host", sa.Text),
        sa.Column("job", sa.Text),
        sa.Column("snapshot", sa.LargeBinary),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("released", sa.BigInteger),
        sa.Column("released_by", sa.Text, nullable=False),
    )


def _make_findings() -> None:
    op.create_table(
        "finding",
        sa.Column("id", _ID, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.LargeBinary, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("opened", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("assignee", sa.Text, nullable=False),
        sa.Column("run", _ID),
        sa.Column("closed", sa.BigInteger),
    )
    op.create_index("finding_by_subject", "finding", ["kind", "subject"])
    op.create_table(
        "comment",
        sa.Column("finding", _ID, sa.ForeignKey("finding.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )


def _make_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("username", sa.Text, nullable=False),
        sa.Column("uid", sa.BigInteger, nullable=False),
        sa.Column("tty", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{change.lower()} BEFORE {change} ON audit "
                "BEGIN SELECT RAISE(ABORT, 'the audit log is only ever appended to'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is only ever appended to'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse()"
    )
