"""Which process is meant, beyond doubt, and whether it is gone."""

import getpass
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process named beyond doubt: pids are reused, so the machine, its boot and the start time belong to it.

    `started` is in clock ticks since boot; `namespace` tells the pid namespaces of containers apart. proc(5).
    """

    machine: str
    boot: str
    namespace: str
    pid: int
    started: int


def own_identity() -> ProcessIdentity:
    """The identity of this process."""
    return identity_of(os.getpid())


def identity_of(pid: int) -> ProcessIdentity:
    """The identity of a process of this pid namespace; `started` is 0 where there is none any more."""
    return ProcessIdentity(
        machine=_first_line(Path("/etc/machine-id")),
        boot=_first_line(Path("/proc/sys/kernel/random/boot_id")),
        namespace=str(Path("/proc/self/ns/pid").readlink()),
        pid=pid,
        started=_start_of(pid) or 0,
    )


def user_name() -> str:
    """Login name of the user drorch runs as, or the number where there is none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def is_gone(identity: ProcessIdentity) -> bool:
    """Whether that process has certainly ended: this machine has been booted since, or its pid is not it any more.

    A process of another machine or another pid namespace may always be alive.
    """
    ours = own_identity()
    if ours.boot == identity.boot:
        return ours.namespace == identity.namespace and _has_ended(identity)
    return bool(ours.machine) and ours.machine == identity.machine


def _has_ended(identity: ProcessIdentity) -> bool:
    started = _start_of(identity.pid)
    if started is not None:
        return started != identity.started
    # /proc may hide the processes of others (hidepid); signal 0 reaches nobody and tells of them all the same.
    try:
        os.kill(identity.pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _start_of(pid: int) -> int | None:
    # The command's name may hold spaces and parentheses: fields are counted from behind the last one.
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return None
