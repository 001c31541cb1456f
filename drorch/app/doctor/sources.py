"""What the doctor asks of jobs: are their sources there, can they be read, and would the guard let them pass."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from drorch.app.backup import inspected
from drorch.app.doctor.symptom import Symptom, error, of_fault
from drorch.app.jobs import spec_of
from drorch.errors import DrorchError, UsageError
from drorch.model.job import CommandSpec, FilesSpec, Job
from drorch.sources.files.excludes import PatternList, patterns_of_file


def job_symptoms(job: Job, host: str) -> Iterator[Symptom]:
    """What would keep a job from saving all that it should."""
    source = job.source
    if isinstance(source, CommandSpec):
        yield from _of_command(job, source)
    else:
        yield from _of_files(job, source, host)


def _of_command(job: Job, source: CommandSpec) -> Iterator[Symptom]:
    program = source.dump[0]
    if shutil.which(program) is None:
        yield error(f"job {job.name}", f"there is no program {program}", "Install it, or mend the job's dump.")


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
