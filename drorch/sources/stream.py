"""A source that is one stream: standard input, or the output of a command.

Promise: the output of a command that fails is never taken for a backup: closing it raises `DumpFailed`.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO, ClassVar

from drorch.clock import Clock
from drorch.errors import DumpFailed, SourceUnavailable, UsageError
from drorch.process.commands import ChildFailed, StreamingChild, streaming
from drorch.sources.files.metadata import FileDetails, group_name, user_name

# How long a command may go on after it has closed its output: it may have sessions to end, never data to write.
_STOP_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class StreamStat:
    """The status of something that is not a file, named as in `os.stat_result`. Its size is not known before."""

    st_mode: int
    st_mtime_ns: int
    st_atime_ns: int
    st_ctime_ns: int
    st_uid: int
    st_gid: int
    st_ino: int = 0
    st_dev: int = 0
    st_nlink: int = 1
    st_size: int = 0
    st_rdev: int = 0


def made_now(mode: int, clock: Clock) -> StreamStat:
    """The status of something that is made now, by the user drorch runs as."""
    now = int(clock.now().timestamp() * 1_000_000) * 1000
    return StreamStat(mode, now, now, now, os.geteuid(), os.getegid())


def details_of(status: StreamStat) -> FileDetails:
    """The names of its owner and group."""
    return FileDetails(user_name(status.st_uid), group_name(status.st_gid))


class OpenedStream:
    """A stream being read. The stream itself stays open: it belongs to whoever opened it."""

    blob_bytes: ClassVar[None] = None

    def __init__(self, stream: IO[bytes], status: StreamStat) -> None:
        self._stream = stream
        self.stat = status

    def details(self) -> FileDetails:
        """Owner and group of the reading process."""
        return details_of(self.stat)

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, waiting for more where the stream is slow; 0 at the end. Raises `OSError`."""
        filled = 0
        while filled < len(buffer):
            piece = self._stream.read(len(buffer) - filled)
            if not piece:
                break
            buffer[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def changed(self) -> None:
        """A stream does not change behind its reader."""

    def close(self) -> None:
        """Nothing to let go of."""


class OpenedCommand(OpenedStream):
    """The output of a command being read."""

    def __init__(self, child: StreamingChild, exits: contextlib.ExitStack, status: StreamStat) -> None:
        super().__init__(child.output, status)
        self._child = child
        self._exits = exits
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:
        """As `OpenedStream.readinto`."""
        count = super().readinto(buffer)
        self._ended = self._ended or (count == 0 and len(buffer) > 0)
        return count

    def close(self) -> None:
        """End the command. Raises `DumpFailed` where it failed; one not read to its end is killed in silence."""
        with self._exits:
            if not self._ended:
                return
            try:
                self._child.finish()
            except ChildFailed as fault:
                raise DumpFailed(
                    f"{fault.message}; no snapshot is made of its output",
                    hint="run the command by hand and see what it says",
                ) from fault


class StreamReader:
    """Opens a stream, once. A copy of it in another process has no stream to open."""

    def __init__(self, stream: IO[bytes] | None, status: StreamStat) -> None:
        self._stream = stream
        self._status = status

    def __reduce__(self) -> tuple[type["StreamReader"], tuple[None, StreamStat]]:
        return StreamReader, (None, self._status)

    def open(self, locator: object) -> OpenedStream:
        """Open the stream. Raises `SourceUnavailable` the second time, and in another process."""
        if self._stream is None:
            raise SourceUnavailable(f"the stream {locator!r} can be read only once, and only where it was opened")
        stream, self._stream = self._stream, None
        return OpenedStream(stream, self._status)


@dataclass(frozen=True, slots=True)
class CommandReader:
    """Starts a command and opens its output."""

    argv: tuple[str, ...]
    status: StreamStat

    def open(self, locator: object) -> OpenedCommand:  # noqa: ARG002 - there is only one thing to open
        """Start the command. Raises `DumpFailed` where it cannot be started."""
        with contextlib.ExitStack() as exits:
            try:
                child = exits.enter_context(streaming(self.argv, stop_timeout=_STOP_SECONDS))
            except ChildFailed as fault:
                raise DumpFailed(fault.message, hint="give the full path of a program that exists") from fault
            return OpenedCommand(child, exits.pop_all(), self.status)


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """The stream in the snapshot, or one of the folders it is in. Folders have one child."""

    streamed: ClassVar[bool] = True
    rank: ClassVar[None] = None

    path: bytes
    stat: StreamStat
    below: "StreamEntry | None" = None

    @property
    def name(self) -> bytes:
        """Last part of the path."""
        return self.path.rpartition(b"/")[2]

    @property
    def locator(self) -> bytes:
        """Its path in the snapshot."""
        return self.path

    def details(self) -> FileDetails:
        """Owner and group of the reading process."""
        return details_of(self.stat)

    def children(self) -> Iterable["StreamEntry"]:
        """What a folder holds."""
        return () if self.below is None else (self.below,)


def _entry(name: bytes, clock: Clock) -> StreamEntry:
    parts = name.strip(b"/").split(b"/")
    if any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
        raise UsageError(
            f"{os.fsdecode(name)!r} cannot be the name of a stream in a snapshot", hint="write a name such as dump.sql"
        )
    folder, file = made_now(stat.S_IFDIR | 0o755, clock), made_now(stat.S_IFREG | 0o644, clock)
    entry = StreamEntry(b"/" + b"/".join(parts), file)
    for depth in range(len(parts) - 1, 0, -1):
        entry = StreamEntry(b"/" + b"/".join(parts[:depth]), folder, entry)
    return entry


class StreamSource:
    """One file, read from an open binary stream; `name` may name folders too. Raises `UsageError` for a bad name."""

    def __init__(self, name: bytes, stream: IO[bytes], clock: Clock) -> None:
        self._root = _entry(name, clock)
        self.reader = StreamReader(stream, made_now(stat.S_IFREG | 0o644, clock))

    def roots(self) -> Iterable[StreamEntry]:
        """The file, or the folder it is in."""
        return (self._root,)


class CommandSource:
    """One file, read from the output of a command (an argument list, never a shell). Raises `UsageError`."""

    def __init__(self, name: bytes, argv: Sequence[str], clock: Clock) -> None:
        if not argv:
            raise UsageError("no command to read from", hint="write the command after --")
        self._root = _entry(name, clock)
        self.reader = CommandReader(tuple(argv), made_now(stat.S_IFREG | 0o644, clock))

    def roots(self) -> Iterable[StreamEntry]:
        """The file, or the folder it is in."""
        return (self._root,)
