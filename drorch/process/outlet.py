"""What a process and its children write to their streams, changed line by line before anybody sees it.

It is done where all of it passes: a command that this process starts inherits the streams and knows nothing of it.
"""

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Callable

_PIECE = 65536
_LAST_SECONDS = 2.0


class Outlet:
    """Takes the place of standard output and standard error, both of which go where standard output went."""

    def __init__(self, change: Callable[[str], str]) -> None:
        """Begin. `change` gets whole lines, ends of line included, or the beginning of one that is very long."""
        self._change = change
        self._real = os.dup(1)
        self._heard, told = os.pipe()
        for stream in (1, 2):
            os.dup2(told, stream)
        os.close(told)
        self._thread = threading.Thread(target=self._pass_on, daemon=True, name="outlet")
        self._thread.start()
        atexit.register(self.finish)

    def finish(self) -> None:
        """Give the streams back and wait, not for long, until what was written has passed."""
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        for number in (1, 2):
            os.dup2(self._real, number)
        self._thread.join(_LAST_SECONDS)

    def _pass_on(self) -> None:
        unfinished = b""
        while piece := os.read(self._heard, _PIECE):
            whole, end, unfinished = (unfinished + piece).rpartition(b"\n")
            if len(unfinished) > _PIECE:
                whole, end, unfinished = whole + end + unfinished, b"", b""
            self._write(whole + end)
        self._write(unfinished)

    def _write(self, text: bytes) -> None:
        left = self._change(text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        with contextlib.suppress(OSError):
            while left:
                left = left[os.write(self._real, left) :]
