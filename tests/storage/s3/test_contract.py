"""The contract of every target, over a bucket of a real server."""

from collections.abc import Iterator

import pytest

from drorch.storage.target import Target
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.contract import TargetContract
from tests.storage.s3.places import opened, settings_for


class TestS3Target(TargetContract):
    @pytest.fixture
    def target(self, seaweedfs: SeaweedFS, bucket: str) -> Iterator[Target]:
        with opened(settings_for(seaweedfs, bucket)) as target:
            target.create()
            yield target
