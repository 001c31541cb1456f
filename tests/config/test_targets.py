"""Targets elsewhere are read as they are written, shown as they read, and never hold a secret."""

from datetime import time
from pathlib import Path

import pytest

from drorch.config import settled
from drorch.config.places import (
    CredentialsSpec,
    EncryptionSpec,
    LimitSpec,
    ObjectLockSpec,
    PriceSpec,
    S3TargetSpec,
    SftpTargetSpec,
)
from drorch.config.reference import example
from drorch.config.targets import TARGET_KINDS
from drorch.model.names import TargetName
from drorch.secrets import EnvSecret, FileSecret
from drorch.units import MIB
from tests.config.configs import configuration, faults
from tests.config.test_schema import invalid

S3 = """
[targets.offsite]
type = "s3"
bucket = "backups"
password = { env = "PASSWORD" }
"""
FULL_S3 = (
    S3
    + """
endpoint = "https://s3.example.org:9000/"
region = "eu-central-1"
prefix = "hosts/web1"
addressing = "path"
ca_file = "/etc/drorch/ca.pem"
access_key = { env = "KEY" }
secret_key = { env = "SECRET" }
session_token = { env = "TOKEN" }
storage_class = "STANDARD_IA"
encryption = { algorithm = "aws:kms", key_id = "k1" }
object_lock = { mode = "compliance", days = 30 }
connections = 8
limits = [{ between = "22:00-6:30", upload = "1.5 MiB / s" }, { download = "10M/s" }]
price = { fetch_per_gib = 1, currency = "EUR" }
"""
)
SFTP = """
[targets.vault]
type = "sftp"
host = "vault.example.org"
path = "/backups/web1"
password = { env = "PASSWORD" }
"""
FULL_SFTP = (
    SFTP
    + """
user = "drorch"
port = 2222
identity_file = "/nonexistent/key"
passphrase = { file = "/nonexistent/passphrase" }
known_hosts = "/nonexistent/known_hosts"
jump = "me@gate:22"
carrier = "paramiko"
connections = 2
limits = [{ between = "08:00-24:00", upload = "1 MiB/s", download = "2 MiB/s" }]
price = { request_per_1000 = 0.0004, currency = "USD" }
"""
)


