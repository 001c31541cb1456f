"""One run of a job at a time: a file in state_dir, locked while the run goes on. The lock ends with its process."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from drorch.errors import CatalogError, JobBusy
from drorch.model.names import JobName

_DAEMON = "@daemon.lock"


@contextlib.contextmanager
def only_run_of(job: JobName, state_dir: Path) -> Iterator[None]:
    """Hold the lock of a job. Raises `JobBusy` where another process runs it, `CatalogError` where there is no lock.

    The file stays; only its lock counts, and the kernel lets go of it whatever becomes of the process (flock(2)).
    """
    busy = JobBusy(f"job {job} is being run already", hint="Wait for it to end: drorch status")
    with _held(state_dir, f"{job}.lock", busy):
        yield


@contextlib.contextmanager
def only_daemon(state_dir: Path) -> Iterator[None]:
    """Be the only daemon of a state_dir. Raises `JobBusy` where there is one, `CatalogError` where there is no lock."""
    busy = JobBusy(f"a daemon works with state_dir {state_dir} already", hint="Run drorch status, or stop that one.")
    with _held(state_dir, _DAEMON, busy):
        yield


@contextlib.contextmanager
def _held(state_dir: Path, name: str, busy: JobBusy) -> Iterator[None]:
    folder = state_dir / "locks"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise CatalogError(
            f"state_dir {state_dir}: {fault.strerror}", hint="Give drorch a state_dir it may write."
        ) from fault
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise busy from fault
        yield
    finally:
        os.close(descriptor)


def is_run_now(job: JobName, state_dir: Path) -> bool:
    """Whether a process holds the lock of a job; yes where that cannot be told.

    Asked of the kernel's list (proc_locks(5)): to try the lock would be in the way of a run that begins now.
    """
    try:
        inode = (state_dir / "locks" / f"{job}.lock").stat().st_ino
        held = Path("/proc/locks").read_text("ascii").splitlines()
    except FileNotFoundError as fault:
        return bool(fault.filename == "/proc/locks")
    except OSError:
        return True
    return any(fields[1] == "FLOCK" and fields[5].endswith(f":{inode}") for fields in map(str.split, held))
