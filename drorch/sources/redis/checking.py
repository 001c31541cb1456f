"""What an RDB must be like, and redis-check-rdb, which reads all of it where it is installed.

Promise: a stream that ends anywhere but at its end is not whole. Without redis-check-rdb, which knows the checksum and
counts keys, begin, end and length are all that is checked, and that is said.
"""

import re
from dataclasses import dataclass

from drorch.process.commands import ChildFailed
from drorch.process.streams import StreamCommand, start_feeding

TAIL_BYTES = 9
"""An RDB ends with these: the byte that says so, and the checksum."""

HEAD_BYTES = 9
_MAGIC = re.compile(rb"(REDIS\d{4}|VALKEY\d{3})")
_END = 0xFF
_OLDEST_WITH_CHECKSUM = 5
_OUTPUT_BYTES = 1 << 16
_COUNTED = re.compile(r"\[info\] (\d+) keys read")
_EXPIRING = re.compile(r"\[info\] (\d+) expires")
_GOOD = "RDB looks OK!"
_TOO_NEW = ("Can't handle RDB format version", "Wrong signature")


class NotWhole(Exception):
    """It is no whole RDB; the text says why."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What redis-check-rdb found: keys, and how many of them expire."""

    keys: int
    expiring: int


def require_head(head: bytes) -> None:
    """Raises `NotWhole` unless an RDB begins so."""
    if not _MAGIC.fullmatch(head[:HEAD_BYTES]):
        raise NotWhole("it does not begin as an RDB does")
    if head.startswith(b"REDIS") and int(head[5:9]) < _OLDEST_WITH_CHECKSUM:
        raise NotWhole("it is of a version without a checksum, older than Redis 2.6")


def require_tail(tail: bytes) -> None:
    """Raises `NotWhole` unless an RDB ends so."""
    if len(tail) < TAIL_BYTES or tail[-TAIL_BYTES] != _END:
        raise NotWhole("it does not end as an RDB does")


class Checker:
    """A redis-check-rdb that reads along."""

    def __init__(self, program: str, quiet_seconds: float) -> None:
        self._feeding = start_feeding(
            StreamCommand([program, "/dev/stdin"], quiet_seconds=quiet_seconds, stop_seconds=quiet_seconds),
            output_bytes=_OUTPUT_BYTES,
        )
        self._refused = False

    def feed(self, piece: bytes) -> None:
        """What comes next of it. Raises `NotWhole` where that cannot be."""
        if self._refused:
            return
        try:
            self._feeding.feed(piece)
        except ChildFailed:
            # It stopped reading; what it printed says whether that is our fault or its own.
            self._refused = True

    def finish(self) -> Counted | None:
        """What it found; None where it does not know this version of RDB. Raises `NotWhole`."""
        try:
            ended = self._feeding.finish()
        except ChildFailed as fault:
            raise NotWhole(f"redis-check-rdb: {fault.message}") from fault
        output = ended.output.decode("utf-8", errors="replace")
        if any(words in output for words in _TOO_NEW):
            return None
        keys, expiring = _COUNTED.search(output), _EXPIRING.search(output)
        if ended.status != 0 or _GOOD not in output or keys is None or expiring is None:
            raise NotWhole(f"redis-check-rdb says: {_complaint(output) or ended.said or 'nothing'}")
        return Counted(int(keys[1]), int(expiring[1]))

    def close(self) -> None:
        """End it, in silence."""
        self._feeding.close()


def _complaint(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip() and "AUX FIELD" not in line]
    told = [line for line in lines if "rror" in line or "nexpected" in line or "---" in line]
    return "; ".join((told or lines)[:3])[:400]
