"""The log of one launch: a file that holds the beginning and the end of what its worker said and wrote, bounded.

Promise: however much is written, the file has at most `MOST_BYTES`, and there are at most `MOST_FILES` such files. A
disk that takes nothing costs the log and nothing else.
"""

import contextlib
import os
from pathlib import Path

from drorch.units import KIB

FOLDER = "logs"
MOST_BYTES = 256 * KIB
MOST_FILES = 500
_HEAD_BYTES = 64 * KIB
_KEPT_TAIL_BYTES = 96 * KIB
_SPACE = 256
"""Left for the line that says what is missing."""


class Log:
    """A log that is written. That it cannot be is said in `complaint`."""

    def __init__(self, state_dir: Path, launch: str) -> None:
        """Begin it. The oldest logs make room."""
        self.complaint = ""
        self._head = 0
        self._tail = bytearray()
        self._lost = 0
        self._file = -1
        folder = state_dir / FOLDER
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_room(folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.open(folder / f"{launch}.log", flags, 0o600)
        except OSError as fault:
            self._complain(fault)

    @property
    def tail(self) -> str:
        """The end of what was written since the beginning was full, or all of it until then: at most 8 KiB."""
        return bytes(self._tail[-8 * KIB :]).decode("utf-8", "replace")

    def write(self, piece: bytes) -> None:
        """Add to it."""
        self._tail += piece
        if self._head + len(self._tail) > MOST_BYTES - _SPACE:
            self._cut()
        else:
            self._append(piece)

    def line(self, text: str) -> None:
        """Add a line; a byte that is no text, decoded with surrogateescape, comes back as it was."""
        self.write(_encoded(text.replace("\n", " ")) + b"\n")

    def close(self) -> None:
        """Finish it. Closing twice is fine."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, piece: bytes) -> None:
        if self._file < 0:
            return
        try:
            os.write(self._file, piece)
        except OSError as fault:
            self._complain(fault)

    def _cut(self) -> None:
        """Keep the beginning and the end of what is there."""
        beginning = b""
        if not self._head:
            self._head = _HEAD_BYTES
            beginning = bytes(self._tail[:_HEAD_BYTES])
            del self._tail[:_HEAD_BYTES]
        dropped = len(self._tail) - _KEPT_TAIL_BYTES
        self._lost += dropped
        del self._tail[:dropped]
        if self._file < 0:
            return
        try:
            os.pwrite(self._file, beginning, 0)
            os.ftruncate(self._file, self._head)
            os.lseek(self._file, 0, os.SEEK_END)
            os.write(self._file, f"\n[... {self._lost} bytes are left out ...]\n".encode())
            os.write(self._file, self._tail)
        except OSError as fault:
            self._complain(fault)

    def _complain(self, fault: OSError) -> None:
        self.complaint = self.complaint or f"the log of a launch cannot be written: {fault.strerror}"
        self.close()


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # JSON may hold halves of characters that stand for no byte either.
        return text.encode("utf-8", "backslashreplace")


def _make_room(folder: Path) -> None:
    """Remove the oldest logs, so that with one more there are no more than may be."""
    logs = []
    for path in folder.glob("*.log"):
        with contextlib.suppress(OSError):
            logs.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(logs)[: max(0, len(logs) - MOST_FILES + 1)]:
        with contextlib.suppress(OSError):
            path.unlink()


def last_words(state_dir: Path, launch: str) -> str:
    """The end of a launch's log, at most 8 KiB; empty where there is none that can be read."""
    try:
        with (state_dir / FOLDER / f"{launch}.log").open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 8 * KIB))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
