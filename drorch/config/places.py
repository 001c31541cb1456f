"""What a configuration says of its targets, as values: one class for each kind. Secrets are references."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Literal

from drorch.model.names import TargetName
from drorch.secrets import SecretRef


@dataclass(frozen=True, slots=True)
class LimitSpec:
    """Bytes a second, at most (None: as many as go), from `start` up to `end` of each day in the configuration's zone.

    Both are None where it holds always; `end` before `start` means over midnight, 00:00 as `end` means 24:00.
    """

    start: time | None
    end: time | None
    upload: int | None
    download: int | None


@dataclass(frozen=True, slots=True)
class PriceSpec:
    """What fetching costs, in `currency` (ISO 4217): for each GiB, and for a thousand requests."""

    fetch_per_gib: float
    request_per_1000: float
    currency: str


@dataclass(frozen=True, slots=True)
class LocalTargetSpec:
    """A repository in a folder of this machine, and where its password is."""

    name: TargetName
    password: SecretRef
    path: Path
    limits: tuple[LimitSpec, ...] = ()
    price: PriceSpec | None = None
    max_parallel_runs: int | None = None

    @property
    def url(self) -> str:
        """The place as --repo names it."""
        return f"local:{self.path}"

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Where its secrets are, by key."""
        return {"password": self.password}


@dataclass(frozen=True, slots=True)
class EncryptionSpec:
    """What the service encrypts with."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class ObjectLockSpec:
    """How long nothing can be removed."""

    mode: Literal["governance", "compliance"]
    days: int


@dataclass(frozen=True, slots=True)
class CredentialsSpec:
    """Where the keys of an account are."""

    access_key: SecretRef
    secret_key: SecretRef
    session_token: SecretRef | None


@dataclass(frozen=True, slots=True)
class S3TargetSpec:
    """A repository in a bucket. `endpoint` None is AWS; without `credentials` they are sought as AWS's tools do."""

    name: TargetName
    password: SecretRef
    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    addressing: Literal["auto", "path", "virtual"] = "auto"
    ca_file: Path | None = None
    credentials: CredentialsSpec | None = None
    storage_class: str | None = None
    encryption: EncryptionSpec | None = None
    object_lock: ObjectLockSpec | None = None
    connections: int = 5
    limits: tuple[LimitSpec, ...] = ()
    price: PriceSpec | None = None
    max_parallel_runs: int | None = None

    @property
    def url(self) -> str:
        """The place as --repo names it."""
        where = f"s3:{self.endpoint or 's3.amazonaws.com'}/{self.bucket}"
        return f"{where}/{self.prefix}" if self.prefix else where

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Where its secrets are, by key."""
        found = {"password": self.password}
        if self.credentials is not None:
            found |= {"access_key": self.credentials.access_key, "secret_key": self.credentials.secret_key}
            if self.credentials.session_token is not None:
                found["session_token"] = self.credentials.session_token
        return found


@dataclass(frozen=True, slots=True)
class SftpTargetSpec:
    """A repository in a folder behind an SSH server. What is None is left to the user's ssh_config."""

    name: TargetName
    password: SecretRef
    host: str
    path: str
    user: str | None = None
    port: int | None = None
    identity_file: Path | None = None
    passphrase: SecretRef | None = None
    known_hosts: Path | None = None
    jump: str | None = None
    carrier: Literal["auto", "ssh", "paramiko"] = "auto"
    connections: int = 4
    limits: tuple[LimitSpec, ...] = ()
    price: PriceSpec | None = None
    max_parallel_runs: int | None = None

    @property
    def url(self) -> str:
        """The place as --repo names it."""
        login = f"{self.user}@{self.host}" if self.user else self.host
        return f"sftp:{login}:{self.path}" if self.port is None else f"sftp://{login}:{self.port}/{self.path}"

    @property
    def secrets(self) -> Mapping[str, SecretRef]:
        """Where its secrets are, by key."""
        return {"password": self.password, **({"passphrase": self.passphrase} if self.passphrase else {})}


TargetSpec = LocalTargetSpec | S3TargetSpec | SftpTargetSpec
"""A place that holds a repository. At most `max_parallel_runs` use it at a time; None: as many as run."""
