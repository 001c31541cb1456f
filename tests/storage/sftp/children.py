"""What a target has running: each ssh that was started for a server, and each connection of drorch's own."""

import contextlib
import threading
import time
from pathlib import Path

import paramiko

_PATIENCE_SECONDS = 20.0


def at_work_for(*ports: int) -> list[str]:
    """All that keeps connections to servers open: children by their ports, and what this process itself has."""
    return [
        *(child for port in ports for child in _children(port)),
        *(str(thread) for thread in threading.enumerate() if _is_connection(thread)),
    ]


def nothing_is_left_at_work_for(*ports: int) -> None:
    """Fails unless all has ended: what was killed takes a moment to go."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while found := at_work_for(*ports):
        assert time.monotonic() < deadline, found
        time.sleep(0.02)


def _children(port: int) -> list[str]:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if words[0] in (b"ssh", b"sh", b"/bin/sh") and any(str(port).encode() in word for word in words):
                found.append(b" ".join(words).decode())
    return found


def _is_connection(thread: threading.Thread) -> bool:
    return isinstance(thread, paramiko.Transport)
