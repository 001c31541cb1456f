"""A dump of a SQLite database: its copy as one part of a snapshot, and what is known of it.

Promise: what is read has been found sound before the first byte of it is given.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from drorch.errors import DumpFailed
from drorch.sources.databases.contract import Part
from drorch.sources.databases.facts import Facts

FOLDER = "sqlite"
SUFFIX = ".sqlite"
BLOB_BYTES = 64 << 10
"""The largest page that SQLite knows, so that pages of any size lie whole in blobs.

Measured on 110 MB: a row changed stores 0.06 % of the database, 1 % of neighbouring rows 1.1 %, 100 rows anywhere 6 %.
Blobs of 1 MiB would compress to two thirds and store 1 %, 2.8 % and 54 %.
"""


def database_name(path: Path) -> str:
    """What a database is called in a snapshot: its file's name without the ending, as text."""
    text = os.fsencode(path.stem).decode("utf-8", errors="backslashreplace")
    plain = "".join(letter if letter.isprintable() and letter != "/" else "_" for letter in text)
    return plain.lstrip(".") or "database"


class CopyStream:
    """The copy being read. The handle belongs to the session."""

    def __init__(self, handle: int, size: int, shown_name: str) -> None:
        self._handle = handle
        self._size = size
        self._shown_name = shown_name
        self._at = 0

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end. Raises `DumpFailed`."""
        try:
            count = os.preadv(self._handle, [buffer], self._at)
        except OSError as fault:
            raise DumpFailed(f"copy of database {self._shown_name}: {fault.strerror}") from fault
        if count == 0 and len(buffer) > 0 and self._at != self._size:
            raise DumpFailed(f"copy of database {self._shown_name}: it ends at {self._at} of {self._size} bytes")
        self._at += count
        return count

    def close(self) -> None:
        """Nothing to let go of: what was wrong, reading has said."""


class CopySession:
    """A copy that was made and found sound, with its facts."""

    def __init__(self, name: str, handle: int, facts: Facts) -> None:
        self._name = name
        self._handle = handle
        self._facts = facts

    def parts(self) -> Sequence[Part]:
        """The database, the only part."""
        return (Part(f"{FOLDER}/{self._name}{SUFFIX}", self._opener(), BLOB_BYTES),)

    def facts(self) -> Facts:
        """The facts of the very copy."""
        return self._facts

    def _opener(self) -> Callable[[], CopyStream]:
        return lambda: CopyStream(self._handle, os.fstat(self._handle).st_size, self._name)
