r"""Rows counted in a dump as it passes: no second look at the tables, and no row by itself in Python.

MariaDB's tool writes one row a line and no line break within a value (they are \n there), so that between LOCK TABLES
and UNLOCK TABLES each `),` with a line break and `(` is the end of one row and the start of another.
Promise: a count that is said to be exact is. MySQL's tool puts many rows on a line: those counts are not.
"""

from collections.abc import Mapping

from drorch.sources.databases.facts import RowCount

_LOCK = b"\nLOCK TABLES `"
_LOCKED = b"` WRITE;\n"
_UNLOCK = b"\nUNLOCK TABLES;\n"
_FIRST_ROW = b" VALUES\n("
_NEXT_ROW = b"),\n("
_INSERT = b"\nINSERT INTO `"
# What of a text may be the beginning of something that is looked for.
_HELD = max(map(len, (_UNLOCK, _FIRST_ROW, _NEXT_ROW, _INSERT))) - 1
_LONGEST_NAME = 1024


class RowCounter:
    """Counts the rows of each table in a dump, given as it passes. Holds no more than a name's length of it."""

    def __init__(self) -> None:
        self._held = b"\n"
        self._table: bytes | None = None
        self._rows = 0
        self._inserted = False
        self._found: dict[str, RowCount] = {}

    @property
    def tables(self) -> Mapping[str, RowCount]:
        """Of the tables that were seen to their end."""
        return self._found

    def feed(self, piece: bytes) -> None:
        """The next piece of the dump."""
        text = self._held + piece
        position = 0
        while True:
            following = self._outside(text, position) if self._table is None else self._inside(text, position)
            if following < 0:
                return
            position = following

    def _outside(self, text: bytes, position: int) -> int:
        """Look for the next table; where its rows begin, or -1."""
        start = text.find(_LOCK, position)
        if start < 0:
            self._held = text[max(position, len(text) - len(_LOCK) + 1) :]
            return -1
        end = text.find(_LOCKED, start + len(_LOCK))
        if end < 0 and len(text) - start < _LONGEST_NAME:
            self._held = text[start:]
            return -1
        if not 0 <= end - start < _LONGEST_NAME:
            return start + len(_LOCK)
        self._table, self._rows, self._inserted = text[start + len(_LOCK) : end], 0, False
        return end + len(_LOCKED) - 1

    def _inside(self, text: bytes, position: int) -> int:
        """Count rows; where the table ends, or -1."""
        end = text.find(_UNLOCK, position)
        if end >= 0:
            self._count(text, position, end)
            self._close()
            return end + len(_UNLOCK) - 1
        until = max(position, len(text) - _HELD)
        self._count(text, position, until)
        self._held = text[until:]
        return -1

    def _count(self, text: bytes, start: int, until: int) -> None:
        """Count what begins before `until`."""
        for what in (_FIRST_ROW, _NEXT_ROW):
            self._rows += text.count(what, start, until + len(what) - 1)
        if not self._rows:
            self._inserted = self._inserted or text.find(_INSERT, start, until + len(_INSERT) - 1) >= 0

    def _close(self) -> None:
        assert self._table is not None
        name = self._table.replace(b"``", b"`").decode("utf-8", errors="surrogateescape")
        # Statements and no row: a tool that writes many rows on a line.
        known = self._rows > 0 or not self._inserted
        exact = known and b"\n" not in self._table and name not in self._found
        self._found[name] = RowCount(self._rows, exact)
        self._table = None
