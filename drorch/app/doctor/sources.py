"""What the doctor asks of jobs: are their sources there, can they be read, and would the guard let them pass."""

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import which

from drorch.app.backup import inspected
from drorch.app.databases.sources import kind_of
from drorch.app.doctor.databases import database_symptoms
from drorch.app.doctor.symptom import Symptom, error, of_fault, warning
from drorch.app.jobs import spec_of
from drorch.clock import SystemClock
from drorch.errors import DrorchError, SourceUnavailable, UsageError
from drorch.model.hook import Hook, HookFailure
from drorch.model.job import CommandSpec, FilesSpec, Job
from drorch.sources.files.excludes import PatternList, patterns_of_file
from drorch.sources.frozen.freezing import PROGRAMS, objection
from drorch.sources.frozen.record import search_path


def job_symptoms(job: Job, host: str) -> Iterator[Symptom]:
    """What would keep a job from saving all that it should."""
    match job.source:
        case CommandSpec() as source:
            yield from _of_command(job, source)
        case FilesSpec() as source:
            yield from _of_files(job, source, host)
            yield from _of_snapshot(job, source)
        case source:
            yield from database_symptoms(job, partial(kind_of, source, SystemClock()))
    for hook in job.hooks:
        yield from _of_hook(job, hook)


def _of_hook(job: Job, hook: Hook) -> Iterator[Symptom]:
    program = hook.command[0]
    if which(program) is None:
        said = f"the hook {program} ({hook.when}) is missing or not executable"
        kind = error if hook.on_failure is HookFailure.ERROR else warning
        yield kind(f"job {job.name}", said, f"Install it, or type: chmod +x {program}")


def _of_snapshot(job: Job, source: FilesSpec) -> Iterator[Symptom]:
    """What keeps the file system from being asked for a snapshot."""
    if source.snapshot is None:
        return
    subject = f"job {job.name}"
    for program in PROGRAMS[source.snapshot]:
        if which(program, path=search_path()) is None:
            said = f"there is no program {program}, which a snapshot of {source.snapshot} needs"
            yield error(subject, said, "Install it, or leave the job's snapshot out.")
    for name in source.paths:
        try:
            said_of_path = objection(source.snapshot, os.fsencode(name))
        except SourceUnavailable as fault:
            yield of_fault(subject, fault)
            return
        if said_of_path is not None:
            yield error(subject, f"{name} {said_of_path}", "Leave the job's snapshot out, or name the right kind.")


def _of_command(job: Job, source: CommandSpec) -> Iterator[Symptom]:
    program = source.dump[0]
    if which(program) is None:
        yield error(f"job {job.name}", f"there is no program {program}", "Install it, or mend the job's dump.")
    if source.restore and which(source.restore[0]) is None:
        said = f"there is no program {source.restore[0]} to restore with"
        yield warning(f"job {job.name}", said, "Install it, or mend the job's restore.")


def _of_files(job: Job, source: FilesSpec, host: str) -> Iterator[Symptom]:
    subject = f"job {job.name}"
    for name in source.exclude_file:
        yield from _of_patterns(subject, Path(name))
    try:
        inspected(spec_of(replace(job, source=replace(source, exclude_file=())), host))
    except DrorchError as fault:
        yield of_fault(subject, fault)
        return
    for name in source.paths:
        reason = _unreadable(name)
        if reason is not None:
            yield error(subject, f"{name}: {reason}", f"Mend it, or take {name} out of the job's paths.")


def _of_patterns(subject: str, file: Path) -> Iterator[Symptom]:
    try:
        PatternList(tuple(patterns_of_file(file.read_bytes())))
    except OSError as fault:
        reason = (fault.strerror or "").lower()
        yield error(subject, f"exclude file {file}: {reason}", f"Put it back, or take {file} out of the job.")
    except UsageError as fault:
        yield error(subject, f"exclude file {file}: {fault.message}", (fault.hint or "").capitalize())


def _unreadable(name: str) -> str | None:
    try:
        if Path(name).is_dir():
            with os.scandir(name) as listing:
                next(listing, None)
        elif Path(name).is_file():
            with Path(name).open("rb"):
                pass
        else:
            Path(name).lstat()
    except OSError as fault:
        return (fault.strerror or "").lower()
    return None
