"""A file -> a configuration, or all that is wrong with it."""

import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from drorch.config import job_reading, schema, settled, syntax, target_reading, validation
from drorch.config.configuration import CatalogSpec, Configuration, DaemonSpec
from drorch.config.fields import Surroundings
from drorch.config.location import User
from drorch.config.network import LONGEST_SOCKET
from drorch.config.places import TargetSpec
from drorch.config.target_reading import monitor, secret, target
from drorch.config.zones import system_zone
from drorch.errors import ConfigError
from drorch.model.job import Job
from drorch.model.names import JobName, TargetName, job_name, target_name

_SYSTEM_STATE = Path("/var/lib/drorch")
_SYSTEM_SOCKET = Path("/run/drorch/control.sock")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a configuration, and what is asked of those above while reading."""

    user: User = field(default_factory=User.current)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    surroundings: Surroundings = field(default_factory=Surroundings)


def parse(text: str, file: Path, reader: Reader | None = None) -> Configuration:
    """The configuration in a text; `file` is what faults name. Raises `ConfigError` with every fault."""
    reader = reader or Reader()
    tables, faults = validation.check(syntax.parse(text), reader.surroundings)
    if tables is None:
        count = "a fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise ConfigError(
            f"{file} has {count}",
            hint="Mend it, then type: drorch config check",
            problems=[fault.problem(str(file)) for fault in faults],
        )
    return _configuration(tables, file, reader)


def _configuration(tables: schema.File, file: Path, reader: Reader) -> Configuration:
    general = tables.drorch
    said = settled.of(tables)
    targets = {target_name(name): target(name, table) for name, table in tables.targets.items()}
    zone = ZoneInfo(general.timezone) if general.timezone else system_zone(reader.environment)
    jobs = {job_name(name): job_reading.job(name, table, zone) for name, table in tables.jobs.items()}
    state_dir = Path(general.state_dir) if general.state_dir else default_state_dir(reader)
    daemon = _daemon(tables, default_socket(state_dir, reader))
    return Configuration(
        file=file,
        state_dir=state_dir,
        zone=zone,
        host=general.host or socket.gethostname(),
        catalog=None if tables.catalog is None else _catalog(tables.catalog),
        targets=targets,
        jobs=jobs,
        maintenance={
            target_name(name): job_reading.maintenance(name, table, zone) for name, table in tables.maintenance.items()
        },
        daemon=daemon,
        digest=hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest(),
        settled=said,
        warnings=tuple(_warnings(tables, targets, jobs, daemon)),
    )


def default_state_dir(reader: Reader) -> Path:
    """Where state is kept where the configuration does not say."""
    if reader.user.is_root:
        return _SYSTEM_STATE
    base = reader.environment.get("XDG_STATE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".local" / "state") / "drorch"


def default_socket(state_dir: Path, reader: Reader) -> Path:
    """Where the daemon listens where the configuration does not say."""
    return _SYSTEM_SOCKET if reader.user.is_root and state_dir == _SYSTEM_STATE else state_dir / "control.sock"


def _catalog(table: schema.CatalogTable) -> CatalogSpec:
    return CatalogSpec(table.url, None if table.password is None else secret(table.password))


def _daemon(tables: schema.File, socket: Path) -> DaemonSpec:
    table = tables.daemon
    return DaemonSpec(
        socket=Path(table.socket) if table.socket else socket,
        max_parallel_runs=tables.drorch.max_parallel_runs,
        ping=monitor(table.ping),
        ping_every=table.ping_every,
    )


def _warnings(
    tables: schema.File, targets: Mapping[TargetName, TargetSpec], jobs: Mapping[JobName, Job], daemon: DaemonSpec
) -> Iterator[str]:
    used = {one for job in jobs.values() for one in job.targets}
    yield from (f"no job uses target {name}" for name in targets if name not in used)
    yield from target_reading.warnings(targets)
    yield from job_reading.warnings(tables.jobs, jobs, targets)
    if len(bytes(daemon.socket)) > LONGEST_SOCKET:
        yield f"{daemon.socket} is too long a path for the daemon's socket: write a shorter one as [daemon] socket"
