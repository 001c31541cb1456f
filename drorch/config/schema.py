"""Which keys there are, what may be written for each, and what it is there for.

The one declaration: the reader, the JSON Schema and docs/CONFIGURATION.md all come from here. A key exists from the
day it is honoured.
"""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from drorch.config.conduct import (
    ALLOWED,
    BLACKOUT,
    DISK,
    JITTER,
    MAX_RUNTIME,
    MEMORY_LIMIT,
    NICE,
    OVERLAP,
    PRIORITY,
    RETRIES,
    RETRY_DELAY,
    TIMEZONE,
    Disk,
    HookTable,
    MaintenanceTable,
    Memory,
    Nice,
    Overlap,
    Parallel,
    Priority,
    Retries,
    Windows,
)
from drorch.config.databases import (
    ASKED,
    DATABASE_KINDS,
    Facts,
    MariadbTable,
    PostgresqlTable,
    RedisTable,
    SqliteTable,
)
from drorch.config.fields import (
    AbsolutePath,
    Count,
    DatabaseUrl,
    Duration,
    HostName,
    Marker,
    Name,
    Pattern,
    ScheduleText,
    Size,
    Tag,
    Unique,
    Word,
    ZoneName,
    one_of,
    wrong,
)
from drorch.config.network import FileName, Ping, SocketPath
from drorch.config.table import Companions, SecretTable, Table
from drorch.config.targets import TargetTable
from drorch.units import duration_text


class GeneralTable(Table):
    """What holds for all jobs."""

    state_dir: AbsolutePath | None = Field(
        default=None,
        description="Folder of the catalog, caches and evidence. Default: /var/lib/drorch for root, "
        "$XDG_STATE_HOME/drorch or ~/.local/state/drorch for others.",
    )
    timezone: ZoneName | None = Field(
        default=None,
        description="Time zone in which schedules are read. Default: the system's.",
        examples=["Europe/Berlin"],
    )
    host: HostName | None = Field(default=None, description="Host that snapshots name. Default: the host's own name.")
    max_parallel_runs: Parallel = Field(default=2, description="How many runs the daemon has at a time, at most.")


class DaemonTable(Table):
    """How the daemon is reached, and whom it tells that it lives."""

    companions: ClassVar[Companions] = (("ping_every", "ping"),)
    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"ping_every": ["ping"]}})

    socket: SocketPath | None = Field(
        default=None,
        description="Socket by which commands reach the daemon. Default: /run/drorch/control.sock for root with the "
        "default `state_dir`, control.sock in `state_dir` for others.",
    )
    ping: Ping | None = Field(
        default=None,
        description="URL of a monitor that is told that the daemon lives; or, since who knows it can speak for the "
        "daemon, where it is.",
        examples=["https://hc-ping.com/UUID"],
    )
    ping_every: Duration = Field(default=timedelta(minutes=5), description="How often the monitor is told.")


class CatalogTable(Table):
    """Where it is kept what happened. Without this table: in SQLite files in `state_dir`."""

    url: DatabaseUrl = Field(
        description="A PostgreSQL database, without the password.", examples=["postgresql://drorch@db1/drorch"]
    )
    password: SecretTable | None = Field(default=None, description="Its password.")


