"""The configuration of an installation: found, read, checked, and told about.

Imported by name, not with `drorch.app`: commands that need no configuration do not pay for reading one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from drorch.clock import Clock
from drorch.config import reading, reference, schema, settled
from drorch.config.configuration import Configuration
from drorch.config.fields import Surroundings
from drorch.config.location import find_config_file
from drorch.config.reading import Reader
from drorch.errors import ConfigError, UsageError
from drorch.model.names import JobName, TargetName
from drorch.model.schedule import next_times
from drorch.sources.files.excludes import PatternList

UPCOMING = 3
"""How many of the next times of a schedule are told."""


def load(named: str | None = None) -> Configuration:
    """The configuration named on the command line, or the one that is found.

    Raises `ConfigError` with every fault, and where there is none.
    """
    file = find_config_file(Path(named) if named else None)
    if file is None:
        raise ConfigError("there is no configuration", hint="Type: drorch config example > jobs.toml")
    return reading.load(file, Reader(surroundings=Surroundings(_pattern_fault)))


def _pattern_fault(pattern: str) -> str | None:
    try:
        PatternList((os.fspath(pattern),))
    except UsageError as fault:
        return f"{fault.message}; {fault.hint}"
    return None


@dataclass(frozen=True, slots=True)
class Due:
    """When a job is due next on one of its targets, in the configuration's zone; no times: by hand only."""

    job: JobName
    target: TargetName
    schedule: str
    times: tuple[datetime, ...]


def upcoming(configuration: Configuration, clock: Clock, count: int = UPCOMING) -> list[Due]:
    """The next times of every schedule, by job and target."""
    now = clock.now()
    found = []
    for job in configuration.jobs.values():
        for there in job.destinations:
            runs = there.schedule is not None and job.enabled
            times = next_times(there.schedule, now, configuration.zone, count) if there.schedule and runs else ()
            found.append(Due(job.name, there.target, str(there.schedule) if runs else "", times))
    return found


def settings(configuration: Configuration) -> Mapping[str, Any]:
    """What a configuration says, normalised, as JSON-ready values; secrets are references."""
    return settled.shown(configuration)


def as_toml(configuration: Configuration) -> str:
    """The same as TOML."""
    return settled.as_toml(configuration)


def json_schema() -> Mapping[str, Any]:
    """The JSON Schema of configurations."""
    return schema.json_schema()


def example() -> str:
    """A commented example."""
    return reference.example()
