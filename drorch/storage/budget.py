"""How much may be sent and fetched right now, shared by all processes that look into the same folder.

A bucket of bytes that fills at the rate that is allowed. What is begun is taken out at once and whole, even where
that leaves a debt; whoever comes next waits until it is paid. So no object is ever cut, and over any time there
passes at most what the rate allows, plus one second's worth, plus one object.
"""

import fcntl
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SAVED_SECONDS = 1.0
_MOST_BYTES = 200


@dataclass(frozen=True, slots=True)
class _Level:
    """What was in the bucket at an instant (seconds since 1970); less than nothing is a debt."""

    instant: float
    content: float

    def later(self, instant: float, rate: int) -> "_Level":
        """The level after it has filled. A clock that was set back fills nothing, and takes nothing away."""
        filled = self.content + max(0.0, instant - self.instant) * rate
        return _Level(instant, min(filled, rate * _SAVED_SECONDS))


class Bucket:
    """The bucket of one direction, kept in a file under a lock of the kernel's (flock(2)).

    Where the file cannot be kept, this process keeps to the limit on its own: no run fails for that.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own: _Level | None = None
        self._guard = threading.Lock()

    def take(self, size: int, rate: int, instant: float) -> float:
        """Take out so many bytes unless there is a debt; seconds until it is paid, 0 where they were taken."""

        def change(level: _Level) -> _Level:
            return _Level(instant, level.content - size) if level.content >= 0 else level

        return max(0.0, -self._change(rate, instant, change).content / rate)

    def charge(self, size: int, rate: int, instant: float) -> None:
        """Take out so many bytes, whether there is a debt or not."""
        self._change(rate, instant, lambda level: _Level(instant, level.content - size))

    def _change(self, rate: int, instant: float, change: Callable[[_Level], _Level]) -> _Level:
        """Fill the bucket, then change it; the level before the change."""
        with self._guard:
            try:
                return self._change_file(rate, instant, change)
            except OSError:
                before = (self._own or _Level(instant, 0.0)).later(instant, rate)
                self._own = change(before)
                return before

    def _change_file(self, rate: int, instant: float, change: Callable[[_Level], _Level]) -> _Level:
        descriptor = self._opened()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            before = _read(os.pread(descriptor, _MOST_BYTES, 0), instant).later(instant, rate)
            after = change(before)
            written = os.pwrite(descriptor, f"{after.instant:.6f} {after.content:.1f}\n".encode(), 0)
            os.ftruncate(descriptor, written)
            return before
        finally:
            os.close(descriptor)

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(self._path, flags, 0o600)
        except FileNotFoundError:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._path, flags, 0o600)


def _read(text: bytes, instant: float) -> _Level:
    """The level that is written; an empty bucket without debt where nothing sensible is."""
    try:
        level = _Level(*map(float, text.split()))
    except (ValueError, TypeError):
        return _Level(instant, 0.0)
    return level if math.isfinite(level.instant) and math.isfinite(level.content) else _Level(instant, 0.0)


@dataclass(frozen=True, slots=True)
class Budget:
    """Both directions of one target."""

    upload: Bucket
    download: Bucket


def budget_in(folder: Path) -> Budget:
    """The budget that all processes share that name the same folder: one folder for each target."""
    return Budget(Bucket(folder / "upload"), Bucket(folder / "download"))
