"""Tables of targets -> what they say, as values."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from drorch.config.network import hours
from drorch.config.places import (
    CredentialsSpec,
    EncryptionSpec,
    LimitSpec,
    LocalTargetSpec,
    ObjectLockSpec,
    PriceSpec,
    S3TargetSpec,
    SftpTargetSpec,
    TargetSpec,
)
from drorch.config.table import SecretTable
from drorch.config.targets import LimitTable, LocalTargetTable, PriceTable, S3TargetTable, SftpTargetTable
from drorch.model.names import TargetName, target_name
from drorch.secrets import CommandSecret, CredentialSecret, EnvSecret, FileSecret, SecretRef

_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")


def secret(table: SecretTable) -> SecretRef:
    """Where a secret is."""
    if table.file is not None:
        return FileSecret(Path(table.file))
    if table.env is not None:
        return EnvSecret(table.env)
    if table.command is not None:
        return CommandSecret(tuple(table.command))
    assert table.credential is not None
    return CredentialSecret(table.credential)


def monitor(ping: str | SecretTable | None) -> str | SecretRef | None:
    """The URL of a monitor, or where it is."""
    return secret(ping) if isinstance(ping, SecretTable) else ping


def target(name: str, table: LocalTargetTable | S3TargetTable | SftpTargetTable) -> TargetSpec:
    """A target of any kind."""
    if isinstance(table, S3TargetTable):
        return _s3(target_name(name), table)
    if isinstance(table, SftpTargetTable):
        return _sftp(target_name(name), table)
    return LocalTargetSpec(
        name=target_name(name),
        password=secret(table.password),
        path=Path(table.path),
        limits=_limits(table.limits),
        price=_price(table.price),
        max_parallel_runs=table.max_parallel_runs,
    )


def _s3(name: TargetName, table: S3TargetTable) -> S3TargetSpec:
    credentials = None
    if table.access_key is not None and table.secret_key is not None:
        credentials = CredentialsSpec(secret(table.access_key), secret(table.secret_key), _perhaps(table.session_token))
    lock, encryption = table.object_lock, table.encryption
    return S3TargetSpec(
        name=name,
        password=secret(table.password),
        bucket=table.bucket,
        prefix=table.prefix or "",
        endpoint=table.endpoint,
        region=table.region,
        addressing=table.addressing,
        ca_file=_path(table.ca_file),
        credentials=credentials,
        storage_class=table.storage_class,
        encryption=None if encryption is None else EncryptionSpec(encryption.algorithm, encryption.key_id),
        object_lock=None if lock is None else ObjectLockSpec(lock.mode, lock.days),
        connections=table.connections,
        limits=_limits(table.limits),
        price=_price(table.price),
        max_parallel_runs=table.max_parallel_runs,
    )


def _sftp(name: TargetName, table: SftpTargetTable) -> SftpTargetSpec:
    return SftpTargetSpec(
        name=name,
        password=secret(table.password),
        host=table.host,
        path=table.path,
        user=table.user,
        port=table.port,
        identity_file=_path(table.identity_file),
        passphrase=_perhaps(table.passphrase),
        known_hosts=_path(table.known_hosts),
        jump=table.jump,
        carrier=table.carrier,
        connections=table.connections,
        limits=_limits(table.limits),
        price=_price(table.price),
        max_parallel_runs=table.max_parallel_runs,
    )


def _perhaps(table: SecretTable | None) -> SecretRef | None:
    return None if table is None else secret(table)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _limits(tables: list[LimitTable]) -> tuple[LimitSpec, ...]:
    found = []
    for table in tables:
        start, end = (None, None) if table.between is None else hours(table.between)
        found.append(LimitSpec(start, end, table.upload, table.download))
    return tuple(found)


def _price(table: PriceTable | None) -> PriceSpec | None:
    return None if table is None else PriceSpec(table.fetch_per_gib, table.request_per_1000, table.currency)


def warnings(targets: Mapping[TargetName, TargetSpec]) -> Iterator[str]:
    """What is worth knowing of targets and stops nothing."""
    places: dict[tuple[object, ...], str] = {}
    for name, spec in targets.items():
        first = places.setdefault(_place(spec), name)
        if first != name:
            yield f"targets {first} and {name} are the same place"
        if isinstance(spec, S3TargetSpec) and spec.endpoint and spec.endpoint.startswith("http://"):
            host = urlsplit(spec.endpoint).hostname
            if host not in _THIS_MACHINE:
                yield f"target {name} is reached over http: anyone on the way to {host} sees and can alter what passes"


def _place(spec: TargetSpec) -> tuple[object, ...]:
    match spec:
        case S3TargetSpec():
            return ("s3", spec.endpoint, spec.bucket, spec.prefix)
        case SftpTargetSpec():
            return ("sftp", spec.user, spec.host, spec.port, os.path.normpath(spec.path))
        case LocalTargetSpec():
            return ("local", os.path.normpath(spec.path))
