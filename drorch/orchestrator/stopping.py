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
        self.close()

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def stop(self) -> None:
        """Ask it to end, as Ctrl-C does; one that has ended is no fault. Raises `NotStopped` for another user's."""
        try:
            signal.pidfd_send_signal(self._descriptor, signal.SIGINT)
        except ProcessLookupError:
            return
        except PermissionError as fault:
            raise _not_stopped(self._job, self.pid, "it is another user's") from fault


def runner_of(job: JobName, state_dir: Path) -> RunnerOfJob | None:
    """The process that holds a job's lock; None where nobody does. Raises `NotStopped` where it is none of drorch's."""
    lock = state_dir / "locks" / f"{job}.lock"
    for pid in _holders_of(lock):
        found = _runner(job, pid)
        if found is None:
            continue
        if not _has_open(pid, lock):
            # It has ended meanwhile, or what it holds is a file of the same number on another file system.
            found.close()
            continue
        if not _is_drorch(pid):
            found.close()
            raise _not_stopped(job, pid, "it is none of drorch's")
        return found
    return None


def _runner(job: JobName, pid: int) -> RunnerOfJob | None:
    try:
        return RunnerOfJob(job, pid, os.pidfd_open(pid))
    except ProcessLookupError:
        return None
    except OSError as fault:
        raise _not_stopped(job, pid, (fault.strerror or "").lower()) from fault


def _holders_of(lock: Path) -> list[int]:
    """Who holds it (flock), as the kernel lists it: proc_locks(5). It names files by numbers that may come twice."""
    try:
        inode = lock.stat().st_ino
        lines = (_PROC / "locks").read_text("ascii").splitlines()
    except OSError:
        return []
    locks = [fields for fields in map(str.split, lines) if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}")]
    return [pid for pid in (int(fields[4]) for fields in locks) if pid > 0]


def _has_open(pid: int, file: Path) -> bool:
    """Whether a process has this very file open; yes where that is not to be seen."""
    try:
        meant = file.stat()
        held = list((_PROC / str(pid) / "fd").iterdir())
    except PermissionError:
        return True
    except OSError:
        return False
    return any(_is_same(one, meant) for one in held)


def _is_same(descriptor: Path, meant: os.stat_result) -> bool:
    try:
        return os.path.samestat(descriptor.stat(), meant)
    except OSError:
        return False


def _is_drorch(pid: int) -> bool:
    """Whether its command line names drorch as the program, or as the module that Python runs."""
    try:
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(Path(os.fsdecode(word)).name == _PROGRAM for word in words[:_FIRST_WORDS])


def _not_stopped(job: JobName, pid: int, reason: str) -> NotStopped:
    return NotStopped(f"process {pid}, which runs {job}, cannot be stopped: {reason}", hint=f"Look at it: ps -fp {pid}")
