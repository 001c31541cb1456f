"""A configuration as the daemon's roster, and which variables of the environment a launch needs."""

from collections.abc import Iterator
from datetime import UTC, datetime

from drorch.config.configuration import Configuration
from drorch.config.places import S3TargetSpec, SftpTargetSpec
from drorch.model.job import Job
from drorch.model.launch import Work, WorkKind
from drorch.model.maintenance import Maintenance
from drorch.model.names import TargetName
from drorch.orchestrator.daemon.roster import Bounds, Entry, Roster
from drorch.secrets import EnvSecret, SecretRef

_AWS = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
"""Where AWS's own tools look for keys; what a bucket without configured ones needs."""
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def roster_of(configuration: Configuration, now: datetime) -> Roster:
    """What the configuration asks of the daemon as of now. What is not enabled is launched by hand only."""
    jobs = [entry for job in configuration.jobs.values() for entry in _of_job(job)]
    checks = [entry for one in configuration.maintenance.values() for entry in _of_maintenance(one)]
    limited = {
        name: spec.max_parallel_runs
        for name, spec in configuration.targets.items()
        if spec.max_parallel_runs is not None
    }
    return Roster(
        entries=(*jobs, *checks),
        bounds=Bounds(configuration.daemon.max_parallel_runs, limited),
        since=in_force_since(configuration, now),
        digest=configuration.digest,
    )


def in_force_since(configuration: Configuration, now: datetime) -> datetime:
    """When the file was last written, now at the latest: what it asks for has been asked since then, or longer."""
    try:
        return min(datetime.fromtimestamp(configuration.file.stat().st_mtime, UTC), now)
    except (OSError, ValueError, OverflowError):
        return datetime.fromtimestamp(0, UTC)


def _of_job(job: Job) -> Iterator[Entry]:
    for line in job.lines():
        yield Entry(
            work=Work(WorkKind.JOB, job.name, line.name, line.targets),
            conduct=job.conduct,
            timetable=line.timetable if job.enabled else None,
            after=line.after if job.enabled else None,
        )


def _of_maintenance(maintenance: Maintenance) -> Iterator[Entry]:
    check = maintenance.check
    if check is not None:
        yield Entry(
            work=Work(WorkKind.CHECK, maintenance.target, check.timetable.name, (maintenance.target,)),
            conduct=maintenance.conduct,
            timetable=check.timetable if maintenance.enabled else None,
            parts=check.parts,
        )


def variables_for(configuration: Configuration, work: Work) -> frozenset[str]:
    """Names of the variables that a launch is given beside the harmless ones: those of its own secrets.

    These are its targets' and, where it runs a job, those of the job's source.
    """
    names = set(_PROXIES)
    if configuration.catalog is not None and configuration.catalog.password is not None:
        names.update(_named_by(configuration.catalog.password))
    if work.kind is WorkKind.JOB and work.name in configuration.jobs:
        for reference in configuration.job(work.name).secrets.values():
            names.update(_named_by(reference))
    for target in work.targets:
        names.update(_for_target(configuration, target))
    return frozenset(names)


def _for_target(configuration: Configuration, target: TargetName) -> Iterator[str]:
    spec = configuration.target(target)
    for reference in spec.secrets.values():
        yield from _named_by(reference)
    if isinstance(spec, SftpTargetSpec):
        yield "SSH_AUTH_SOCK"
    if isinstance(spec, S3TargetSpec) and spec.credentials is None:
        yield from _AWS


def _named_by(reference: SecretRef) -> Iterator[str]:
    if isinstance(reference, EnvSecret):
        yield reference.name
