"""A family: all processes that work for one launch, whatever sessions and groups they made, and how it is killed whole.

Every process of a launch carries its id in its environment and hands it on (proc(5), /proc/PID/environ). What a member
started with an environment of its own is found as its descendant, for as long as its parents live. What the daemon
starts for itself is a family, too.
"""

import contextlib
import os
import signal
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from drorch.clock import SystemClock
from drorch.process.commands import FAMILY_VARIABLE
from drorch.process.identity import ProcessIdentity, identity_of

_PROC = Path("/proc")
_PAUSE_SECONDS = 0.01
QUIET_LOOKS = 2
"""So many looks in a row must find nobody: a process that is being exec'd has no environment for a moment."""


def family_of(cookie: str) -> list[ProcessIdentity]:
    """The living processes of a launch, its id being the cookie. None of other users, where /proc hides theirs."""
    return [identity_of(pid) for pid in _members(cookie)]


def strike(cookie: str, spared: Collection[int] = ()) -> int:
    """Kill every process of a launch that one look finds, but for the spared pids and this one; how many there were.

    Takes milliseconds and waits for nobody: whoever wants nobody left calls it until it finds none, twice in a row.
    """
    spared = {*spared, os.getpid()}
    found = {pid: started for pid, started in _members(cookie).items() if pid not in spared}
    # The eldest first: who sees its children die has no time left to act on it.
    for pid, started in sorted(found.items(), key=lambda one: (one[1], one[0])):
        _kill(pid, started)
    return len(found)


def kill_family(cookie: str, seconds: float, spared: Collection[int] = ()) -> bool:
    """Kill every process of a launch, those it starts meanwhile too; whether nobody was left after so many seconds.

    This process is never killed, nor are the spared pids.
    """
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    quiet = 0
    while quiet < QUIET_LOOKS:
        quiet = 0 if strike(cookie, spared) else quiet + 1
        if clock.monotonic() > deadline:
            return False
        if quiet < QUIET_LOOKS:
            clock.sleep(_PAUSE_SECONDS)
    return True


@contextlib.contextmanager
def belonging_to(cookie: str, seconds: float) -> Iterator[None]:
    """All that this process starts meanwhile, and that is given no other family, is of this one.

    What an earlier process left of it is killed first, and what there is of it at the end, within so many seconds
    each. This process itself is none of it (proc(5): /proc/PID/environ is what a process began with).
    """
    kill_family(cookie, seconds)
    before = os.environ.get(FAMILY_VARIABLE)
    os.environ[FAMILY_VARIABLE] = cookie
    try:
        yield
    finally:
        kill_family(cookie, seconds)
        if before is None:
            del os.environ[FAMILY_VARIABLE]
        else:
            os.environ[FAMILY_VARIABLE] = before


def _members(cookie: str) -> dict[int, int]:
    """The pids that carry the cookie and their descendants, each with its start time."""
    wanted = f"{FAMILY_VARIABLE}={cookie}".encode()
    pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    carriers = [pid for pid in pids if wanted in _read(pid, "environ").split(b"\0")]
    if not carriers:
        return {}
    known = {pid: seen for pid in pids if (seen := _Seen.of(pid)) is not None}
    children: dict[int, list[int]] = {}
    for pid, seen in known.items():
        children.setdefault(seen.parent, []).append(pid)
    found = _with_descendants(carriers, children)
    return {pid: known[pid].started for pid in found if pid in known and not known[pid].dead}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What /proc says of a process."""

    parent: int
    started: int
    dead: bool

    @staticmethod
    def of(pid: int) -> "_Seen | None":
        """None where there is none any more."""
        # The command's name may hold spaces and parentheses: fields are counted from behind the last one.
        fields = _read(pid, "stat").rpartition(b")")[2].split()
        return _Seen(int(fields[1]), int(fields[19]), fields[0] in (b"Z", b"X")) if len(fields) > 19 else None


def _with_descendants(pids: list[int], children: dict[int, list[int]]) -> Iterator[int]:
    waiting, found = list(pids), set[int]()
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            yield pid
            waiting += children.get(pid, ())


def _kill(pid: int, started: int) -> None:
    """Kill the process of this pid, unless that has become another one's meanwhile; what fails is for the next look."""
    with contextlib.suppress(OSError):
        # While it is held by its descriptor, its pid cannot become another one's.
        descriptor = os.pidfd_open(pid)
        try:
            seen = _Seen.of(pid)
            if seen is not None and seen.started == started:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        finally:
            os.close(descriptor)


def _read(pid: int, name: str) -> bytes:
    try:
        return (_PROC / str(pid) / name).read_bytes()
    except OSError:
        return b""
