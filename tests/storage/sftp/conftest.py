"""What the tests of SFTP share: one server for all that need nothing special of it."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.sshd import Sshd

pytest.register_assert_rewrite("tests.storage.contract")


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """A server; every test has a folder of its own there."""
    with tempfile.TemporaryDirectory(prefix="drorch-sshd-") as place, Sshd(Path(place)) as server:
        yield server
