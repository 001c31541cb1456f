"""One caller of the daemon: lines in, lines out, within bounds, and never a wait.

A caller who does not take what it is told is not listened to meanwhile, and given up in the end.
"""

import contextlib
import json
import socket
import struct
from collections.abc import Mapping

from drorch.orchestrator.doer import Doer

LONGEST_LINE = 64 * 1024
"""Bytes of a request, its newline included."""
MOST_UNTAKEN = 1024 * 1024
"""Bytes that wait for a caller to take them; who lets more come together is given up."""
MOST_BEFORE_NEWS = 64 * 1024
"""Bytes that wait, beyond which news of no lasting worth is left out."""
PATIENCE_SECONDS = 30.0
"""How long a caller may say nothing, and how long it may take nothing."""
BEAT_SECONDS = 10.0
"""Who follows something hears at least so often that the daemon lives, as often as the clock is looked at."""
_PEER = struct.Struct("3i")


class Caller:
    """A connection that was accepted. It is `gone` when there is nothing to be expected of it any more."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._heard = bytearray()
        self._untaken = bytearray()
        self._last = False
        self._quiet_since: float | None = None
        self.gone = False
        self.follows: set[str] = set()

    def fileno(self) -> int:
        """Its descriptor."""
        return self._connection.fileno()

    def doer(self) -> Doer:
        """Who is at the other end, as the kernel says (SO_PEERCRED, unix(7))."""
        said = self._connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        _pid, uid, _gid = _PEER.unpack(said)
        return Doer.of(uid)

    @property
    def has_untaken(self) -> bool:
        """Whether something waits to be taken."""
        return bool(self._untaken)

    @property
    def is_behind(self) -> bool:
        """Whether so much waits that news may be left out."""
        return len(self._untaken) > MOST_BEFORE_NEWS

    def hear(self) -> None:
        """Take in what has come, at most a line's worth."""
        try:
            piece = self._connection.recv(LONGEST_LINE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.gone = True
            return
        if not piece:
            self.end()
            return
        self._heard += piece
        self._quiet_since = None if b"\n" in piece else self._quiet_since

    def next_line(self) -> bytes | None:
        """The next request, if a whole one has come and all that was said before is taken."""
        if self._untaken or self._last or self.gone:
            return None
        line, newline, rest = bytes(self._heard).partition(b"\n")
        if not newline:
            return None
        self._heard = bytearray(rest)
        return line

    @property
    def is_endless(self) -> bool:
        """Whether what has come is longer than any line may be."""
        return len(self._heard) > LONGEST_LINE and self._heard.find(b"\n", 0, LONGEST_LINE) < 0

    def say(self, message: Mapping[str, object]) -> None:
        """Let it have a line, now or when it takes it."""
        if self.gone or self._last:
            return
        line = json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"
        if len(self._untaken) + len(line) > MOST_UNTAKEN:
            self.gone = True
            return
        self._untaken += line
        self.hand_over()

    def hand_over(self) -> None:
        """Send what waits, as much as goes without waiting."""
        try:
            while self._untaken:
                with memoryview(self._untaken) as waiting:
                    sent = self._connection.send(waiting)
                del self._untaken[:sent]
                self._quiet_since = None
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.gone = True
            return
        if self._last:
            self.gone = True

    def end(self) -> None:
        """Say nothing more than what waits, and hear nothing more."""
        self._last = True
        if not self._untaken:
            self.gone = True

    def look_at_clock(self, now: float) -> None:
        """Give it up where it was quiet for too long; `now` in seconds of a clock that never goes back."""
        if self._quiet_since is None:
            self._quiet_since = now
        if self.follows and not self._untaken:
            if now - self._quiet_since >= BEAT_SECONDS:
                self.say({"alive": True})
                self._quiet_since = now
        elif now - self._quiet_since > PATIENCE_SECONDS:
            self.gone = True

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._connection.close()
