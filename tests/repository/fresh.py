"""New repositories that open quickly, and blobs put into them without a writer."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drorch.ids import PackId
from drorch.repository.index import encode_index
from drorch.repository.keys import ScryptCost
from drorch.repository.layout import FileKind, key_of
from drorch.repository.pack import PackedBlob
from drorch.repository.repository import Repository, initialize
from drorch.storage.local import LocalTarget
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Target
from tests.repository.blobs import Plain, build
from tests.restic import PASSWORD

CHEAP = ScryptCost(2, 1, 1)
"""The least that restic takes: tests of keys are many."""


def fresh(target: Target | None = None, version: int = 2) -> Repository:
    """A new repository, in memory unless a target is given."""
    return initialize(MemoryTarget() if target is None else target, PASSWORD, version=version, cost=CHEAP)


def fresh_folder(path: Path, version: int = 2) -> Repository:
    """A new repository in a folder, where restic can come to it too."""
    return fresh(LocalTarget(path), version)


def reopened(repository: Repository) -> Repository:
    """The same repository, opened anew: its index is not loaded yet."""
    return Repository.open(repository.target, PASSWORD)


def store_pack(repository: Repository, blobs: Sequence[Plain]) -> tuple[PackId, tuple[PackedBlob, ...]]:
    """Save a pack of these blobs; no index says so yet."""
    pack, content = build(blobs, repository.box)
    repository.target.save(key_of(FileKind.PACK, pack.id), content)
    return pack.id, pack.blobs


def store_index(repository: Repository, pack: PackId, blobs: Sequence[PackedBlob]) -> None:
    """Save an index file that says this of a pack, true or not."""
    repository.files.save(FileKind.INDEX, encode_index([(pack, blobs)]))


def replace(target: Target, old_key: str, folder: FileKind, name: bytes, content: bytes) -> None:
    """Take a file away and put another there."""
    target.remove(old_key)
    target.save(key_of(folder, name), content)


def to_json(value: Any) -> bytes:
    return json.dumps(value).encode()
