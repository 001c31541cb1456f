r"""A dump on its way back: fitted to the database and the account that it goes to, while it passes.

Outside the rows, which pass as they are, lines are looked at one by one. ALTER DATABASE lines get the new name; where
the account is no superuser, it becomes the definer of views, routines, triggers and events: it may name nobody else.
Where only some tables are wanted, the sections of the rest are left out, by the comment that opens each.
Promise: holds one line, of at most 64 KiB, whatever it is given.
"""

import re
from dataclasses import dataclass

from drorch.sources.mariadb.server import quoted

_NAME = rb"`(?:[^`]|``)*`"
_DEFINER = re.compile(
    rb"\A((?:/\*!50\d{3} )?CREATE(?:\*/)? (?:/\*!50\d{3} )?|/\*!50013 )DEFINER=" + _NAME + rb"(?:@" + _NAME + rb")?"
)
_ALTER = re.compile(rb"ALTER DATABASE " + _NAME + rb" CHARACTER SET ")
_SECTION = re.compile(
    rb"-- (?:(?:Table structure|Dumping data) for table (?P<table>" + _NAME + rb")"
    rb"|(?:Temporary table|Final view|Temporary view|Sequence) structure for (?:view )?" + _NAME + rb""
    rb"|Dumping (?:events|routines) for database )"
)
_LOCK = b"LOCK TABLES `"
_UNLOCK = b"\nUNLOCK TABLES;\n"
_COMPLETED = b"-- Dump completed"
_ENDING = (b"-- Dump completed", b"/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;")
_LONGEST_LINE = 1 << 16


@dataclass(frozen=True, slots=True)
class Fitting:
    """What becomes of a dump: the name of the database, whose its definitions are, and which tables are wanted."""

    database: str
    keeps_definers: bool
    tables: frozenset[str] = frozenset()


class Incoming:
    """A dump, given in pieces and taken as it is to be loaded."""

    def __init__(self, fitting: Fitting) -> None:
        self._keeps_definers = fitting.keeps_definers
        self._alter = b"ALTER DATABASE " + _bytes(quoted(fitting.database)) + b" CHARACTER SET "
        self._tables = frozenset(_bytes(quoted(name)) for name in fitting.tables)
        self._held = b""
        self._in_rows = False
        self._in_line = False
        self._wanted = True
        self._seen: set[bytes] = set()
        self.completed = False
        """Whether the closing line came."""

    def has(self, table: str) -> bool:
        """Whether a table that is wanted was in the dump so far."""
        return _bytes(quoted(table)) in self._seen

    def feed(self, piece: bytes) -> bytes:
        """What is to be loaded of the next piece."""
        text = self._held + piece
        taken: list[bytes] = []
        position = 0
        while position < len(text):
            following = self._rows(text, position, taken) if self._in_rows else self._line(text, position, taken)
            if following == position:
                break
            position = following
        self._held = text[position:]
        return b"".join(taken)

    def finish(self) -> bytes:
        """What is left at the end."""
        rest, self._held = self._held, b""
        return rest if self._wanted else b""

    def _rows(self, text: bytes, position: int, taken: list[bytes]) -> int:
        end = text.find(_UNLOCK, position)
        if end >= 0:
            self._in_rows = False
            until = end + len(_UNLOCK)
        else:
            until = max(position, len(text) - len(_UNLOCK) + 1)
        if self._wanted:
            taken.append(text[position:until])
        return until

    def _line(self, text: bytes, position: int, taken: list[bytes]) -> int:
        end = text.find(b"\n", position)
        if end < 0 and len(text) - position < _LONGEST_LINE:
            return position
        until = len(text) if end < 0 else end + 1
        line = text[position:until]
        if not self._in_line:
            self._section(line)
            if line.startswith(_LOCK):
                # The line break stays: what ends the rows begins with one.
                self._in_rows, until = True, until - 1
                line = line[:-1]
            line = self._fitted(line)
        self._in_line = end < 0
        if self._wanted:
            taken.append(line)
        return until

    def _fitted(self, line: bytes) -> bytes:
        if not self._keeps_definers:
            line = _DEFINER.sub(rb"\1DEFINER=CURRENT_USER", line, count=1) if b"DEFINER=" in line else line
        return _ALTER.sub(lambda _: self._alter, line, count=1) if line.startswith(b"ALTER DATABASE ") else line

    def _section(self, line: bytes) -> None:
        self.completed = line.startswith(_COMPLETED) or (self.completed and not line.strip())
        if not self._tables:
            return
        if line.startswith(_ENDING):
            self._wanted = True
        elif found := _SECTION.match(line):
            self._wanted = found["table"] in self._tables
            if self._wanted:
                self._seen.add(found["table"])


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
