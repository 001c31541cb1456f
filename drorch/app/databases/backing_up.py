"""A database that is backed up: looked at first, dumped into a snapshot, its facts kept."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from drorch.actions import backup as backing_up
from drorch.actions.backup import BackupRequest, BackupResult
from drorch.actions.progress import Progress
from drorch.app.backup import label
from drorch.app.door import remove_abandoned
from drorch.errors import DumpFailed, SourceSuspicious
from drorch.model.facts import DumpFacts
from drorch.model.job import DatabaseSpec, Job, paths_of
from drorch.repository.compression import Compression
from drorch.repository.repository import Repository
from drorch.repository.writer import WritePolicy
from drorch.sources.databases.contract import DatabaseKind, Objection
from drorch.sources.databases.facts import to_json
from drorch.sources.databases.source import DumpSource
from drorch.units import format_size


@dataclass(frozen=True, slots=True)
class DatabaseBackup:
    """A job's database to be saved from a host. `complain` is told what should be known and stops nothing."""

    job: Job
    source: DatabaseSpec
    kind: DatabaseKind
    host: str
    complain: Callable[[str], None]


def back_up_database(
    repository: Repository, wanted: DatabaseBackup, retry_lock: timedelta, progress: Progress
) -> BackupResult:
    """Save a dump as a snapshot of an opened repository whose lock nobody of us holds yet; its facts are in the result.

    Raises `SourceUnavailable`, `DumpFailed` and `SourceSuspicious`, and what writing to the repository raises; there is
    no snapshot then.
    """
    notes = _looked_at(wanted)
    remove_abandoned(repository)
    clock = repository.clock
    with wanted.kind.dump() as session, contextlib.closing(DumpSource(session, clock, notes)) as source:
        request = BackupRequest(
            label=label(paths_of(wanted.source), clock, hostname=wanted.host, tags=_tags(wanted.job)),
            parent=None,
            accept=lambda _files, _size: _judge(source, wanted.source.min_bytes),
            problems=tuple,
            policy=WritePolicy(compression=Compression(wanted.job.compression), retry_lock=retry_lock),
        )
        result = backing_up.backup(repository, source, request, progress)
    assert source.facts is not None
    return replace(result, facts=DumpFacts(source.facts.kind, to_json(source.facts).decode("ascii")))


def _looked_at(wanted: DatabaseBackup) -> tuple[str, ...]:
    """What should be known of the dump. Raises `DumpFailed` where something stands in its way."""
    objections = wanted.kind.preflight()
    fatal = [one for one in objections if one.fatal]
    if fatal:
        raise DumpFailed("; ".join(one.message for one in fatal), hint=_hint(fatal[0]))
    for one in objections:
        wanted.complain(f"{wanted.job.name}: {one.message}. {_hint(one)}")
    return tuple(one.message for one in objections)


def _hint(objection: Objection) -> str:
    return objection.hint[:1].upper() + objection.hint[1:]


def _tags(job: Job) -> tuple[str, ...]:
    return (job.tag, *job.tags)


def _judge(source: DumpSource, minimum: int) -> None:
    """Refuse a dump with nothing in it, or with less than is expected."""
    if source.bytes_read == 0:
        raise SourceSuspicious("the dump was empty", hint="Look at the database, and at what its user may read.")
    if source.bytes_read < minimum:
        raise SourceSuspicious(
            f"the dump is {format_size(source.bytes_read)}, at least {format_size(minimum)} are expected",
            hint="Find out what is missing, or lower min_bytes.",
        )
