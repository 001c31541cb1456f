"""What the tests of buckets share: one bucket for all that need nothing special of it."""

import pytest

from tests.servers.seaweedfs import SeaweedFS


@pytest.fixture(scope="session")
def bucket(seaweedfs: SeaweedFS) -> str:
    """A bucket where every test has a prefix of its own."""
    return seaweedfs.new_bucket("shared")
