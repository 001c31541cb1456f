"""A dump as a source: its parts as files, read as they come, and the facts beside them.

Promise: whatever goes wrong with a part ends the backup, and no fault of it is taken for that of a single file. The
parts are read in the session's order, one at a time, and the facts after the last of them.
"""

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from drorch.clock import Clock
from drorch.errors import DrorchError, DumpFailed, SourceError
from drorch.sources.databases.contract import DumpSession, DumpStream, Part
from drorch.sources.databases.facts import FACTS_NAME, Facts, to_json
from drorch.sources.databases.text import Text
from drorch.sources.files.metadata import FileDetails
from drorch.sources.stream import StreamStat, details_of, made_now

_FILE, _FOLDER = stat.S_IFREG | 0o600, stat.S_IFDIR | 0o700
_AFTER_ALL_PARTS = -1


class DumpSource:
    """The source that a session is. Raises `DumpFailed` for parts that cannot be files of a snapshot.

    `notes` are recorded with the facts. To be closed before the session ends.
    """

    def __init__(self, session: DumpSession, clock: Clock, notes: Sequence[str] = ()) -> None:
        parts = tuple(session.parts())
        self._root = _tree(parts, made_now(_FOLDER, clock), made_now(_FILE, clock))
        self.reader = _PartReader(session, parts, clock, tuple(notes))

    def roots(self) -> Iterable["_Entry"]:
        """The folders of the parts, in the order of these, then the facts."""
        return self._root

    @property
    def parts_read(self) -> int:
        """How many parts have been read whole."""
        return self.reader.parts_read

    @property
    def bytes_read(self) -> int:
        """How many bytes of parts have been read; the facts are none."""
        return self.reader.bytes_read

    @property
    def facts(self) -> Facts | None:
        """The facts as they were recorded; None until they have been read."""
        return self.reader.facts

    def close(self) -> None:
        """End the part that was left in the middle, if one was."""
        self.reader.close()


@dataclass(frozen=True, slots=True)
class _Entry:
    """A part, the facts, or a folder of parts. It ranks by name, and comes when it is to be read."""

    streamed: ClassVar[bool] = True

    path: bytes
    stat: StreamStat
    rank: int
    locator: int | None
    below: tuple["_Entry", ...] = ()

    @property
    def name(self) -> bytes:
        """Last part of the path."""
        return self.path.rpartition(b"/")[2]

    def details(self) -> FileDetails:
        """Owner and group of the reading process."""
        return details_of(self.stat)

    def children(self) -> Iterable["_Entry"]:
        """What a folder holds, in the order in which it is read."""
        return self.below


_Branch = dict[bytes, "_Branch | int"]
"""Names, each with what lies below it or with the number of a part, in the order of the parts."""


def _tree(parts: Sequence[Part], folder: StreamStat, file: StreamStat) -> tuple[_Entry, ...]:
    root: _Branch = {}
    for number, part in enumerate(parts):
        branch = root
        *above, name = _names(part)
        for one in above:
            below = branch.setdefault(one, {})
            if isinstance(below, int):
                raise _unfit(part.name)
            branch = below
        if name in branch:
            raise _unfit(part.name)
        branch[name] = number
    if os.fsencode(FACTS_NAME) in root:
        raise _unfit(FACTS_NAME)
    root[os.fsencode(FACTS_NAME)] = _AFTER_ALL_PARTS
    # A folder is walked once: it is not gone back to for a part that comes later.
    if (order := [*_numbers(root)][:-1]) != list(range(len(parts))):
        late = next(place for place, number in enumerate(order) if place != number)
        raise _unfit(parts[late].name)
    return _entries(root, b"", folder, file)


def _names(part: Part) -> list[bytes]:
    names = os.fsencode(part.name).split(b"/")
    if any(name in (b"", b".", b"..") or b"\0" in name for name in names):
        raise _unfit(part.name)
    return names


