"""Packs on their way: what a target fails with is what is raised."""

import pytest

from drorch.errors import TargetFull
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Buffer
from tests.actions.trees import writing
from tests.repository.fresh import fresh


class FullTarget(MemoryTarget):
    """Fails to save packs while it still looks at a part of what it was given."""

    def save(self, key: str, data: Buffer) -> None:
        if key.startswith("data/"):
            part = memoryview(data)[1:]
            raise TargetFull(f"no room for {key}, {len(part)} bytes and one more")
        super().save(key, data)


def test_a_failed_upload_is_told_as_the_target_tells_it() -> None:
    repository = fresh(FullTarget())
    with pytest.raises(TargetFull, match="no room"), writing(repository) as writer:
        writer.snapshot(writer.tree({b"file": b"content"}))
    assert repository.list_snapshots().snapshots == ()
