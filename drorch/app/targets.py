"""Targets of the configuration, by name, as repositories that can be opened."""

from collections.abc import Sequence
from datetime import timedelta

from drorch.app.access import Access
from drorch.app.configuration import load
from drorch.app.locations import LocalPlace, Location, Settings
from drorch.config.configuration import Configuration
from drorch.config.places import LimitSpec, LocalTargetSpec, S3TargetSpec, SftpTargetSpec, TargetSpec
from drorch.storage.limits import Limit, Limits
from drorch.storage.s3.settings import ObjectLock, S3Credentials, S3Settings, ServerSideEncryption
from drorch.storage.sftp.settings import SftpSettings

_CACHE, _BUDGETS = "cache", "limits"


def access_to(config_file: str | None, name: str) -> Access:
    """How to open the repository on a target of a configuration that is to be read. Raises `ConfigError`."""
    return access_of(load(config_file), name)


def access_if_named(config_file: str | None, name: str) -> Access | None:
    """The same, or None where the configuration has no target of this name. Raises `ConfigError`."""
    configuration = load(config_file)
    return access_of(configuration, name) if name in configuration.targets else None


def access_of(configuration: Configuration, name: str, retry_lock: timedelta = timedelta(0)) -> Access:
    """How to open the repository on a configured target. Raises `ConfigError` where there is none of this name."""
    return Access(location_of(configuration, name), configuration.target(name).password, retry_lock=retry_lock)


def location_of(configuration: Configuration, name: str) -> Location:
    """Where the repository of a configured target is. Raises `ConfigError` where there is none of this name."""
    spec = configuration.target(name)
    settings = _settings(spec)
    return Location(
        settings=settings,
        name=spec.name,
        limits=Limits(_windows(spec.limits), configuration.zone) if spec.limits else None,
        budget=configuration.state_dir / _BUDGETS / spec.name,
        cache=None if isinstance(settings, LocalPlace) else configuration.state_dir / _CACHE,
    )


def _windows(limits: Sequence[LimitSpec]) -> tuple[Limit, ...]:
    return tuple(Limit(one.start, one.end, one.upload, one.download) for one in limits)


def _settings(spec: TargetSpec) -> Settings:
    match spec:
        case LocalTargetSpec():
            return LocalPlace(spec.path)
        case S3TargetSpec():
            return _bucket(spec)
        case SftpTargetSpec():
            return SftpSettings(
                host=spec.host,
                path=spec.path,
                user=spec.user,
                port=spec.port,
                identity_file=spec.identity_file,
                passphrase=spec.passphrase,
                known_hosts=spec.known_hosts,
                jump=spec.jump,
                carrier=spec.carrier,
                connections=spec.connections,
            )


def _bucket(spec: S3TargetSpec) -> S3Settings:
    keys, encryption, lock = spec.credentials, spec.encryption, spec.object_lock
    return S3Settings(
        bucket=spec.bucket,
        prefix=spec.prefix,
        endpoint=spec.endpoint,
        region=spec.region,
        addressing=spec.addressing,
        ca_file=spec.ca_file,
        credentials=None if keys is None else S3Credentials(keys.access_key, keys.secret_key, keys.session_token),
        storage_class=spec.storage_class,
        encryption=None if encryption is None else ServerSideEncryption(encryption.algorithm, encryption.key_id),
        object_lock=None if lock is None else ObjectLock(lock.mode, lock.days),
        connections=spec.connections,
    )
