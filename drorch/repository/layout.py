"""Where the files of a repository are kept on a target. docs/FORMAT.md, "Names"."""

import re
from collections.abc import Iterator
from enum import StrEnum

from drorch.errors import IntegrityError
from drorch.storage.target import StoredObject, Target

CONFIG_KEY = "config"

_HEX_ID = re.compile(r"[0-9a-f]{64}")


class FileKind(StrEnum):
    """The folders of a repository; each file in them is named by its storage id."""

    PACK = "data"
    INDEX = "index"
    KEY = "keys"
    LOCK = "locks"
    SNAPSHOT = "snapshots"


def key_of(kind: FileKind, storage_id: bytes) -> str:
    """The target's key for a file: packs are spread over 256 folders by their first two hex digits."""
    name = storage_id.hex()
    return f"{kind}/{name[:2]}/{name}" if kind is FileKind.PACK else f"{kind}/{name}"


def stored_ids(target: Target, kind: FileKind) -> Iterator[tuple[bytes, StoredObject]]:
    """All files of a kind as (storage id, object). Names that are no id are skipped, as restic does."""
    for item in target.list(kind):
        name = item.key.rpartition("/")[2]
        if _HEX_ID.fullmatch(name):
            yield bytes.fromhex(name), item


def damaged(kind: FileKind, storage_id: bytes, what: str) -> IntegrityError:
    """The error for a stored file that is not what it should be."""
    nouns = {
        FileKind.PACK: "pack",
        FileKind.INDEX: "index",
        FileKind.KEY: "key",
        FileKind.LOCK: "lock",
        FileKind.SNAPSHOT: "snapshot",
    }
    return IntegrityError(
        f"{nouns[kind]} {storage_id.hex()[:16]}: {what}",
        hint="Type: drorch check --read-data, to see what is damaged and which snapshots need it.",
    )
