"""One command, measured: wall time, CPU time, peak memory of its whole process tree.

Memory is the sum of PSS over the command and all its descendants, read every 50 ms by a thread of the
benchmark; PSS counts a page shared by n processes n times a n-th, so forks are not counted twice. Peaks
shorter than the interval are missed, for every tool alike.
"""

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drorch.clock import SystemClock
from drorch.errors import DrorchError
from drorch.process.commands import describe_status

_INTERVAL_SECONDS = 0.05
_SHOWN_BYTES = 2000


class BenchmarkFailed(DrorchError):
    """A tool failed, restored something wrong, or cannot be measured here."""


@dataclass(frozen=True, slots=True)
class Command:
    """What is run: secrets are in its environment or in files, never in `argv`."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a command cost.

    `sampler_seconds` is the CPU time that watching it took, outside of its own; `foreign_cpu_seconds` what the
    rest of the machine used meanwhile (its own writeback included), which tells a quiet run from a disturbed one.
    """

    wall_seconds: float
    cpu_seconds: float
    peak_pss_bytes: int
    sampler_seconds: float
    foreign_cpu_seconds: float


def measured(command: Command, log: Path) -> Measurement:
    """Run a command to its end; what it says goes to `log`.

    Raises `BenchmarkFailed`, quoting the end of its log, unless it exits with status 0. It is killed, with its
    whole session, if the wait is interrupted.
    """
    clock = SystemClock()
    with log.open("wb") as output:
        busy = _busy_seconds()
        started = clock.monotonic()
        child = subprocess.Popen(
            command.argv,
            cwd=command.folder,
            env=command.environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    sampler = _Sampler(child.pid)
    sampler.start()
    try:
        _, status, usage = os.wait4(child.pid, 0)
        wall = clock.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        sampler.stop()
        if child.returncode is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if child.returncode != 0:
        said = log.read_bytes()[-_SHOWN_BYTES:].decode(errors="replace")
        raise BenchmarkFailed(f"{' '.join(command.argv)} {describe_status(child.returncode)}:\n{said}")
    cpu = usage.ru_utime + usage.ru_stime
    foreign = max(0.0, _busy_seconds() - busy - cpu - sampler.cpu_seconds)
    return Measurement(wall, cpu, sampler.peak, sampler.cpu_seconds, foreign)


def _busy_seconds() -> float:
    """CPU time of the whole machine since it started, stolen time included (proc(5), "stat")."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_guests = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class _Sampler(threading.Thread):
    """Looks at a process tree until told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.cpu_seconds = 0.0
        self._pid = pid
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.is_set():
            self.peak = max(self.peak, sum(_pss(pid) for pid in _process_tree(self._pid)))
            self._stopped.wait(_INTERVAL_SECONDS)
        usage = resource.getrusage(resource.RUSAGE_THREAD)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _process_tree(pid: int) -> Iterator[int]:
    """A process and all its descendants; those that end meanwhile are left out (proc(5), "children")."""
    yield pid
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return
    for thread in threads:
        try:
            children = (thread / "children").read_text()
        except OSError:
            continue
        for child in children.split():
            yield from _process_tree(int(child))


def _pss(pid: int) -> int:
    """Proportional set size in bytes, 0 for a process that is gone (proc(5), "smaps_rollup")."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:")), 0)


def require_proc() -> None:
    """Raises `BenchmarkFailed` where the kernel does not tell what the sampler asks for."""
    here = Path("/proc/self")
    if not (here / "smaps_rollup").exists() or not Path(f"/proc/self/task/{os.getpid()}/children").exists():
        raise BenchmarkFailed(
            "this kernel tells neither smaps_rollup nor children of a process", hint="Use Linux 4.14+."
        )
