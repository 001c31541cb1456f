"""The tables of catalog.sqlite: what only drorch knows. `migrations/catalog` makes them; both say the same."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, MetaData, String, Table, Text

from drorch.catalog.columns import AnyText, CountMap, Instant, TextList, TextMap

METADATA = MetaData()
_ID = String(32)

RUN = Table(
    "run",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("job", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("started", Instant, nullable=False),
    Column("ended", Instant),
    Column("outcome", Text, nullable=False),
    Column("snapshot", LargeBinary),
    Column("counters", CountMap, nullable=False),
    Column("config_hash", Text, nullable=False),
    Column("versions", TextMap, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("launch", Text, nullable=False, server_default=""),
    Index("run_by_job", "job", "started"),
    Index("run_by_start", "started"),
    Index("run_by_launch", "launch"),
)

PROBLEM = Table(
    "problem",
    METADATA,
    Column("run", _ID, ForeignKey("run.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("subject", AnyText, nullable=False),
    Column("message", AnyText, nullable=False),
)

KNOWN_SNAPSHOT = Table(
    "known_snapshot",
    METADATA,
    Column("target", Text, primary_key=True),
    Column("snapshot", LargeBinary, primary_key=True),
    Column("original", LargeBinary, nullable=False),
    Column("tree", LargeBinary),
    Column("host", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("taken", Instant, nullable=False),
    Index("known_snapshot_by_lineage", "host", "job", "taken"),
)

FACTS = Table(
    "facts",
    METADATA,
    Column("snapshot", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("document", Text, nullable=False),
)

PROOF = Table(
    "proof",
    METADATA,
    Column("target", Text, primary_key=True),
    Column("snapshot", LargeBinary, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("level", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
)

HOLD = Table(
    "hold",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("host", Text),
    Column("job", Text),
    Column("snapshot", LargeBinary),
    Column("reason", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Column("set_by", Text, nullable=False),
    Column("released", Instant),
    Column("released_by", Text, nullable=False),
)

FINDING = Table(
    "finding",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", AnyText, nullable=False),
    Column("message", AnyText, nullable=False),
    Column("opened", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("assignee", Text, nullable=False),
    Column("run", _ID),
    Column("closed", Instant),
    Index("finding_by_subject", "kind", "subject"),
)

COMMENT = Table(
    "comment",
    METADATA,
    Column("finding", _ID, ForeignKey("finding.id", ondelete="CASCADE"), primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("username", Text, nullable=False),
    Column("text", Text, nullable=False),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("username", Text, nullable=False),
    Column("uid", BigInteger, nullable=False),
    Column("tty", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("detail", TextMap, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

LAUNCH = Table(
    "launch",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("line", Text, nullable=False),
    Column("targets", TextList, nullable=False),
    Column("due", Instant),
    Column("attempt", Integer, nullable=False),
    Column("trigger", Text, nullable=False),
    Column("username", Text, nullable=False),
    Column("asked", Instant, nullable=False),
    Column("begins", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("started", Instant),
    Column("ended", Instant),
    Column("exit_code", Integer),
    Column("reason", AnyText, nullable=False),
    Column("machine", Text),
    Column("boot", Text),
    Column("namespace", Text),
    Column("pid", BigInteger),
    Column("pid_started", BigInteger),
    Index("launch_by_due", "kind", "line", "due", "attempt", unique=True),
    Index("launch_by_state", "state"),
    Index("launch_by_asking", "asked"),
)

PAUSE = Table(
    "pause",
    METADATA,
    Column("job", Text, primary_key=True),
    Column("since", Instant, primary_key=True),
    Column("until", Instant),
    Column("ended", Instant),
    Column("username", Text, nullable=False),
    Column("reason", Text, nullable=False),
)
