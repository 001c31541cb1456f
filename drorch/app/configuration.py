"""The configuration of an installation: found, read, checked, and told about.

Imported by name, not with `drorch.app`: commands that need no configuration do not pay for reading one.
"""

import importlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from drorch.clock import Clock
from drorch.config import reading, reference, schema, settled
from drorch.config.configuration import Configuration
from drorch.config.fields import Surroundings
from drorch.config.location import find_config_file, read_trusted
from drorch.config.reading import Reader
from drorch.errors import ConfigError, UsageError
from drorch.model.launch import Work, WorkKind
from drorch.model.names import JobName
from drorch.model.timetable import Timetable, begins, next_due
from drorch.sources.files.excludes import PatternList

UPCOMING = 3
"""How many of the next times of a schedule are told."""
_MOST_TOGETHER = 100
"""As many times of a schedule are looked at for each that is told: windows may have many begin at once."""


def load(named: str | None = None) -> Configuration:
    """The configuration named on the command line, or the one that is found.

    Raises `ConfigError` with every fault, and where there is none.
    """
    return load_with_text(named)[0]


def load_with_text(named: str | None = None) -> tuple[Configuration, str]:
    """The same, and what is written in its file."""
    file = find_config_file(Path(named) if named else None)
    if file is None:
        raise ConfigError("there is no configuration", hint="Type: drorch config example > jobs.toml")
    return _read(file, file)


def load_in_force(file: Path, copy: Path | None) -> Configuration:
    """The configuration of a file as a daemon has it in force: as its copy says, whatever the file says by now.

    Raises `ConfigError`.
    """
    return _read(file, copy or file)[0]


def _read(file: Path, place: Path) -> tuple[Configuration, str]:
    reader = Reader(surroundings=Surroundings(_pattern_fault))
    text = read_trusted(place, reader.user)
    return reading.parse(text, file, reader), text


def _pattern_fault(pattern: str) -> str | None:
    try:
        PatternList((os.fspath(pattern),))
    except UsageError as fault:
        return f"{fault.message}; {fault.hint}"
    return None


@dataclass(frozen=True, slots=True)
class Occasion:
    """A time at which something is due, and when it begins: jitter and windows count. None: its windows never let it.

    Both are in the zone in which the schedule is read.
    """

    due: datetime
    begins: datetime | None


@dataclass(frozen=True, slots=True)
class Due:
    """When work is due next.

    There are no `occasions` where nothing makes it but hands (no timetable, or not enabled), or the job `after` which
    it is run.
    """

    work: Work
    timetable: Timetable | None
    after: JobName | None
    occasions: tuple[Occasion, ...]


def upcoming(configuration: Configuration, clock: Clock, count: int = UPCOMING) -> list[Due]:
    """The next times of every line of a job and of all maintenance, in the operator's order."""
    now = clock.now()
    found = []
    for job in configuration.jobs.values():
        for line in job.lines():
            timetable, after = (line.timetable, line.after) if job.enabled else (None, None)
            work = Work(WorkKind.JOB, job.name, line.name, line.targets)
            found.append(Due(work, timetable, after, _occasions(timetable, now, count)))
    for name, maintenance in configuration.maintenance.items():
        if maintenance.check is not None:
            timetable = maintenance.check.timetable if maintenance.enabled else None
            work = Work(WorkKind.CHECK, name, maintenance.check.timetable.name, (name,))
            found.append(Due(work, timetable, None, _occasions(timetable, now, count)))
    return found


def _occasions(timetable: Timetable | None, now: datetime, count: int) -> tuple[Occasion, ...]:
    """The next times that begin at different times: of what windows put together, the last."""
    if timetable is None:
        return ()
    found: dict[datetime | None, Occasion] = {}
    due_at = now
    for _ in range(count * _MOST_TOGETHER):
        due_at = next_due(timetable, None, due_at)
        begin = begins(timetable, due_at)
        if begin not in found and len(found) == count:
            break
        shown = None if begin is None else begin.astimezone(timetable.zone)
        found[begin] = Occasion(due_at.astimezone(timetable.zone), shown)
    return tuple(found.values())


def held_back(due: Iterable[Due]) -> list[str]:
    """What is due and will never begin, since its windows are over, in words."""
    return [
        f"the windows of {one.work.line} let it begin no more" if one.work.kind is WorkKind.JOB
        else f"the windows of the maintenance of {one.work.name} let it begin no more"
        for one in due
        if one.occasions and one.occasions[0].begins is None
    ]  # fmt: skip


def broken_promises(configuration: Configuration, clock: Clock) -> list[str]:
    """What was promised and cannot be kept though all goes well, in words; the catalog tells how long runs take."""
    if all(job.objective.rpo is None for job in configuration.jobs.values()):
        return []
    # Found by name: it loads what reads the catalog, which others who read a configuration do not need.
    found: list[str] = importlib.import_module("drorch.app.promises").broken(configuration, clock)
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
