"""Indexes, snapshots and locks: JSON in one sealed file, named by the hash of its stored bytes.

docs/FORMAT.md, "Sealed files": version 2 puts the byte 2 and a zstd frame into the box; plain JSON is accepted too.
"""

import hashlib
from typing import Any

import orjson

from drorch.errors import IntegrityError, ObjectMissing
from drorch.repository.compression import UNPACKED_LIMIT, Compressor, decompress
from drorch.repository.crypto import Box
from drorch.repository.layout import FileKind, damaged, key_of
from drorch.storage.target import Target

_COMPRESSED = 2
_SIZE_LIMIT = 1 << 29


class SealedFiles:
    """Reads and writes the sealed files of one repository."""

    def __init__(self, target: Target, box: Box, version: int) -> None:
        self._target = target
        self._box = box
        self._version = version
        self._compressor = Compressor()

    def save(self, kind: FileKind, json_text: str) -> bytes:
        """Store a document durably; its storage id."""
        plaintext = json_text.encode("utf-8", "surrogateescape")
        if self._version >= 2:
            plaintext = bytes((_COMPRESSED,)) + self._compressor.compress(plaintext)
        content = self._box.seal(plaintext)
        storage_id = hashlib.sha256(content).digest()
        self._target.save(key_of(kind, storage_id), content)
        return storage_id

    def load(self, kind: FileKind, storage_id: bytes) -> Any:
        """The decoded JSON of a document.

        Raises `ObjectMissing`, and `IntegrityError` where the file is damaged. A mismatch is read once more: some
        clients write local files in place, and a reader may see one half-written.
        """
        content = self._load_matching(kind, storage_id)
        try:
            return decode(self._box.open(content), self._version)
        except IntegrityError as fault:
            raise damaged(kind, storage_id, fault.message) from fault

    def _load_matching(self, kind: FileKind, storage_id: bytes) -> bytes:
        key = key_of(kind, storage_id)
        if self._target.stat(key).size > _SIZE_LIMIT:
            raise damaged(kind, storage_id, "it is too large")
        for _ in range(2):
            content = self._target.load(key)
            if hashlib.sha256(content).digest() == storage_id:
                return content
        raise damaged(kind, storage_id, "its content does not match its name")

    def remove(self, kind: FileKind, storage_id: bytes) -> None:
        """Remove a document; a missing one is fine."""
        self._target.remove(key_of(kind, storage_id))

    def load_if_there(self, kind: FileKind, storage_id: bytes) -> Any | None:
        """Like `load`, but None where the file has gone since it was listed."""
        try:
            return self.load(kind, storage_id)
        except ObjectMissing:
            return None


def decode(plaintext: bytes, version: int) -> Any:
    """The JSON in the plaintext of a sealed file. Raises `IntegrityError`."""
    if plaintext[:1] not in (b"{", b"["):
        if version < 2 or plaintext[:1] != bytes((_COMPRESSED,)):
            raise IntegrityError("its encoding is unknown")
        plaintext = decompress(memoryview(plaintext)[1:], UNPACKED_LIMIT)
    try:
        return orjson.loads(plaintext)
    except orjson.JSONDecodeError as fault:
        raise IntegrityError("it is not JSON") from fault
