"""The kinds of targets: which keys each has."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from drorch.config.conduct import Parallel
from drorch.config.fields import AbsolutePath, Word, one_of, wrong
from drorch.config.network import (
    Between,
    Bucket,
    Connections,
    Currency,
    Endpoint,
    Folder,
    Jump,
    Login,
    Money,
    Port,
    Prefix,
    Rate,
    Region,
    Server,
    StorageClass,
)
from drorch.config.table import Companions, SecretTable, Table

PARALLEL_RUNS: Any = Field(
    default=None, description="How many of the daemon's runs use it at a time, at most. Default: as many as run."
)


class LimitTable(Table):
    """How much a target's line is used. In each direction the first limit that names it and holds counts."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": ["upload"]}, {"required": ["download"]}]})

    between: Between | None = Field(
        default=None,
        description="From when to when, in `timezone`, over midnight too. Default: always.",
        examples=["08:00-18:00"],
    )
    upload: Rate | None = Field(default=None, description="At most so much is sent.", examples=["2 MiB/s"])
    download: Rate | None = Field(default=None, description="At most so much is fetched.")

    @model_validator(mode="before")
    @classmethod
    def _limits_something(cls, value: object) -> object:
        if isinstance(value, dict) and set(value) <= {"between"}:
            raise wrong('this limit limits nothing; write for instance { upload = "2 MiB/s" }')
        return value


class PriceTable(Table):
    """What the provider charges for fetching; `restore --dry-run` tells the sum."""

    model_config = ConfigDict(
        json_schema_extra={"anyOf": [{"required": ["fetch_per_gib"]}, {"required": ["request_per_1000"]}]}
    )

    fetch_per_gib: Money = Field(default=0.0, description="For each GiB that is fetched.")
    request_per_1000: Money = Field(default=0.0, description="For a thousand requests.")
    currency: Currency = Field(description="In which currency, as ISO 4217 calls it.", examples=["EUR"])

    @model_validator(mode="before")
    @classmethod
    def _costs_something(cls, value: object) -> object:
        if isinstance(value, dict) and set(value) <= {"currency"}:
            raise wrong('no price is said; write for instance { fetch_per_gib = 0.09, currency = "EUR" }')
        return value


class ObjectLockTable(Table):
    """How long nobody may remove or overwrite what is saved. Locks and nothing else are exempt."""

    mode: Literal["governance", "compliance"] = Field(
        description="governance: who has a special right still may; compliance: nobody may, not even the provider's "
        "customer."
    )
    days: Annotated[int, Field(ge=1, le=36500)] = Field(description="For so many days from when it is saved.")


class EncryptionTable(Table):
    """What the service encrypts with, beside drorch's own encryption."""

    algorithm: Literal["AES256", "aws:kms"] = Field(description="AES256: a key of the service; aws:kms: one of yours.")
    key_id: Word | None = Field(default=None, description="Which key, for aws:kms. Default: the account's own.")

    @model_validator(mode="before")
    @classmethod
    def _names_a_key_only_of_kms(cls, value: object) -> object:
        if isinstance(value, dict) and "key_id" in value and value.get("algorithm") == "AES256":
            raise wrong('AES256 uses a key of the service; leave key_id out, or write "aws:kms"', at="key_id")
        return value


class LocalTargetTable(Table):
    """A target in a folder of this machine."""

    type: Literal["local"] = Field(description="What kind of place it is.")
    path: AbsolutePath = Field(description="Folder that holds the repository.")
    password: SecretTable = Field(description="Password of the repository.")
    limits: list[LimitTable] = Field(default=[], description="How much of the line is used, and when.")
    price: PriceTable | None = Field(default=None, description="What fetching costs.")
    max_parallel_runs: Parallel | None = PARALLEL_RUNS


