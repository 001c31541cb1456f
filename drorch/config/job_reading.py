"""Tables of jobs and of maintenance -> what they say, as values."""

import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

from drorch.config import schema
from drorch.config.conduct import HookTable, MaintenanceTable
from drorch.config.database_reading import database
from drorch.config.places import LocalTargetSpec, TargetSpec
from drorch.config.target_reading import monitor
from drorch.model.conduct import Allowance, Conduct, DiskPriority, Overlap, Retries
from drorch.model.hook import Hook, HookFailure, HookTime
from drorch.model.job import CommandSpec, Destination, FilesSpec, Job, SourceSpec
from drorch.model.maintenance import CheckPlan, Maintenance
from drorch.model.names import JobName, TargetName, job_name, target_name
from drorch.model.objective import Objective
from drorch.model.retention import Retention
from drorch.model.schedule import parse_schedule
from drorch.model.timetable import Timetable
from drorch.model.window import parse_window

_RETRIES = Retries()


def job(name: str, table: schema.JobTable, zone: ZoneInfo) -> Job:
    """A job; `zone` is the configuration's."""
    own = None if table.schedule is None else _timetable(name, table.schedule, table, zone)
    destinations = []
    for target in table.targets:
        there = table.on.get(target, schema.OnTable())
        timetable = own if there.schedule is None else _timetable(f"{name}@{target}", there.schedule, table, zone)
        retention = _retention(there.retention or table.retention)
        destinations.append(Destination(target_name(target), timetable, retention))
    objectives = table.objectives or schema.ObjectivesTable()
    return Job(
        name=job_name(name),
        source=_source(table, name),
        destinations=tuple(destinations),
        objective=Objective(objectives.rpo, objectives.rto),
        tags=tuple(table.tags),
        compression=table.compression,
        enabled=table.enabled,
        after=None if table.after is None else job_name(table.after),
        conduct=_conduct(table),
        hooks=tuple(map(_hook, table.hooks)),
        ping=monitor(table.ping),
    )


def maintenance(name: str, table: MaintenanceTable, zone: ZoneInfo) -> Maintenance:
    """The maintenance of a target; `zone` is the configuration's. Its timetables are named as the target is."""
    check = None
    if table.check is not None:
        check = CheckPlan(_timetable(name, table.check.schedule, table, zone), table.check.parts)
    return Maintenance(target_name(name), check, _conduct(table), table.enabled)


def _timetable(line: str, schedule: str, table: schema.JobTable | MaintenanceTable, zone: ZoneInfo) -> Timetable:
    return Timetable(
        name=line,
        schedule=parse_schedule(schedule),
        zone=zone if table.timezone is None else ZoneInfo(table.timezone),
        jitter=table.jitter or timedelta(0),
        allowed=tuple(map(parse_window, table.allowed)),
        blackout=tuple(map(parse_window, table.blackout)),
    )


def _conduct(table: schema.JobTable | MaintenanceTable) -> Conduct:
    delay = _RETRIES.delay if table.retry_delay is None else table.retry_delay
    return Conduct(
        retries=Retries(table.retries, delay, max(delay, _RETRIES.longest)),
        max_runtime=table.max_runtime,
        priority=table.priority,
        overlap=Overlap(table.overlap),
        allowance=Allowance(table.nice, DiskPriority(table.disk), table.memory_limit),
    )


def _hook(table: HookTable) -> Hook:
    return Hook(HookTime(table.when), tuple(table.command), table.timeout, HookFailure(table.on_failure))


def _retention(table: schema.RetentionTable | None) -> Retention | None:
    return None if table is None else Retention(**table.model_dump(exclude_none=True))


def _source(job: schema.JobTable, name: str) -> SourceSpec:
    table = job.source
    if isinstance(table, schema.CommandTable):
        return CommandSpec(tuple(table.dump), table.filename or name, table.min_bytes, tuple(table.restore or ()))
    if not isinstance(table, schema.FilesTable):
        return database(table, job.facts)
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
        snapshot=table.snapshot,
    )


def warnings(
    tables: Mapping[str, schema.JobTable], jobs: Mapping[JobName, Job], targets: Mapping[TargetName, TargetSpec]
) -> Iterator[str]:
    """What is worth knowing of jobs and stops nothing."""
    folders = {name: spec.path for name, spec in targets.items() if isinstance(spec, LocalTargetSpec)}
    for name, one in jobs.items():
        yield from (
            f"job {name} saves {path}, in which its own target {target} lies, unless it is excluded"
            for target in one.targets
            for path in (one.source.paths if isinstance(one.source, FilesSpec) else ())
            if target in folders
            and PurePosixPath(os.path.normpath(folders[target])).is_relative_to(os.path.normpath(path))
        )
        if one.enabled and one.after is not None and not jobs[one.after].enabled:
            yield f"job {name} runs after job {one.after}, which is not enabled"
        if all(one.line_on(target) != name for target in one.targets):
            if one.after is not None:
                yield f"job {name} never runs after {one.after}: each of its targets has a schedule of its own"
            elif tables[name].schedule is not None:
                yield f"no target of job {name} follows its schedule: each has one of its own"