def test_a_bucket_is_as_it_was_written() -> None:
    assert configuration(FULL_S3).target("offsite") == S3TargetSpec(
        name=TargetName("offsite"),
        password=EnvSecret("PASSWORD"),
        bucket="backups",
        prefix="hosts/web1",
        endpoint="https://s3.example.org:9000",
        region="eu-central-1",
        addressing="path",
        ca_file=Path("/etc/drorch/ca.pem"),
        credentials=CredentialsSpec(EnvSecret("KEY"), EnvSecret("SECRET"), EnvSecret("TOKEN")),
        storage_class="STANDARD_IA",
        encryption=EncryptionSpec("aws:kms", "k1"),
        object_lock=ObjectLockSpec("compliance", 30),
        connections=8,
        limits=(LimitSpec(time(22), time(6, 30), 3 * MIB // 2, None), LimitSpec(None, None, None, 10 * MIB)),
        price=PriceSpec(1.0, 0.0, "EUR"),
    )


def test_a_server_is_as_it_was_written() -> None:
    assert configuration(FULL_SFTP).target("vault") == SftpTargetSpec(
        name=TargetName("vault"),
        password=EnvSecret("PASSWORD"),
        host="vault.example.org",
        path="/backups/web1",
        user="drorch",
        port=2222,
        identity_file=Path("/nonexistent/key"),
        passphrase=FileSecret(Path("/nonexistent/passphrase")),
        known_hosts=Path("/nonexistent/known_hosts"),
        jump="me@gate:22",
        carrier="paramiko",
        connections=2,
        limits=(LimitSpec(time(8), time(0), MIB, 2 * MIB),),
        price=PriceSpec(0.0, 0.0004, "USD"),
    )


@pytest.mark.parametrize(
    ("text", "name", "url", "secrets"),
    [
        (S3, "offsite", "s3:s3.amazonaws.com/backups", ["password"]),
        (
            FULL_S3,
            "offsite",
            "s3:https://s3.example.org:9000/backups/hosts/web1",
            ["access_key", "password", "secret_key", "session_token"],
        ),
        (SFTP, "vault", "sftp:vault.example.org:/backups/web1", ["password"]),
        (FULL_SFTP, "vault", "sftp://drorch@vault.example.org:2222//backups/web1", ["passphrase", "password"]),
    ],
)
def test_a_target_says_its_url_and_where_its_secrets_are(text: str, name: str, url: str, secrets: list[str]) -> None:
    spec = configuration(text).target(name)
    assert spec.url == url
    assert sorted(spec.secrets) == secrets
    assert all(isinstance(one, EnvSecret | FileSecret) for one in spec.secrets.values())


@pytest.mark.parametrize("text", [S3, FULL_S3, SFTP, FULL_SFTP])
def test_what_is_shown_reads_back_the_same_and_fits_the_schema(text: str) -> None:
    found = configuration(text)
    shown = settled.as_toml(found)
    again = configuration(shown)
    assert again.targets == found.targets
    assert settled.as_toml(again) == shown
    assert invalid(text) == invalid(shown) == []


def test_units_and_defaults_do_not_change_the_digest() -> None:
    other = FULL_S3.replace("6:30", "06:30").replace("1.5 MiB / s", "1536 KiB/s").replace("gib = 1,", "gib = 1.0,")
    assert configuration(other).digest == configuration(FULL_S3).digest
    assert configuration(S3 + 'connections = 5\naddressing = "auto"\nlimits = []\n').digest == configuration(S3).digest
    assert configuration(S3 + "connections = 6\n").digest != configuration(S3).digest


@pytest.mark.parametrize(
    "added",
    [
        'endpoint = "ftp://s3.example.org"',
        'endpoint = "https://"',
        'endpoint = "https://s3.example.org/bucket"',
        'region = ""',
        'prefix = "a//b"',
        'prefix = "a/"',
        'addressing = "host"',
        'access_key = { env = "KEY" }',
        'secret_key = { env = "KEY" }',
        'session_token = { env = "KEY" }',
        'access_key = "AKIA"\nsecret_key = { env = "X" }',
        'storage_class = "cold"',
        "connections = 0",
        'encryption = { algorithm = "none" }',
        'encryption = { key_id = "k" }',
        'object_lock = { mode = "governance" }',
        'object_lock = { mode = "governance", days = 0 }',
        'object_lock = { mode = "governance", days = 36501 }',
        'object_lock = { mode = "hold", days = 1 }',
        'limits = { upload = "1 MiB/s" }',
        "limits = [{ }]",
        'limits = [{ between = "08:00-18:00" }]',
        'limits = [{ upload = "1 MiB" }]',
        "limits = [{ upload = 5 }]",
        'limits = [{ between = "8-9", upload = "1 MiB/s" }]',
        'price = { currency = "EUR" }',
        "price = { fetch_per_gib = 1 }",
        'price = { fetch_per_gib = -1, currency = "EUR" }',
        'price = { fetch_per_gib = "1", currency = "EUR" }',
        'price = { fetch_per_gib = 1, currency = "eur" }',
        'host = "vault"',
    ],
)
def test_what_the_reader_refuses_of_a_bucket_does_not_fit_the_schema(added: str) -> None:
    text = S3 + added + "\n"
    assert faults(text)
    assert invalid(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"vault.example.org"', '"me@vault"'),
        ('"vault.example.org"', '"-oX"'),
        ('"vault.example.org"', "5"),
        ('"/backups/web1"', '""'),
        ('"/backups/web1"', '"~/web1"'),
        ('"sftp"', '"sftp"\nuser = "-l"'),
        ('"sftp"', '"sftp"\nport = 0'),
        ('"sftp"', '"sftp"\nport = 65536'),
        ('"sftp"', '"sftp"\npassphrase = { env = "X" }'),
        ('"sftp"', '"sftp"\njump = "-oX"'),
        ('"sftp"', '"sftp"\njump = "a,b"'),
        ('"sftp"', '"sftp"\ncarrier = "rsh"'),
        ('"sftp"', '"sftp"\nbucket = "backups"'),
        ('"sftp"', '"sftp"\nidentity_file = "key"'),
    ],
)
def test_what_the_reader_refuses_of_a_server_does_not_fit_the_schema(old: str, new: str) -> None:
    text = SFTP.replace(old, new, 1)
    assert text != SFTP
    assert faults(text)
    assert invalid(text)


def test_a_passphrase_that_ssh_cannot_be_told_is_a_fault() -> None:
    (told,) = faults(FULL_SFTP.replace('carrier = "paramiko"', 'carrier = "ssh"'))
    assert told.endswith('ssh cannot be told a passphrase; write "auto", or add the key to an agent')
    text = FULL_SFTP.replace('carrier = "paramiko"', 'carrier = "ssh"')
    assert configuration("\n".join(line for line in text.splitlines() if "passphrase" not in line)).targets


def test_the_example_uses_every_key_of_a_target() -> None:
    for kind in TARGET_KINDS.values():
        keys = {key for key in kind.model_fields if f"{key} = " not in example()}
        assert keys == set()


@pytest.mark.parametrize(
    ("kind", "key", "told"),
    [
        (FULL_S3, "access_key", "secret"),
        (FULL_S3, "secret_key", "secret"),
        (FULL_S3, "session_token", "secret"),
        (FULL_S3, "password", "secret"),
        (FULL_SFTP, "passphrase", "secret"),
        (FULL_SFTP, "identity_file", "key"),
    ],
)
def test_a_secret_of_any_key_that_everyone_can_read_is_a_fault(tmp_path: Path, kind: str, key: str, told: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    written = f'"{secret}"' if key == "identity_file" else f'{{ file = "{secret}" }}'
    lines = [f"{key} = {written}" if line.startswith(f"{key} = ") else line for line in kind.splitlines()]
    secret.chmod(0o600)
    assert configuration("\n".join(lines)).targets
    secret.chmod(0o604)
    (fault,) = faults("\n".join(lines))
    line = next(number for number, line in enumerate(lines, 1) if line.startswith(f"{key} = "))
    assert fault.startswith(f"{line}:")
    assert fault.endswith(f"the {told} in {secret} can be read by everyone; type: chmod 600 {secret}")


def warnings(text: str) -> list[str]:
    """What is worth knowing, beside that no job uses the targets."""
    return [one for one in configuration(text).warnings if not one.startswith("no job uses")]


def test_an_open_line_is_warned_of_unless_it_stays_in_the_machine() -> None:
    assert warnings(S3 + 'endpoint = "http://127.0.0.1:9000"\n') == []
    assert warnings(S3 + 'endpoint = "https://nas.lan"\n') == []
    assert warnings(S3 + 'endpoint = "http://nas.lan:9000"\n') == [
        "target offsite is reached over http: anyone on the way to nas.lan sees and can alter what passes"
    ]


@pytest.mark.parametrize("text", [FULL_S3, FULL_SFTP])
def test_two_targets_that_are_one_place_are_warned_of(text: str) -> None:
    name = "offsite" if text is FULL_S3 else "vault"
    assert warnings(text + text.replace(f"[targets.{name}]", "[targets.again]")) == [
        f"targets {name} and again are the same place"
    ]
    elsewhere = text.replace(f"[targets.{name}]", "[targets.again]").replace("web1", "web2")
    assert warnings(text + elsewhere) == []


def test_a_bucket_is_never_taken_for_a_folder_that_a_job_saves() -> None:
    job = '[jobs.all]\nsource = { type = "files", paths = ["/"] }\ntargets = ["offsite", "vault"]\n'
    assert configuration(S3 + SFTP + job).warnings == ()
