"""How far a long action is: counters that many threads push and one reader looks at.

Pushing is cheap and never waits for whoever shows it: an action calls `advance`, a terminal or a log asks
`Counters.step` whenever it likes.
"""

import threading
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Step:
    """Where an action stands. Totals are 0 until they are known; `current` may hold any character."""

    files_done: int = 0
    bytes_done: int = 0
    files_total: int = 0
    bytes_total: int = 0
    current: str = ""


class Progress(Protocol):
    """What an action tells while it works. All methods may be called from several threads at once."""

    def total(self, files: int, size: int) -> None:
        """There are so many files and bytes to do; a later call replaces an earlier one."""
        ...

    def advance(self, files: int, size: int) -> None:
        """So many more files and bytes are done."""
        ...

    def at(self, path: str) -> None:
        """This path is being worked on (decoded with surrogateescape)."""
        ...


class NoProgress:
    """Tells nobody."""

    def total(self, files: int, size: int) -> None:
        """Ignored."""

    def advance(self, files: int, size: int) -> None:
        """Ignored."""

    def at(self, path: str) -> None:
        """Ignored."""


class Counters:
    """A `Progress` that keeps the sums, for whoever shows them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files_done = self._bytes_done = self._files_total = self._bytes_total = 0
        self._current = ""

    def total(self, files: int, size: int) -> None:
        """Set what is to be done."""
        with self._lock:
            self._files_total, self._bytes_total = files, size

    def advance(self, files: int, size: int) -> None:
        """Add what has been done."""
        with self._lock:
            self._files_done += files
            self._bytes_done += size

    def at(self, path: str) -> None:
        """Remember the path."""
        self._current = path

    def step(self) -> Step:
        """Where things stand now, all numbers of one moment."""
        with self._lock:
            return Step(self._files_done, self._bytes_done, self._files_total, self._bytes_total, self._current)
