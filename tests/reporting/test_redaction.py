"""What looks like a credential, or is known to be one, is blotted out; what is not stays readable."""

import pytest

from drorch.clock import SystemClock
from drorch.reporting.redaction import BLOT, redact
from drorch.secrets import remember

CANARY = "c4nary-Zx81-q"


@pytest.mark.parametrize(
    "text",
    [
        f"https://drorch:{CANARY}@vault.example.org/x",
        f"postgresql://backup:p@{CANARY}@db1:5432/orders",
        f"password={CANARY}",
        f"RESTIC_PASSWORD={CANARY} restic snapshots",
        f'{{"secret_key": "{CANARY} with a space"}}',
        f"aws_secret_access_key = {CANARY}",
        f"passphrase: '{CANARY}'",
        f"mysqldump --password {CANARY} orders",
        f"mysqldump --password={CANARY} orders",
        f"Authorization: Basic {CANARY}",
        f"authorization: AWS4-HMAC-SHA256 Credential={CANARY}, SignedHeaders=host, Signature={CANARY}",
        f"curl -H 'Authorization: Bearer {CANARY}'",
        f"got Bearer {CANARY}{CANARY}",
        f"GET /b/k?X-Amz-Signature={CANARY}&X-Amz-Date=2026",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{CANARY.replace('-', '')}\n{CANARY.replace('-', '')}\n-----END",
    ],
)
def test_what_looks_like_a_credential_is_blotted_out(text: str) -> None:
    redacted = redact(text)
    assert CANARY not in redacted
    assert CANARY.replace("-", "") not in redacted
    assert BLOT in redacted


def test_keys_as_aws_writes_them_are_blotted_out() -> None:
    told = redact("denied for AKIAIOSFODNN7EXAMPLE with wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY, request 12")
    assert told == f"denied for {BLOT} with {BLOT}, request 12"


@pytest.mark.parametrize(
    "text",
    [
        "/home/a/b: permission denied",
        "sftp://drorch@vault.example.org:22/backups: connection refused",
        "snapshot 3f2a9c11 saved, 12 files new, 1.2 MiB added",
        "pack 9a54b1e0c2f33d2c6f7be1a90e2f4a1b6c8d7e5f3a2b1c0d9e8f7a6b5c4d3e2f1 is gone",
        "commit da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "drorch --password-command is not given",
        "it was due 2026-03-11 02:30 CET",
        "see https://example.org/password for help",
    ],
)
def test_what_is_none_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_of_a_url_the_user_and_the_host_stay() -> None:
    assert redact(f"sftp://joe:{CANARY}@vault:22/b") == f"sftp://joe:{BLOT}@vault:22/b"


def test_what_this_process_has_read_as_a_secret_never_stays() -> None:
    remember("c4nary 7e2f/known")
    told = redact("the server said: c4nary 7e2f/known is wrong, see ?q=c4nary%207e2f%2Fknown")
    assert told == f"the server said: {BLOT} is wrong, see ?q={BLOT}"


def test_a_hostile_log_costs_no_more_than_its_length() -> None:
    clock = SystemClock()
    hostile = ["password" * 8192, "://" + ":" * 65536, "-" * 65536, "a" * 65536, "Aa1/" * 16384, "basic " * 10000]
    began = clock.monotonic()
    for text in hostile:
        redact(text)
    # Quadratic work would take minutes.
    assert clock.monotonic() - began < 20
