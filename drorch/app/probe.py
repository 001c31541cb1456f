"""A configured target is tried out: a scratch place is made on it, and what was found is held against the jobs."""

import importlib
import ipaddress
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from drorch.actions.probe.bench import Extent
from drorch.actions.probe.facts import Probed
from drorch.actions.probe.plan import Witness, carry_out, plan
from drorch.actions.probe.position import JobPlaces, Place, Stand, Whereabouts, position
from drorch.app.locations import LocalPlace, Location
from drorch.app.status import status
from drorch.app.targets import location_of
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import DrorchError
from drorch.model.job import FilesSpec, Job, SqliteSpec
from drorch.model.standing import Standing
from drorch.storage.abilities import Abilities, Leftover, ScratchPlace
from drorch.storage.s3.settings import S3Settings
from drorch.storage.target import Target

SCRATCH_NAME = "drorch-probe-"
"""How the names of scratch places begin; what follows is random."""

_AWS = (".amazonaws.com", ".amazonaws.com.cn")
_MOUNTS = Path("/proc/self/mountinfo")
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "fuse.sshfs", "9p", "afs"})


@dataclass(frozen=True, slots=True)
class Report:
    """What was found, and what the target is worth in the rule 3-2-1-1-0."""

    target: str
    probed: Probed
    stands: tuple[Stand, ...]


def probe(
    configuration: Configuration, name: str, clock: Clock, witness: Witness, extent: Extent | None = None
) -> Report:
    """Try a target out, in a scratch place below its own path or prefix that is removed again.

    Raises `ConfigError` where there is none of this name, `SecretMissing`, and a `TargetError` where nothing can be
    saved there.
    """
    location = location_of(configuration, name)
    extent = extent or Extent()
    lock = location.settings.object_lock if isinstance(location.settings, S3Settings) else None
    steps = plan(extent, lock_relied_on=lock is not None)
    probed = carry_out(_scratch_on(location, clock), steps, clock, extent, witness)
    jobs = _jobs_on(configuration, name, clock)
    where = jobs[0].here.where if jobs else _whereabouts(location, None)
    return Report(name, probed, position(probed, jobs, where, lock.mode if lock else None))


@dataclass(frozen=True, slots=True)
class _WithinLimits:
    """A scratch place whose line is used as the configuration allows."""

    scratch: ScratchPlace
    target: Target

    @property
    def name(self) -> str:
        """See `ScratchPlace`."""
        return self.scratch.name

    @property
    def abilities(self) -> Abilities:
        """See `ScratchPlace`."""
        return self.scratch.abilities

    def prepare(self) -> None:
        """See `ScratchPlace`."""
        self.scratch.prepare()

    def discard(self) -> Sequence[Leftover]:
        """See `ScratchPlace`."""
        return self.scratch.discard()


def _scratch_on(location: Location, clock: Clock) -> ScratchPlace:
    """A scratch place below that of a repository. What its kind needs is imported for that kind alone."""
    name = SCRATCH_NAME + secrets.token_hex(4)
    settings = location.settings
    scratch: ScratchPlace
    if isinstance(settings, LocalPlace):
        scratch = importlib.import_module("drorch.storage.local_scratch").LocalScratch(settings.path, name)
    elif isinstance(settings, S3Settings):
        scratch = importlib.import_module("drorch.storage.s3.scratch").S3Scratch(settings, name, clock)
    else:
        scratch = importlib.import_module("drorch.storage.sftp.scratch").SftpScratch(settings, name)
    if location.limits is None or location.budget is None:
        return scratch
    # Limits, and no second tries: those would hide what the probe is after.
    budget = importlib.import_module("drorch.storage.budget").budget_in(location.budget)
    throttle = importlib.import_module("drorch.storage.throttle")
    return _WithinLimits(scratch, throttle.ThrottledTarget(scratch.target, location.limits, budget, clock))


def _jobs_on(configuration: Configuration, name: str, clock: Clock) -> list[JobPlaces]:
    standings = _standings(configuration, name, clock)
    found = []
    for job in configuration.jobs.values():
        if name not in job.targets:
            continue
        places = {target: _place(location_of(configuration, target), job) for target in job.targets}
        known = standings.get(job.name)
        proof = known.record.proof if known is not None and known.record.newest is not None else None
        found.append(
            JobPlaces(
                job=job.name,
                here=next(place for target, place in places.items() if target == name),
                others=tuple(place for target, place in places.items() if target != name),
                proven=None if proof is None else int(proof.level),
                findings=len(known.record.findings) if known is not None else 0,
            )
        )
    return found


def _standings(configuration: Configuration, name: str, clock: Clock) -> dict[str, Standing]:
    """How the jobs stand on a target by their names; none where the catalog does not tell."""
    if configuration.catalog is None and not (configuration.state_dir / "catalog.sqlite").is_file():
        return {}
    try:
        return {one.duty.job.name: one for one in status(configuration, clock, name).standings}
    except DrorchError:
        return {}


def _place(location: Location, job: Job) -> Place:
    settings = location.settings
    locked = isinstance(settings, S3Settings) and settings.object_lock is not None
    return Place(location.name or "", _whereabouts(location, job), locked)


def _whereabouts(location: Location, job: Job | None) -> Whereabouts:
    settings = location.settings
    if isinstance(settings, LocalPlace):
        if _is_mounted_from_elsewhere(settings.path):
            return Whereabouts.ANOTHER_MACHINE
        devices = {_device_of(Path(source)) for source in _files_of(job)}
        here = _device_of(settings.path)
        return Whereabouts.SAME_DISK if here is not None and here in devices else Whereabouts.THIS_MACHINE
    if isinstance(settings, S3Settings):
        host = urlsplit(settings.endpoint).hostname or "" if settings.endpoint else ""
        if not host or host.endswith(_AWS):
            return Whereabouts.CLOUD
    else:
        host = "" if settings.jump else settings.host
    return Whereabouts.THIS_MACHINE if _is_loopback(host) else Whereabouts.ANOTHER_MACHINE


def _files_of(job: Job | None) -> tuple[str, ...]:
    """What of this machine a job reads, as far as its configuration says."""
    match job:
        case Job(source=FilesSpec(paths=paths)):
            return paths
        case Job(source=SqliteSpec(path=path)):
            return (path,)
        case _:
            return ()


def _device_of(path: Path) -> int | None:
    """The file system of a path, or of what would hold it."""
    for place in (path, *path.parents):
        try:
            return place.stat().st_dev
        except OSError:
            continue
    return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_mounted_from_elsewhere(path: Path) -> bool:
    """Whether the file system of a path is one that another machine serves (proc_pid_mountinfo(5))."""
    device = _device_of(path)
    try:
        lines = _MOUNTS.read_text("utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    for line in lines:
        fields, _, rest = line.partition(" - ")
        major, _, minor = fields.split()[2].partition(":")
        if device == os.makedev(int(major), int(minor)) and rest.split()[0] in _NETWORK:
            return True
    return False
