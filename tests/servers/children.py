"""Servers as children of the tests: in a session of their own, ended with the process that started them.

Start them from the main thread: the kernel sends the signal when the thread that started them ends.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

STOP_SECONDS = 10.0
READY_SECONDS = 60.0


class ServerNotReady(AssertionError):
    """A server ended, or did not answer in time; what it said is in the message."""


@contextlib.contextmanager
def running(
    argv: Sequence[str | Path], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A server, its output in the file `log`; ended with all its children when the block is left."""
    # setpriv and no preexec_fn: that forks with Python's threads in whatever state they are.
    command = ["setpriv", "--pdeathsig", "KILL", *map(str, argv)]
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes], first: signal.Signals = signal.SIGTERM) -> None:
    """Ask a server to end, and kill it with what is left of its session when it does not. Twice is fine."""
    if child.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, first)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def wait_until(ready: Callable[[], bool], child: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a server is ready. Raises `ServerNotReady`."""
    deadline = time.monotonic() + READY_SECONDS
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            state = "does not answer" if child.returncode is None else "ended"
            said = log.read_text("utf-8", errors="backslashreplace")[-4000:]
            raise ServerNotReady(f"the server {state}:\n{said}")
        time.sleep(0.02)


def descendants(pid: int) -> list[int]:
    """The children of a process, and theirs."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []
    return [one for child in children for one in (child, *descendants(child))]
