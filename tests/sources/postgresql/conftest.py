"""One server for all tests of a module's process, and a way to write databases that nobody else uses."""

from collections.abc import Iterator

import pytest

from tests.servers.postgresql import Postgresql


@pytest.fixture(scope="session")
def server() -> Iterator[Postgresql]:
    """A cluster with passwords."""
    with Postgresql() as running:
        yield running
