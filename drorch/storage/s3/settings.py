"""What must be known to reach a bucket: values only, secrets as references."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drorch.secrets import SecretRef

Addressing = Literal["auto", "path", "virtual"]
LockMode = Literal["governance", "compliance"]


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """Where the keys of an account are; they are read when the target is opened."""

    access_key: SecretRef
    secret_key: SecretRef
    session_token: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class ObjectLock:
    """How long nobody may remove what is saved: `governance` lets those with a special right, `compliance` nobody."""

    mode: LockMode
    days: int


@dataclass(frozen=True, slots=True)
class ServerSideEncryption:
    """What the service encrypts with, beside drorch's own encryption: "AES256", or "aws:kms" and a key's id."""

    algorithm: str
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class S3Settings:
    """One repository in a bucket, below `prefix` ("" or "a/b", without slashes at its ends).

    `endpoint` is a URL, None for AWS. Without `credentials` the environment, the files and the instance's role are
    asked, as the AWS command line does. `storage_class` is for packs, which keys do not tell by what is in them: one
    that must be thawed before reading freezes trees, too. It is never put on anything else.
    `timeout_seconds` bounds every wait for the service, not a whole transfer.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    addressing: Addressing = "auto"
    ca_file: Path | None = None
    credentials: S3Credentials | None = None
    storage_class: str | None = None
    encryption: ServerSideEncryption | None = None
    object_lock: ObjectLock | None = None
    connections: int = 5
    timeout_seconds: float = 60.0
