"""A stream that lets no secret through: what this process has read as one becomes *** before anybody sees it."""

import io
from typing import TextIO

from drorch.secrets import redacted

_LONGEST_LINE = 65536


class RedactingStream(io.TextIOBase):
    """Writes whole lines into another stream, redacted. A secret that is written in pieces is found in its line."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._unfinished = ""

    def writable(self) -> bool:
        """Yes."""
        return True

    def fileno(self) -> int:
        """The descriptor below: what is written there directly is not redacted."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Take a text; its last line waits for its end, unless it is too long for that."""
        whole, end, rest = (self._unfinished + text).rpartition("\n")
        self._unfinished = rest
        if end:
            self._stream.write(redacted(whole) + end)
        if len(rest) > _LONGEST_LINE:
            self._let_go()
        return len(text)

    def flush(self) -> None:
        """Write out what is whole."""
        self._stream.flush()

    def finish(self) -> None:
        """Write out what is left. Closing the stream below is for others to do."""
        self._let_go()
        self._stream.flush()

    def _let_go(self) -> None:
        rest, self._unfinished = self._unfinished, ""
        self._stream.write(redacted(rest))