class FilesTable(Table):
    """Files and folders of this machine."""

    type: Literal["files"] = Field(description="What kind of source it is.")
    paths: Annotated[list[AbsolutePath], Field(min_length=1), Unique] = Field(description="What is saved.")
    exclude: list[Pattern] = Field(default=[], description="Patterns of what is left out, as in .gitignore.")
    iexclude: list[Pattern] = Field(default=[], description="The same, ignoring case.")
    exclude_file: list[AbsolutePath] = Field(default=[], description="Files with such patterns, one a line.")
    exclude_if_present: list[Marker] = Field(
        default=[], description="Leave out what is in a folder that holds this file; NAME or NAME:HEADER."
    )
    exclude_caches: bool = Field(default=False, description="Leave out what is in folders marked with CACHEDIR.TAG.")
    exclude_larger_than: Size | None = Field(default=None, description="Leave out files larger than this.")
    one_file_system: bool = Field(default=False, description="Stay on the file systems of the paths.")
    min_files: Annotated[int, Field(ge=0)] = Field(default=0, description="Fewer files than this are no snapshot.")
    min_bytes: Size = Field(default=0, description="Fewer bytes than this are no snapshot.")
    expect_mount: list[AbsolutePath] = Field(default=[], description="Refuse unless a file system is mounted here.")
    allow_empty: bool = Field(default=False, description="Accept a source that is empty, missing or not mounted.")
    snapshot: Literal["btrfs", "lvm", "zfs"] | None = Field(
        default=None,
        description="Have the file system take a snapshot of the paths, read that, and remove it. Default: the files "
        "are read where they lie.",
    )


class CommandTable(Table):
    """What a command prints, saved as one file."""

    type: Literal["command"] = Field(description="What kind of source it is.")
    dump: Annotated[list[Word], Field(min_length=1)] = Field(
        description="The command: a list of words, started without a shell. Where it fails, there is no snapshot.",
        examples=[["/usr/bin/slapcat"]],
    )
    filename: FileName | None = Field(
        default=None, description="Name of the file in the snapshot, at its root. Default: the name of the job."
    )
    min_bytes: Size = Field(default=0, description="Fewer bytes than this are no snapshot; nor is nothing at all.")
    restore: Annotated[list[Word], Field(min_length=1)] | None = Field(
        default=None,
        description="A command that takes what was printed, on its standard input, and puts it back. Default: a "
        "restore brings the file back.",
        examples=[["/usr/sbin/slapadd", "-n", "1"]],
    )


class RetentionTable(Table):
    """Which snapshots are kept: those that any of the rules keeps."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    last: Count | None = Field(default=None, description="The newest so many.")
    hourly: Count | None = Field(
        default=None, description="The newest of each of the last so many hours that have one."
    )
    daily: Count | None = Field(default=None, description="The newest of each of so many days.")
    weekly: Count | None = Field(default=None, description="The newest of each of so many ISO weeks.")
    monthly: Count | None = Field(default=None, description="The newest of each of so many months.")
    yearly: Count | None = Field(default=None, description="The newest of each of so many years.")
    within: Duration | None = Field(default=None, description="All within this span before the newest.")
    within_hourly: Duration | None = Field(default=None, description="The newest of each hour within this span.")
    within_daily: Duration | None = Field(default=None, description="The newest of each day within this span.")
    within_weekly: Duration | None = Field(default=None, description="The newest of each week within this span.")
    within_monthly: Duration | None = Field(default=None, description="The newest of each month within this span.")
    within_yearly: Duration | None = Field(default=None, description="The newest of each year within this span.")

    @model_validator(mode="before")
    @classmethod
    def _keeps_something(cls, value: object) -> object:
        if value == {}:
            raise wrong("this retention keeps nothing; write for instance { daily = 14 }, or leave retention out")
        return value


class ObjectivesTable(Table):
    """What was promised to those who need the data."""

    rpo: Duration | None = Field(default=None, description="The greatest age the newest snapshot may have.")
    rto: Duration | None = Field(default=None, description="The longest a recovery may take.")


class OnTable(Table):
    """What is different on one of a job's targets. What is said here replaces what the job says."""

    schedule: ScheduleText | None = Field(default=None, description="When the job runs for this target.")
    retention: RetentionTable | None = Field(default=None, description="What is kept on this target.")


SOURCE_KINDS: dict[str, type[Table]] = {"files": FilesTable, **DATABASE_KINDS, "command": CommandTable}

SourceTables = FilesTable | PostgresqlTable | MariadbTable | SqliteTable | RedisTable | CommandTable
SourceTable = Annotated[
    Annotated[SourceTables, Field(discriminator="type")], BeforeValidator(one_of(SOURCE_KINDS, thing="source"))
]
"""One of the kinds, by its `type`."""


