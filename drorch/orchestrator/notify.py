"""What the daemon tells the service manager that started it: that it is ready, what it does, that its loop still turns.

Promise: nothing here waits, and nothing here fails the daemon; where no service manager asked to be told, nothing is.
Protocol: sd_notify(3).
"""

import contextlib
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta

from drorch.clock import Clock

SOCKET, WATCHDOG_USEC, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
_MICROSECONDS = 1_000_000
_MOST_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """What the service manager asked for: an address to be told at ("" where none), and signs of life so often."""

    address: str = ""
    watchdog: timedelta | None = None

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> "Asked":
        """What the environment says; it says so no more afterwards, so that no child takes it for its own."""
        address = environment.pop(SOCKET, "")
        usec, pid = environment.pop(WATCHDOG_USEC, ""), environment.pop(WATCHDOG_PID, "")
        meant_for_us = pid in ("", str(os.getpid()))
        seconds = int(usec) / _MICROSECONDS if usec.isascii() and usec.isdigit() and meant_for_us else 0
        well_formed = address.startswith(("/", "@")) and len(address) > 1
        return cls(address if well_formed else "", timedelta(seconds=seconds) if seconds else None)


@dataclass(slots=True)
class Announcer:
    """Tells the service manager how the daemon is. To be used by one thread, the loop's own."""

    asked: Asked
    clock: Clock
    _status: str = field(default="", init=False)
    _fed: float | None = field(default=None, init=False)

    def ready(self, status: str = "") -> None:
        """The daemon works: after its start, and again after a reload."""
        self._tell("READY=1", *self._said(status))

    def status(self, status: str) -> None:
        """What it does, in one line, as `systemctl status` shows it. The same line is not told twice."""
        if status != self._status:
            self._tell(*self._said(status))

    def reloading(self) -> None:
        """The configuration is being read anew; `ready` says that it has been."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(self.clock.monotonic() * _MICROSECONDS)}")

    def stopping(self, status: str = "") -> None:
        """It ends."""
        self._tell("STOPPING=1", *self._said(status))

    def needs(self, more: timedelta) -> None:
        """It needs so much more time from now on, to start or to stop: to be told again before that is over."""
        self._tell(f"EXTEND_TIMEOUT_USEC={int(more.total_seconds() * _MICROSECONDS)}")

    def turned(self) -> None:
        """The loop has turned: to be called at each turn. Of signs of life at most four go out in a watchdog's time."""
        if self.asked.watchdog is None:
            return
        now = self.clock.monotonic()
        if self._fed is None or now - self._fed >= self.asked.watchdog.total_seconds() / 4:
            self._fed = now
            self._tell("WATCHDOG=1")

    @property
    def longest_wait(self) -> float | None:
        """How long the loop may wait for something to happen, in seconds: half a watchdog's time; None: as it likes."""
        return None if self.asked.watchdog is None else self.asked.watchdog.total_seconds() / 2

    def _said(self, status: str) -> list[str]:
        self._status = status
        return [f"STATUS={' '.join(status.split())}"] if status else []

    def _tell(self, *lines: str) -> None:
        if not self.asked.address or not lines:
            return
        address = self.asked.address
        # An address in the abstract namespace is written with @ for the zero byte it begins with: unix(7).
        place = b"\0" + os.fsencode(address[1:]) if address.startswith("@") else os.fsencode(address)
        message = "\n".join(lines).encode("utf-8", "replace")[:_MOST_BYTES]
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
            sending.setblocking(False)
            sending.sendto(message, place)
