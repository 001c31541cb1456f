r"""Where the INSERT statements of a dump end: where its rows say so, that a change of a few rows stays a small change.

The tool fills each statement up to a length, so a row that grows or goes moves the end of every statement behind it; as
nearly every piece that a dump is stored in holds such an end, all would be stored anew. Here the tool's ends are taken
out and others put in, at rows whose bytes say so. The rows are the tool's, byte for byte and in its order; a very long
row keeps the statement that the tool gave it.
Promise: what is not as MariaDB's tool writes it passes as it came. Holds about 300 KiB.
"""

import zlib

_LOCK = b"\nLOCK TABLES `"
_INSERT = b"\nINSERT INTO `"
_FIRST_ROW = b" VALUES\n("
_UNLOCK = b"\nUNLOCK TABLES;\n"
_NEXT_ROW = b"),\n("
_LAST_ROW = b");\n"
# A statement has at least so many bytes; from there on, so many more on average, and no more than so many.
_LEAST = 768 << 10
_SPREAD = 256 << 10
_MOST = 2 << 20
# Rows above this are alone in their statement where the tool wants it: a server takes a statement only up to a length.
_LONG_ROW = 256 << 10
_LONGEST_HEAD = 32 << 10
# Of a row's beginning, where its key is, to tell whether a statement ends before it; of a table's, how long rows are.
_TELLING_BYTES = 64
_SAMPLED_BYTES = 64 << 10


class Statements:
    """A dump, given in pieces and taken as it is to be stored."""

    def __init__(self) -> None:
        self._held = b""
        self._step = self._outside
        self._ends = b""
        self._in_statement = 0
        self._in_row = 0
        self._below = 0

    def feed(self, piece: bytes) -> bytes:
        """What can be stored after the next piece."""
        text = self._held + piece
        taken: list[bytes] = []
        position = 0
        while (following := self._step(text, position, taken)) >= 0:
            position = following
        return b"".join(taken)

    def finish(self) -> bytes:
        """What is left at the end."""
        rest, self._held = self._held, b""
        return rest

    def _hold(self, text: bytes, position: int, until: int, taken: list[bytes]) -> int:
        """Give what stands before `until`, and keep the rest for the next piece."""
        until = max(position, until)
        taken.append(text[position:until])
        self._held = text[until:]
        return -1

    def _outside(self, text: bytes, position: int, taken: list[bytes]) -> int:
        """Look for the rows of a table."""
        start = text.find(_LOCK, position)
        if start < 0:
            return self._hold(text, position, len(text) - len(_LOCK) + 1, taken)
        taken.append(text[position:start])
        self._step = self._before_rows
        return start

    def _before_rows(self, text: bytes, position: int, taken: list[bytes]) -> int:
        """Look for how the table's statements begin: "INSERT INTO `t` VALUES", maybe with its columns."""
        end = text.find(_UNLOCK, position)
        start = text.find(_INSERT, position, None if end < 0 else end)
        last = start + _LONGEST_HEAD if end < 0 else min(start + _LONGEST_HEAD, end)
        head = -1 if start < 0 else text.find(_FIRST_ROW, start, last)
        if head >= 0:
            until = head + len(_FIRST_ROW)
            self._ends = b");" + text[start:until]
            self._in_statement = self._in_row = 0
            self._below = 0
            self._step = self._rows
        elif end >= 0 or (len(text) - position > 2 * _LONGEST_HEAD):
            until = position + len(_LOCK)
            self._step = self._as_it_came
        else:
            return self._hold(text, position, position, taken)
        taken.append(text[position:until])
        return until

    def _as_it_came(self, text: bytes, position: int, taken: list[bytes]) -> int:
        end = text.find(_UNLOCK, position)
        if end < 0:
            return self._hold(text, position, len(text) - len(_UNLOCK) + 1, taken)
        taken.append(text[position:end])
        self._step = self._outside
        return end

    def _rows(self, text: bytes, position: int, taken: list[bytes]) -> int:
        """The rows of a table: each of the tool's ends is taken for that of a row."""
        end = text.find(_UNLOCK, position)
        # What is decided before here is decided alike whatever the pieces are: it sees all it looks at.
        until = end if end >= 0 else len(text) - _LONG_ROW - len(self._ends) - 2
        if position < until and not self._below:
            self._below = _threshold(text[position : min(position + _SAMPLED_BYTES, end if end >= 0 else len(text))])
        while position < until:
            tool_end = text.find(self._ends, position, until + len(self._ends) - 1)
            following = self._between(text, position, until if tool_end < 0 else tool_end, taken)
            last = text.rfind(_NEXT_ROW, position, following)
            self._in_row = self._in_row + following - position if last < 0 else following - last - len(_NEXT_ROW)
            position = following
            if tool_end >= 0:
                position = self._at_tool_end(text, tool_end, taken)
        if end < 0:
            return self._hold(text, position, position, taken)
        self._step = self._outside
        return end

    def _at_tool_end(self, text: bytes, tool_end: int, taken: list[bytes]) -> int:
        row = tool_end + len(self._ends)
        is_end = self._in_statement >= _MOST or (self._in_statement >= _LEAST and self._tells(text, row))
        if is_end or self._in_row >= _LONG_ROW or _is_long(text, row):
            taken.append(self._ends)
            self._in_statement = 0
        else:
            taken.append(_NEXT_ROW)
            self._in_statement += len(_NEXT_ROW)
        self._in_row = 0
        return row

    def _between(self, text: bytes, position: int, until: int, taken: list[bytes]) -> int:
        """Rows of one of the tool's statements; where it is done, in a row maybe."""
        looked = position + max(0, _LEAST - self._in_statement)
        while looked < until:
            row_end = self._next_end(text, looked, until, position + _MOST - self._in_statement)
            if row_end < 0:
                break
            taken += (text[position:row_end], self._ends)
            self._in_statement = 0
            position = row_end + len(_NEXT_ROW)
            looked = position + _LEAST
        following = max(until, position)
        taken.append(text[position:following])
        self._in_statement += following - position
        return following

    def _next_end(self, text: bytes, looked: int, until: int, most: int) -> int:
        """From `looked` on, the first end of a row that a statement ends at, and any one from `most` on; or -1."""
        # Of everything here, this alone is done for single rows: for a quarter of them.
        find, told, below = text.find, zlib.crc32, self._below
        until += len(_NEXT_ROW) - 1
        while (row_end := find(_NEXT_ROW, looked, until)) >= 0:
            looked = row_end + 4
            if told(text[looked : looked + _TELLING_BYTES]) < below or row_end >= most:
                break
        return row_end

    def _tells(self, text: bytes, row: int) -> bool:
        return zlib.crc32(text[row : row + _TELLING_BYTES]) < self._below


def _threshold(rows: bytes) -> int:
    """Below which the checksums of one row's beginning in `_SPREAD` bytes are, for rows as long as these.

    A power of two: it is the same for as long as the rows of a table are about as long as they were.
    """
    length = max(1, len(rows) // (rows.count(_NEXT_ROW) + 1))
    return 1 << (33 - max(1, _SPREAD // length).bit_length())


def _is_long(text: bytes, row: int) -> bool:
    """Whether the row that begins here is a very long one."""
    until = row + _LONG_ROW
    return text.find(_NEXT_ROW, row, until) < 0 and text.find(_LAST_ROW, row, until) < 0
