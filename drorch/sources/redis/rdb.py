"""The stream of redis-cli --rdb -, of which only the RDB is given.

Promise: the end is given only when redis-cli has said how long it is, has ended well, and all of it has come.

A server that does not spool its stream ends it with a mark of 40 bytes, which redis-cli cuts off a file, and cannot cut
off a pipe (src/redis-cli.c, getRDB). It says the length without it.
"""

import contextlib
import re
from collections.abc import Callable
from typing import TypeVar

from drorch.errors import DumpFailed, SourceUnavailable
from drorch.process.commands import ChildFailed, Ended
from drorch.process.streams import ReadChild
from drorch.sources.redis.checking import HEAD_BYTES, Checker, Counted, NotWhole, require_head, require_tail
from drorch.sources.redis.client import Client, last_words

_T = TypeVar("_T")
_PIECE_BYTES = 1 << 20
_MARK_BYTES = 40
_KEPT_BYTES = 64
_AFTER = re.compile(r"Transfer finished with success after (\d+) bytes")
_WRITING = re.compile(r"writing (\d+) bytes")
_FINISHED = "Transfer finished with success"


class RdbStream:
    """The RDB as it comes. `whole` is told what was counted and how long it is, once it has come whole."""

    def __init__(self, client: Client, checker: Checker | None, whole: Callable[[Counted | None, int], None]) -> None:
        self._client = client
        self._checker = checker
        self._whole = whole
        with contextlib.ExitStack() as undo:
            undo.callback(self._close_checker)
            self._child: ReadChild = client.start("--rdb", "-")
            undo.pop_all()
        self._ready = memoryview(b"")
        self._kept = b""
        self._come = 0
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, or less; 0 at the end. Raises `DumpFailed` and `SourceUnavailable`."""
        while not self._ready and not self._ended and len(buffer) > 0:
            self._take()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        """Let go of it: what was wrong, reading has said."""
        self._child.close()
        self._close_checker()

    def _close_checker(self) -> None:
        if self._checker is not None:
            self._checker.close()

    def _take(self) -> None:
        piece = bytearray(_PIECE_BYTES)
        try:
            count = self._child.readinto(memoryview(piece))
            if count == 0:
                self._end(self._child.finish())
                return
        except ChildFailed as fault:
            words = last_words(str(fault.context.get("said", "")))
            raise self._failed(f"{fault.message}; it said: {words}" if words else fault.message) from fault
        begins = self._come == 0
        self._come += count
        come = self._kept + piece[:count]
        if begins:
            self._judge(lambda: require_head(bytes(come[:HEAD_BYTES])))
        # What may be the mark is kept back until its end is known.
        self._give(come[:-_KEPT_BYTES])
        self._kept = bytes(come[-_KEPT_BYTES:])

    def _end(self, ended: Ended) -> None:
        if ended.status != 0 or _FINISHED not in ended.said:
            fault = self._client.fault(ended)
            if self._come == 0 and isinstance(fault, SourceUnavailable):
                raise fault
            raise self._failed(fault.message) from fault
        told = _AFTER.search(ended.said) or _WRITING.search(ended.said)
        if told is None:
            raise self._failed(f"redis-cli does not say how long it is; it said: {last_words(ended.said)}")
        size = int(told[1])
        surplus = self._come - size
        if surplus not in (0, _MARK_BYTES):
            raise self._failed(f"{self._come} bytes came, where redis-cli says {size}")
        tail = self._kept[: len(self._kept) - surplus]
        self._judge(lambda: require_tail(tail))
        self._give(tail)
        self._ended = True
        counted = self._judge(self._checker.finish) if self._checker is not None else None
        self._whole(counted, size)

    def _give(self, piece: bytes | bytearray) -> None:
        self._ready = memoryview(piece)
        if self._checker is not None:
            self._checker.feed(bytes(piece))

    def _judge(self, judge: Callable[[], _T]) -> _T:
        try:
            return judge()
        except NotWhole as fault:
            raise self._failed(str(fault)) from fault

    def _failed(self, why: str) -> DumpFailed:
        return DumpFailed(f"dump of {self._client.settings.place}: {why}", hint="see by hand: redis-cli --rdb FILE")