class JobTable(Table):
    """A source, the targets it is saved to, when, and what is kept."""

    companions: ClassVar[Companions] = (("retry_delay", "retries"),)
    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {"retry_delay": ["retries"]},
            "not": {"required": ["schedule", "after"]},
            "dependentSchemas": {"facts": {"properties": {"source": {"properties": {"type": {"enum": list(ASKED)}}}}}},
        }
    )

    source: SourceTable = Field(description="What is read out.")
    facts: Facts = Field(
        default={},
        description="Of databases, by name: queries whose answers are recorded with each snapshot, and asked for again "
        "after a restore. Each database that is saved is asked.",
        examples=[{"orders": "select count(*) from orders"}],
    )
    targets: Annotated[list[str], Field(min_length=1), Unique] = Field(
        description="Names of targets: saved to the first that answers, copied to the rest."
    )
    schedule: ScheduleText | None = Field(
        default=None,
        description='Cron, or "every 4h", or "@daily". Without it the job runs by hand only.',
        examples=["30 2 * * *", "every 4h"],
    )
    after: str | None = Field(
        default=None,
        description="Name of another job: instead of on a schedule, it runs each time when that one has saved a "
        "snapshot.",
    )
    retention: RetentionTable | None = Field(default=None, description="What is kept. Without it: everything.")
    objectives: ObjectivesTable | None = Field(default=None, description="What was promised.")
    on: dict[str, OnTable] = Field(default={}, description="By name of a target: what is different there.")
    timezone: ZoneName | None = TIMEZONE
    jitter: Duration | None = JITTER
    allowed: Windows = ALLOWED
    blackout: Windows = BLACKOUT
    retries: Retries = RETRIES
    retry_delay: Duration | None = RETRY_DELAY
    max_runtime: Duration | None = MAX_RUNTIME
    priority: Priority = PRIORITY
    overlap: Overlap = OVERLAP
    nice: Nice = NICE
    disk: Disk = DISK
    memory_limit: Memory | None = MEMORY_LIMIT
    hooks: list[HookTable] = Field(default=[], description="Commands that are run around each run.")
    ping: Ping | None = Field(
        default=None,
        description="URL of a monitor that is told of the start and the end of each run; or, since who knows it can "
        "speak for the job, where it is.",
        examples=["https://hc-ping.com/UUID"],
    )
    tags: Annotated[list[Tag], Unique] = Field(default=[], description="Tags of the snapshots, beside drorch's own.")
    compression: Literal["auto", "max", "off"] = Field(default="auto", description="How much data is compressed.")
    enabled: bool = Field(default=True, description="Whether it runs by itself; by hand it always does.")


class File(Table):
    """A whole configuration."""

    drorch: GeneralTable = Field(default=GeneralTable(), description="What holds for all jobs.")
    daemon: DaemonTable = Field(default=DaemonTable(), description="How the daemon is reached.")
    catalog: CatalogTable | None = Field(default=None, description="Where it is kept what happened.")
    targets: dict[Name, TargetTable] = Field(
        {},
        description="Places that hold a repository each, by name.",
        json_schema_extra={"additionalProperties": False},
    )
    jobs: dict[Name, JobTable] = Field(
        default={},
        description="What is saved where and when, by name.",
        json_schema_extra={"additionalProperties": False},
    )
    maintenance: dict[str, MaintenanceTable] = Field(
        default={}, description="By name of a target: what is done with it on a schedule."
    )


class _WithoutNull(GenerateJsonSchema):
    """TOML has no null: what need not be said is left out."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        described = super().default_schema(schema)
        return {key: value for key, value in described.items() if key != "default" or value is not None}

    def encode_default(self, dft: Any) -> Any:
        return duration_text(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def json_schema() -> dict[str, Any]:
    """The configuration as a JSON Schema (draft 2020-12), for editors and other validators."""
    schema = File.model_json_schema(schema_generator=_WithoutNull)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "drorch jobs.toml"}
