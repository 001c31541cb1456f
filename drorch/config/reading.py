"""A file -> a configuration, or all that is wrong with it."""

import hashlib
import json
import os
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from zoneinfo import ZoneInfo

from drorch.config import schema, settled, syntax, target_reading, validation
from drorch.config.configuration import CatalogSpec, Configuration, DaemonSpec
from drorch.config.fields import Surroundings
from drorch.config.location import User, read_trusted
from drorch.config.places import LocalTargetSpec, TargetSpec
from drorch.config.target_reading import secret, target
from drorch.config.zones import system_zone
from drorch.errors import ConfigError
from drorch.model.job import Destination, FilesSpec, Job
from drorch.model.names import JobName, TargetName, job_name, target_name
from drorch.model.objective import Objective
from drorch.model.retention import Retention
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable

_SYSTEM_STATE = Path("/var/lib/drorch")
_SYSTEM_SOCKET = Path("/run/drorch/control.sock")


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a configuration, and what is asked of those above while reading."""

    user: User = field(default_factory=User.current)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    surroundings: Surroundings = field(default_factory=Surroundings)


def load(file: Path, reader: Reader | None = None) -> Configuration:
    """Read a configuration.

    Raises `ConfigError` with every fault of the file, sorted by line, where it cannot be read, where others may write
    it, and where it has any fault.
    """
    reader = reader or Reader()
    return parse(read_trusted(file, reader.user), file, reader)


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
    jobs = {job_name(name): _job(name, table, zone) for name, table in tables.jobs.items()}
    state_dir = Path(general.state_dir) if general.state_dir else default_state_dir(reader)
    return Configuration(
        file=file,
        state_dir=state_dir,
        zone=zone,
        host=general.host or socket.gethostname(),
        catalog=None if tables.catalog is None else _catalog(tables.catalog),
        targets=targets,
        jobs=jobs,
        maintenance={},
        daemon=DaemonSpec(default_socket(state_dir, reader)),
        digest=hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest(),
        settled=said,
        warnings=tuple(_warnings(targets, jobs)),
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


def _job(name: str, table: schema.JobTable, zone: ZoneInfo) -> Job:
    own = None if table.schedule is None else Timetable(name, parse_schedule(table.schedule), zone)
    destinations = []
    for name_there in table.targets:
        there = table.on.get(name_there, schema.OnTable())
        timetable = own
        if there.schedule is not None:
            timetable = Timetable(f"{name}@{name_there}", parse_schedule(there.schedule), zone)
        retention = _retention(there.retention or table.retention)
        destinations.append(Destination(target_name(name_there), timetable, retention))
    objectives = table.objectives or schema.ObjectivesTable()
    return Job(
        name=job_name(name),
        source=_files(table.source),
        destinations=tuple(destinations),
        objective=Objective(objectives.rpo, objectives.rto),
        tags=tuple(table.tags),
        compression=table.compression,
        enabled=table.enabled,
    )


def _retention(table: schema.RetentionTable | None) -> Retention | None:
    return None if table is None else Retention(**table.model_dump(exclude_none=True))


def _files(table: schema.FilesTable) -> FilesSpec:
    return FilesSpec(
        paths=tuple(table.paths),
        exclude=tuple(table.exclude),
        iexclude=tuple(table.iexclude),
        exclude_file=tuple(table.exclude_file),
        exclude_if_present=tuple(table.exclude_if_present),
        exclude_caches=table.exclude_caches,
        exclude_larger_than=table.exclude_larger_than,
        one_file_system=table.one_file_system,
        min_files=table.min_files,
        min_bytes=table.min_bytes,
        expect_mount=tuple(table.expect_mount),
        allow_empty=table.allow_empty,
    )


def _warnings(targets: Mapping[TargetName, TargetSpec], jobs: Mapping[JobName, Job]) -> Iterator[str]:
    used = {one for job in jobs.values() for one in job.targets}
    yield from (f"no job uses target {name}" for name in targets if name not in used)
    yield from target_reading.warnings(targets)
    folders = {name: spec.path for name, spec in targets.items() if isinstance(spec, LocalTargetSpec)}
    for job in jobs.values():
        yield from (
            f"job {job.name} saves {path}, in which its own target {name} lies, unless it is excluded"
            for name in job.targets
            for path in (job.source.paths if isinstance(job.source, FilesSpec) else ())
            if name in folders and PurePosixPath(os.path.normpath(folders[name])).is_relative_to(os.path.normpath(path))
        )
