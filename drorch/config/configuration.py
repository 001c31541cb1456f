"""What a configuration says, as values: frozen, complete, with defaults in place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from drorch.config.places import TargetSpec
from drorch.errors import ConfigError
from drorch.model.job import Job
from drorch.model.maintenance import Maintenance
from drorch.model.names import JobName, TargetName
from drorch.secrets import SecretRef


@dataclass(frozen=True, slots=True)
class CatalogSpec:
    """A database that is not drorch's own SQLite files; its URL holds no password."""

    url: str
    password: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class DaemonSpec:
    """How the daemon works.

    `max_parallel_runs` run at a time at most, `socket` is where it listens. `ping` is the URL of a monitor that is told
    every `ping_every` that the daemon lives; whoever knows it can speak for the daemon, so it may be a reference.
    """

    socket: Path
    max_parallel_runs: int = 2
    ping: str | SecretRef | None = field(default=None, repr=False)
    ping_every: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Configuration:
    """A whole configuration.

    `file` is where it was read from. `digest` (SHA-256, in hex) stays the same as long as what is said stays the same,
    however it is written: comments, order of tables and units do not count. `settled` is what was said, normalised.
    `warnings` are worth knowing and stop nothing.
    """

    file: Path
    state_dir: Path
    zone: ZoneInfo
    host: str
    catalog: CatalogSpec | None
    targets: Mapping[TargetName, TargetSpec]
    jobs: Mapping[JobName, Job]
    maintenance: Mapping[TargetName, Maintenance]
    daemon: DaemonSpec
    digest: str
    settled: Mapping[str, Any] = field(repr=False)
    warnings: tuple[str, ...] = ()

    def job(self, name: str) -> Job:
        """The job of this name. Raises `ConfigError` where there is none."""
        found = self.jobs.get(JobName(name))
        if found is None:
            raise ConfigError(f'there is no job "{name}" in {self.file}', hint=_choices("jobs", self.jobs))
        return found

    def target(self, name: str) -> TargetSpec:
        """The target of this name. Raises `ConfigError` where there is none."""
        found = self.targets.get(TargetName(name))
        if found is None:
            raise ConfigError(f'there is no target "{name}" in {self.file}', hint=_choices("targets", self.targets))
        return found


def _choices(kind: str, names: Mapping[Any, object]) -> str:
    return f"Its {kind}: {', '.join(names)}." if names else f"It has no {kind}."