def _unfit(name: str) -> DumpFailed:
    return DumpFailed(f"{name!r} cannot be a part of this dump", hint="give the database a name that a file can have")


def _numbers(branch: _Branch) -> Iterator[int]:
    for below in branch.values():
        if isinstance(below, int):
            yield below
        else:
            yield from _numbers(below)


def _entries(branch: _Branch, above: bytes, folder: StreamStat, file: StreamStat) -> tuple[_Entry, ...]:
    ranks = {name: rank for rank, name in enumerate(sorted(branch))}
    return tuple(
        _Entry(above + b"/" + name, file, ranks[name], below)
        if isinstance(below, int)
        else _Entry(above + b"/" + name, folder, ranks[name], None, _entries(below, above + b"/" + name, folder, file))
        for name, below in branch.items()
    )


class _PartReader:
    """Opens the parts one after the other, and the facts last."""

    def __init__(self, session: DumpSession, parts: Sequence[Part], clock: Clock, notes: tuple[str, ...]) -> None:
        self._session = session
        self._parts = parts
        self._clock = clock
        self._notes = notes
        self._current: _OpenedPart | None = None
        self.parts_read = 0
        self.bytes_read = 0
        self.facts: Facts | None = None

    def open(self, locator: object) -> "_OpenedPart":
        """Open the next part, by its number, or the facts. Raises `DumpFailed`."""
        assert self._current is None
        assert locator == (_AFTER_ALL_PARTS if self.parts_read == len(self._parts) else self.parts_read)
        status = made_now(_FILE, self._clock)
        if locator == _AFTER_ALL_PARTS:
            return _OpenedPart(Text(self._record()), FACTS_NAME, status)
        part = self._parts[self.parts_read]
        with _translated(part.name):
            stream = part.open()
        self._current = _OpenedPart(stream, part.name, status, part.blob_bytes, self._read_whole)
        return self._current

    def close(self) -> None:
        """End the part under way."""
        current, self._current = self._current, None
        if current is not None:
            current.abandon()

    def _read_whole(self, size: int) -> None:
        self._current = None
        self.parts_read += 1
        self.bytes_read += size

    def _record(self) -> bytes:
        with _translated("the facts"):
            facts = self._session.facts()
        self.facts = replace(facts, notes=(*facts.notes, *self._notes))
        return to_json(self.facts)


class _OpenedPart:
    """A part being read, as the engine asks for it."""

    def __init__(
        self,
        stream: DumpStream,
        name: str,
        status: StreamStat,
        blob_bytes: int | None = None,
        read_whole: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._stream = stream
        self._name = name
        self._read_whole = read_whole
        self._size = 0
        self._ended = False
        self._closed = False
        self.stat = status
        self.blob_bytes = blob_bytes

    def details(self) -> FileDetails:
        """Owner and group of the reading process."""
        return details_of(self.stat)

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end. Raises `SourceError`."""
        filled = 0
        with _translated(self._name):
            while filled < len(buffer) and not self._ended:
                count = self._stream.readinto(buffer[filled:])
                self._ended = count == 0
                filled += count
        self._size += filled
        return filled

    def changed(self) -> None:
        """What is dumped is of one moment."""

    def close(self) -> None:
        """Let go of it. Read to its end, it raises `SourceError` unless it was whole."""
        if not self._ended:
            self.abandon()
        elif not self._closed:
            self._closed = True
            with _translated(self._name):
                self._stream.close()
            self._read_whole(self._size)

    def abandon(self) -> None:
        """End it in silence: whatever it says now, something else was wrong before."""
        if not self._closed:
            self._closed = True
            with contextlib.suppress(DrorchError, OSError):
                self._stream.close()


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """An error that is none of a source's must not be taken for that of a single file, or of the repository."""
    try:
        yield
    except SourceError:
        raise
    except DrorchError as fault:
        raise DumpFailed(f"{what}: {fault.message}", hint=fault.hint) from fault
    except OSError as fault:
        raise DumpFailed(f"{what}: {fault.strerror or fault}") from fault
