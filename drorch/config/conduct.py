"""How and when something is run: the keys that jobs and maintenance have in common, hooks, and maintenance itself.

A table lists its keys itself, in an order that makes sense; what the common ones mean is said here, once.
"""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from drorch.config.fields import Duration, ScheduleText, Size, Unique, Word, ZoneName, reading, schema_of, wrong
from drorch.config.table import Companions, Table
from drorch.model.conduct import Conduct
from drorch.model.window import WINDOW_RULE, parse_window
from drorch.units import MIB

_LEAST_MEMORY = 128 * MIB
_HOOK_TIME = timedelta(minutes=5)
_DEFAULT = Conduct()


def _window(text: str) -> str:
    return " ".join(parse_window(text).text.lower().split())


def _memory(size: int) -> int:
    if size < _LEAST_MEMORY:
        raise wrong("no run comes to anything with so little memory; give it at least 128 MiB")
    return size


WindowText = Annotated[str, reading(_window, '"22:00-06:00"'), schema_of("window", description=WINDOW_RULE)]
Windows = Annotated[list[WindowText], Unique]
Retries = Annotated[int, Field(ge=0, le=100)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Nice = Annotated[int, Field(ge=0, le=19)]
Memory = Annotated[Size, AfterValidator(_memory)]
Overlap = Literal["queue", "skip"]
Disk = Literal["idle", "low", "normal"]
Parallel = Annotated[int, Field(ge=1, le=64)]

TIMEZONE: Any = Field(
    default=None,
    description="Time zone in which its schedules and windows are read. Default: that of [drorch].",
    examples=["America/New_York"],
)
JITTER: Any = Field(
    default=None,
    description="It begins later than it is due by up to so much: not all at once, but always the same for the same "
    "due time.",
)
ALLOWED: Any = Field(
    default=[],
    description="Windows in which it may begin; what is due at another time waits for the next. Default: always.",
    examples=[["22:00-06:00", "sat-sun"]],
)
BLACKOUT: Any = Field(default=[], description="Windows in which it never begins, whatever is allowed.")
RETRIES: Any = Field(
    default=_DEFAULT.retries.times,
    description="How often it is tried again after a failure that may pass, until it is due again.",
)
RETRY_DELAY: Any = Field(
    default=None,
    description="How long it waits before; twice as long each time, up to an hour or, where that is longer, this. "
    "Default: 5m.",
)
MAX_RUNTIME: Any = Field(default=None, description="What runs longer is stopped, and has failed. Default: no limit.")
PRIORITY: Any = Field(
    default=_DEFAULT.priority, description="Of what is due at once, the higher goes first; from -100 to 100."
)
OVERLAP: Any = Field(
    default=_DEFAULT.overlap.value,
    description="What becomes of it where it is due and runs still: it waits, or is left out.",
)
NICE: Any = Field(
    default=_DEFAULT.allowance.nice, description="How far it gives way to other processes, from 0 to 19; nice(1)."
)
DISK: Any = Field(
    default=_DEFAULT.allowance.disk.value,
    description="How far it gives way to others that use the disk; ionice(1). idle: wholly.",
)
MEMORY_LIMIT: Any = Field(
    default=None, description="How much memory each of its processes may take. Default: no limit."
)


class HookTable(Table):
    """A command that is run around each run of a job."""

    when: Literal["before", "after", "failure", "always"] = Field(
        description="before: before the source is touched; after: when all went well; failure: when it did not; "
        "always: at the end, whatever happened."
    )
    command: Annotated[list[Word], Field(min_length=1)] = Field(
        description="The command: a list of words, started without a shell."
    )
    timeout: Duration = Field(default=_HOOK_TIME, description="It is killed after so long, and has failed.")
    on_failure: Literal["error", "warn", "ignore"] = Field(
        default="error", description="What its failure does: error: the run fails; warn: it is told; ignore: nothing."
    )


class CheckTable(Table):
    """When a target is checked, and how much of its data is read."""

    schedule: ScheduleText = Field(description="When it is checked.", examples=["0 4 * * sun"])
    parts: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="All data are read once in so many checks, a part each time. Default: none are, the structure only "
        "is checked.",
    )


class MaintenanceTable(Table):
    """What is done with a target on a schedule, beside what jobs save there."""

    companions: ClassVar[Companions] = (("retry_delay", "retries"),)
    model_config = ConfigDict(
        json_schema_extra={"dependentRequired": {"retry_delay": ["retries"]}, "required": ["check"]}
    )

    check: CheckTable | None = Field(default=None, description="When it is checked.")
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
    enabled: bool = Field(default=True, description="Whether it is done.")

    @model_validator(mode="before")
    @classmethod
    def _does_something(cls, value: object) -> object:
        if isinstance(value, dict) and "check" not in value:
            raise wrong('this maintenance does nothing; write for instance check = { schedule = "0 4 * * sun" }')
        return value
