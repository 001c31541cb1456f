"""Keeps the machine from going to sleep, and people from switching it off unasked, while runs work.

Promise: it never waits, and never fails anything: where the machine knows no inhibitors, or refuses one, that is said
once and all goes on. However drorch dies, nothing is inhibited any more.
"""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable

from drorch.process.commands import HARMLESS_VARIABLES, describe_status

_PROGRAM = "systemd-inhibit"
_MODES = ("block-weak", "block")
"""Who sits at the machine is asked first; root, a UPS whose battery ends, is never held up: systemd-inhibit(1).

Before systemd 257 that is what `block` means; since then `block` holds up root too, and `block-weak` means what it did.
"""
_MOST_COMPLAINTS = 4096


class Inhibitor:
    """A lock on sleep and shutdown that is there while something works. Used by one thread, which calls it often."""

    def __init__(self, why: str, tell: Callable[[str], None]) -> None:
        """`why` is shown to people who want to switch the machine off; `tell` hears, once, why there is no lock."""
        self._why = why
        self._tell = tell
        self._told = False
        self._modes: list[str] = []
        self._child: subprocess.Popen[bytes] | None = None
        self._wanted = False

    @property
    def holds(self) -> bool:
        """Whether the lock is asked for just now, and was not refused so far."""
        return self._child is not None and self._child.poll() is None

    def follow(self, *, working: bool) -> None:
        """Take the lock where work has begun, give it back where none is left. To be called at each turn of a loop."""
        if not working:
            self._wanted = False
            self._release()
            return
        if not self._wanted:
            self._wanted, self._modes = True, list(_MODES)
            self._take("")
        elif self._child is not None and not self.holds:
            self._take(self._last_word(self._child))

    def close(self) -> None:
        """Give the lock back. Closing again is fine."""
        self.follow(working=False)

    def _take(self, refused: str) -> None:
        """Ask for the lock in the next mode; `refused` is why that before was not given."""
        self._release()
        program = shutil.which(_PROGRAM)
        if program is None:
            self._complain(f"{_PROGRAM} is not installed")
        elif not self._modes:
            self._complain(refused)
        else:
            try:
                self._child = self._start(program, self._modes.pop(0))
            except OSError as fault:
                self._complain(f"{program}: {fault.strerror}")

    def _start(self, program: str, mode: str) -> subprocess.Popen[bytes]:
        # cat ends when its input does: when drorch closes the other end of this pipe, or dies.
        return subprocess.Popen(
            [program, "--what=sleep:shutdown", f"--mode={mode}", "--who=drorch", f"--why={self._why}", "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={name: os.environ[name] for name in HARMLESS_VARIABLES if name in os.environ},
        )

    def _release(self) -> None:
        child, self._child = self._child, None
        if child is None:
            return
        for stream in (child.stdin, child.stderr):
            if stream is not None:
                stream.close()
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()

    def _complain(self, reason: str) -> None:
        if not self._told:
            self._told = True
            self._tell(f"the machine may sleep or be switched off while runs work: {reason}")

    @staticmethod
    def _last_word(child: subprocess.Popen[bytes]) -> str:
        """Why a lock was not given: what the program said last, or how it ended."""
        said = b""
        if child.stderr is not None:
            os.set_blocking(child.stderr.fileno(), False)
            with contextlib.suppress(OSError):
                said = os.read(child.stderr.fileno(), _MOST_COMPLAINTS)
        lines = said.decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last or f"{_PROGRAM} {describe_status(child.returncode)}"