class S3TargetTable(Table):
    """A target in a bucket of an S3-compatible service."""

    companions: ClassVar[Companions] = (
        ("access_key", "secret_key"),
        ("secret_key", "access_key"),
        ("session_token", "access_key"),
    )
    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {
                "access_key": ["secret_key"],
                "secret_key": ["access_key"],
                "session_token": ["access_key"],
            }
        }
    )

    type: Literal["s3"] = Field(description="What kind of place it is.")
    endpoint: Endpoint | None = Field(
        default=None, description="URL of the service. Default: AWS.", examples=["https://s3.example.org"]
    )
    region: Region | None = Field(
        default=None, description="Its region, for instance eu-central-1. Default: what the service takes."
    )
    bucket: Bucket = Field(description="Bucket that holds the repository; it must exist.")
    prefix: Prefix | None = Field(
        default=None, description="Folder in the bucket, without slashes at its ends. Default: the bucket's root."
    )
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto", description="Whether the bucket stands in the URL's path or in its host name."
    )
    ca_file: AbsolutePath | None = Field(
        default=None, description="Certificates (PEM) that the service's must come from. Default: the system's."
    )
    access_key: SecretTable | None = Field(
        default=None, description="The account's access key. Default: as the AWS command line finds it."
    )
    secret_key: SecretTable | None = Field(default=None, description="The secret that belongs to it.")
    session_token: SecretTable | None = Field(default=None, description="A token, where the keys are temporary.")
    password: SecretTable = Field(description="Password of the repository.")
    storage_class: StorageClass | None = Field(
        default=None,
        description="Storage class of packs of data; what every command reads is never put there.",
        examples=["STANDARD_IA"],
    )
    encryption: EncryptionTable | None = Field(default=None, description="Encryption by the service.")
    object_lock: ObjectLockTable | None = Field(default=None, description="How long nothing can be removed.")
    connections: Connections = Field(default=5, description="Transfers at once.")
    limits: list[LimitTable] = Field(default=[], description="How much of the line is used, and when.")
    price: PriceTable | None = Field(default=None, description="What fetching costs.")
    max_parallel_runs: Parallel | None = PARALLEL_RUNS


class SftpTargetTable(Table):
    """A target in a folder behind an SSH server. A host whose key is not known is refused."""

    companions: ClassVar[Companions] = (("passphrase", "identity_file"),)
    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"passphrase": ["identity_file"]}})

    type: Literal["sftp"] = Field(description="What kind of place it is.")
    host: Server = Field(description="The server, or a Host of ssh_config.")
    user: Login | None = Field(default=None, description="Who logs in. Default: as ssh_config says.")
    port: Port | None = Field(default=None, description="Its port. Default: as ssh_config says, or 22.")
    path: Folder = Field(description="Folder that holds the repository; absolute, or from where the user logs in.")
    identity_file: AbsolutePath | None = Field(
        default=None, description="Private key. Default: those of ssh_config and of the agent."
    )
    passphrase: SecretTable | None = Field(default=None, description="Passphrase of that key.")
    known_hosts: AbsolutePath | None = Field(
        default=None, description="File with the server's key. Default: the user's and the system's."
    )
    jump: Jump | None = Field(default=None, description="Host to go through: [user@]host[:port].")
    carrier: Literal["auto", "ssh", "paramiko"] = Field(
        default="auto", description="What carries the connection: OpenSSH's client, drorch itself, or what is there."
    )
    password: SecretTable = Field(description="Password of the repository.")
    connections: Connections = Field(default=4, description="Transfers at once.")
    limits: list[LimitTable] = Field(default=[], description="How much of the line is used, and when.")
    price: PriceTable | None = Field(default=None, description="What fetching costs.")
    max_parallel_runs: Parallel | None = PARALLEL_RUNS

    @model_validator(mode="before")
    @classmethod
    def _can_tell_its_passphrase(cls, value: object) -> object:
        if isinstance(value, dict) and value.get("carrier") == "ssh" and "passphrase" in value:
            raise wrong('ssh cannot be told a passphrase; write "auto", or add the key to an agent', at="carrier")
        return value


TARGET_KINDS: Mapping[str, type[Table]] = {"local": LocalTargetTable, "s3": S3TargetTable, "sftp": SftpTargetTable}

TargetTable = Annotated[
    Annotated[LocalTargetTable | S3TargetTable | SftpTargetTable, Field(discriminator="type")],
    BeforeValidator(one_of(TARGET_KINDS, thing="target")),
]
"""One of the kinds, by its `type`."""
