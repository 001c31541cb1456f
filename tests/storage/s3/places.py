"""Settings for the tests' servers, and their targets, each below a prefix of its own."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from drorch.clock import SystemClock
from drorch.secrets import CommandSecret
from drorch.storage.s3.settings import S3Credentials, S3Settings
from drorch.storage.s3.target import S3Target
from tests.servers.buckets import S3Server


def settings_for(server: S3Server, bucket: str, **others: Any) -> S3Settings:
    """A place of its own in a bucket; `others` are fields of the settings."""
    given: dict[str, Any] = {
        "bucket": bucket,
        "prefix": f"repositories/{secrets.token_hex(4)}",
        "endpoint": server.endpoint,
        "credentials": credentials(server.access_key, server.secret_key),
    }
    return S3Settings(**(given | others))


def credentials(access_key: str, secret_key: str) -> S3Credentials:
    """References to keys that a test knows."""
    return S3Credentials(CommandSecret(("echo", access_key)), CommandSecret(("echo", secret_key)))


@contextlib.contextmanager
def opened(settings: S3Settings) -> Iterator[S3Target]:
    """A target, closed when the block is left."""
    with contextlib.closing(S3Target(settings, SystemClock())) as target:
        yield target
