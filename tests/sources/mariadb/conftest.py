"""One server for all tests of a module's process."""

from collections.abc import Iterator

import pytest

from tests.servers.mariadb import MariaDB


@pytest.fixture(scope="session")
def server() -> Iterator[MariaDB]:
    """A server with passwords that lets accounts without SUPER make triggers."""
    with MariaDB.new("--log-bin-trust-function-creators=1") as running:
        yield running
