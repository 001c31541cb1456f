"""What the doctor asks of targets: the secret, the repository behind it, its locks, the right to write."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from drorch.app.doctor.machine import folder_symptoms
from drorch.app.doctor.reach import clock_there_symptoms, file_symptoms, room_there_symptoms, secret_symptoms
from drorch.app.doctor.symptom import Symptom, error, of_fault, warning
from drorch.app.opening import Patience, open_target
from drorch.app.targets import location_of
from drorch.clock import SystemClock
from drorch.config.configuration import Configuration
from drorch.config.places import LocalTargetSpec, S3TargetSpec, SftpTargetSpec, TargetSpec
from drorch.errors import DrorchError, RepositoryMissing, WrongPassword
from drorch.model.job import Job
from drorch.model.names import TargetName
from drorch.repository.lock import LockFile
from drorch.repository.repository import Repository
from drorch.storage.readonly import ReadOnlyTarget

_FOLDERS = ("data", "index", "keys", "locks", "snapshots")


@dataclass(frozen=True, slots=True)
class Visit:
    """What a look at a target showed. `polynomial` is a secret: it is compared and never shown."""

    symptoms: tuple[Symptom, ...]
    polynomial: int | None = None
    newest: datetime | None = None


def visited(configuration: Configuration, name: str) -> Visit:
    """Look at a target: read its password, open its repository, read its locks. Nothing is written."""
    spec = configuration.target(name)
    subject = f"target {spec.name}"
    found: list[Symptom] = [*secret_symptoms(subject, spec.secrets), *file_symptoms(subject, _files(spec))]
    if found:
        return Visit(tuple(found))
    location = location_of(configuration, name)
    polynomial = None
    try:
        with closing(open_target(location, Patience.NONE)) as target:
            repository = Repository.open(ReadOnlyTarget(target), spec.password.read())
            polynomial = repository.config.chunker_polynomial
            found.extend(lock_symptoms(spec.name, list(repository.locks.read()), repository.locks.now()))
            found.extend(room_there_symptoms(subject, target))
        found.extend(clock_there_symptoms(subject, location, SystemClock()))
    except RepositoryMissing as fault:
        first = "See that its path is right" if location.is_remote else "Mount its disk"
        mend = f"{first}; or, where there never was one, type: drorch init -t {spec.name}"
        return Visit((error(subject, fault.message, mend),))
    except WrongPassword as fault:
        return Visit((error(subject, fault.message, "Put the right one where the configuration says that it is."),))
    except DrorchError as fault:
        found.append(of_fault(subject, fault))
    if not isinstance(spec, LocalTargetSpec):
        return Visit(tuple(found), polynomial)
    found.extend(folder_symptoms(subject, spec.path, _FOLDERS))
    return Visit(tuple(found), polynomial, _newest(spec.path))


def _files(spec: TargetSpec) -> dict[str, Path | None]:
    match spec:
        case S3TargetSpec():
            return {"ca_file": spec.ca_file}
        case SftpTargetSpec():
            return {"identity_file": spec.identity_file, "known_hosts": spec.known_hosts}
        case LocalTargetSpec():
            return {}


def lock_symptoms(target: str, locks: Iterable[LockFile], now: int) -> Iterator[Symptom]:
    """Locks whose writers are gone, and locks that keep backups out."""
    unlock = f"Type: drorch unlock -t {target}"
    for lock in locks:
        gone = lock.is_provably_gone()
        stale = gone or lock.is_stale(now)
        if lock.exclusive and stale and not gone:
            yield error(f"target {target}", f"it is {lock.describe()}, who is gone, and no backup can begin", unlock)
        elif stale:
            yield warning(f"target {target}", f"a lock was left behind: {lock.describe()}", unlock)
        elif lock.exclusive:
            yield warning(f"target {target}", f"it is {lock.describe()}", "No backup can begin until that ends.")


def polynomial_symptoms(jobs: Iterable[Job], polynomials: Mapping[TargetName, int]) -> Iterator[Symptom]:
    """Targets of a job whose repositories cut files differently: copies and backups share no blobs there."""
    for job in jobs:
        opened = [target for target in job.targets if target in polynomials]
        for other in opened[1:]:
            if polynomials[other] != polynomials[opened[0]]:
                yield warning(
                    f"job {job.name}",
                    f"targets {opened[0]} and {other} do not share a chunker polynomial: copies are not deduplicated",
                    f"Make {other} anew: drorch init -t {other} --like {opened[0]}",
                )


def differing_polynomials(configuration: Configuration) -> list[Symptom]:
    """The same for a whole configuration, as far as repositories are on this machine and can be opened.

    Nothing else is told of them.
    """
    several = [job for job in configuration.jobs.values() if len(job.targets) > 1]
    named = dict.fromkeys(target for job in several for target in job.targets)
    names = [name for name in named if not location_of(configuration, name).is_remote]
    visits = {name: visited(configuration, name).polynomial for name in names}
    return list(polynomial_symptoms(several, {name: found for name, found in visits.items() if found is not None}))


def _newest(root: Path) -> datetime | None:
    """When the newest of a repository's folders was last written to."""
    try:
        times = [path.stat().st_mtime for path in (root, *(root / name for name in _FOLDERS)) if path.is_dir()]
    except OSError:
        return None
    return datetime.fromtimestamp(max(times), UTC) if times else None
