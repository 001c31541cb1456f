"""Stops the run of a job that works without a daemon: whoever holds the job's lock is asked to end."""

import os
import signal
from pathlib import Path
from typing import Self

from drorch.errors import DrorchError
from drorch.model.names import JobName

_PROC = Path("/proc")
_PROGRAM = "drorch"
_FIRST_WORDS = 4


class NotStopped(DrorchError):
    """What runs a job cannot be told to stop."""


class RunnerOfJob:
    """A process of drorch's that runs a job. Its pid cannot become another process's until this is closed."""

    def __init__(self, job: JobName, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._job = job
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def stop(self) -> None:
        """Ask it to end (SIGTERM); one that has ended is no fault. Raises `NotStopped` where it is another user's."""
        try:
            signal.pidfd_send_signal(self._descriptor, signal.SIGTERM)
        except ProcessLookupError:
            return
        except PermissionError as fault:
            raise _not_stopped(self._job, self.pid, "it is another user's") from fault


def runner_of(job: JobName, state_dir: Path) -> RunnerOfJob | None:
    """The process that holds a job's lock; None where nobody does. Raises `NotStopped` where it is none of drorch's."""
    pid = _holder_of(state_dir / "locks" / f"{job}.lock")
    if pid is None:
        return None
    try:
        found = RunnerOfJob(job, pid, os.pidfd_open(pid))
    except ProcessLookupError:
        return None
    except OSError as fault:
        raise _not_stopped(job, pid, (fault.strerror or "").lower()) from fault
    if not _is_drorch(pid):
        with found:
            raise _not_stopped(job, pid, "it is none of drorch's")
    return found


def _holder_of(lock: Path) -> int | None:
    """Whose lock (flock) it is, as the kernel lists it: proc_locks(5)."""
    try:
        inode = lock.stat().st_ino
        lines = (_PROC / "locks").read_text("ascii").splitlines()
    except OSError:
        return None
    for fields in map(str.split, lines):
        if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}") and int(fields[4]) > 0:
            return int(fields[4])
    return None


def _is_drorch(pid: int) -> bool:
    """Whether its command line names drorch as the program, or as the module that Python runs."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(Path(os.fsdecode(word)).name == _PROGRAM for word in words[:_FIRST_WORDS])


def _not_stopped(job: JobName, pid: int, reason: str) -> NotStopped:
    return NotStopped(f"process {pid}, which runs {job}, cannot be stopped: {reason}", hint=f"Look at it: ps -fp {pid}")
