"""Workers of the daemon: each a run as a process of its own, in its own session, on a line of its own.

Over the line (a socket that keeps messages apart) go lines of JSON, at most `LONGEST_LINE` bytes each. What the worker
is to do is said there and never by argument or variable. Whoever sees the line hang up knows that the other end is
gone, however it went: a worker then ends with all its family.

The daemon's end never blocks. The worker's end does, where the daemon is slow to listen.
"""

import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from drorch.process.commands import FAMILY_VARIABLE, HARMLESS_VARIABLES, ChildFailed, describe_status
from drorch.process.family import kill_family
from drorch.process.identity import ProcessIdentity, identity_of

LINE_VARIABLE = "DRORCH_LINE"
"""The number of the descriptor by which a worker finds its end of the line."""

LONGEST_LINE = 65536
"""Bytes of the longest message, its end of line included."""

_LAST_SECONDS = 10.0
_OUTPUT_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a worker is started.

    `cookie` is its family's. Of the environment it has the harmless variables and those named in `variables`. `nice`
    is as in nice(1); `ionice` are the arguments of ionice(1), empty where the disk is used as anybody does.
    """

    cookie: str
    variables: tuple[str, ...] = ()
    nice: int = 0
    ionice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ended: with an exit code, or None where a signal killed it; the same `words` as anybody says it.

    `out_of_memory`: the kernel killed a process for want of memory meanwhile, so that may be why.
    """

    code: int | None
    words: str
    out_of_memory: bool


def worker_command(launch: str) -> tuple[str, ...]:
    """What starts the worker of a launch: drorch, under the interpreter that runs now."""
    # -P: nothing is imported from the folder drorch happens to be started in.
    return (sys.executable, "-P", "-m", "drorch", "worker", launch)


class Supervised:
    """A running worker, seen from the daemon: nothing here blocks. To be started from the main thread."""

    def __init__(self, argv: Sequence[str], terms: Terms) -> None:
        """Start it. Raises `ChildFailed`. What could not be had of the terms is in `complaints`."""
        self.complaints: list[str] = []
        self._oom_kills = _oom_kills()
        with contextlib.ExitStack() as unless_started:
            try:
                self._start(argv, terms, unless_started)
            except OSError as fault:
                raise ChildFailed(f"a worker could not be started: {fault.strerror}") from fault
            unless_started.pop_all()

    def _start(self, argv: Sequence[str], terms: Terms, undo: contextlib.ExitStack) -> None:
        """Raises `OSError`; what is there by then is let go of by `undo`."""
        self.line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        undo.enter_context(self.line)
        with theirs:
            self.output, told = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
            undo.callback(os.close, self.output)
            with os.fdopen(told, "wb", 0) as output:
                os.set_blocking(told, True)
                self._child = self._process(argv, terms, theirs, output)
        undo.callback(self._child.wait)
        undo.callback(self._child.kill)
        self.line.setblocking(False)
        self.identity: ProcessIdentity = identity_of(self._child.pid)
        self.pidfd = os.pidfd_open(self._child.pid)

    def _process(
        self, argv: Sequence[str], terms: Terms, line: socket.socket, output: IO[bytes]
    ) -> subprocess.Popen[bytes]:
        environment = {name: os.environ[name] for name in (*HARMLESS_VARIABLES, *terms.variables) if name in os.environ}
        environment |= {FAMILY_VARIABLE: terms.cookie, LINE_VARIABLE: str(line.fileno())}
        return subprocess.Popen(
            [*self._prefix(terms), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[line.fileno()],
            start_new_session=True,
            env=environment,
        )

    def _prefix(self, terms: Terms) -> list[str]:
        """What lowers the priorities and then becomes the worker, under the same pid."""
        prefix = ["nice", "-n", str(terms.nice)] if terms.nice else []
        if terms.ionice and shutil.which("ionice") is None:
            self.complaints.append("ionice is not installed: the run uses the disk as everybody does")
        elif terms.ionice:
            # -t: a kernel or a sandbox that does not allow it keeps nobody from running.
            prefix += ["ionice", "-t", *terms.ionice]
        return prefix

    @property
    def pid(self) -> int:
        """Its process id; it leads a session and a process group."""
        return self._child.pid

    def say(self, text: str) -> bool:
        """Send it a line; whether it could be sent now."""
        try:
            self.line.send(text.encode("ascii") + b"\n", socket.MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def hear(self) -> bytes | None:
        """The next line from it; None where there is none now, b"" where it has hung up. One too long is cut."""
        try:
            return self.line.recv(LONGEST_LINE)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def read_output(self) -> bytes | None:
        """The next piece of what it writes; None where there is none now, b"" where nobody can write any more."""
        try:
            return os.read(self.output, _OUTPUT_PIECE)
        except BlockingIOError:
            return None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone. Nothing happens where it has ended."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def end(self) -> WorkerEnd | None:
        """How it ended; None while it runs."""
        status = self._child.poll()
        if status is None:
            return None
        lacking = status != 0 and _oom_kills() > self._oom_kills
        words = describe_status(status)
        if status == -signal.SIGKILL and lacking:
            words += ", it seems for want of memory"
        return WorkerEnd(None if status < 0 else status, words, lacking)

    def close(self) -> None:
        """Hang up, and kill it if it still runs. Closing twice is fine."""
        if self.pidfd < 0:
            return
        self.line.close()
        self._child.kill()
        self._child.wait()
        os.close(self.pidfd)
        os.close(self.output)
        self.pidfd = self.output = -1


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory: in our own cgroup, or at all where that is not told.

    cgroup-v2's memory.events counts kills of either kind; oom_kill in /proc/vmstat those of the whole machine.
    """
    try:
        own = Path("/proc/self/cgroup").read_text("ascii", "replace").partition("0::")[2].splitlines()[0]
        return _counted(Path(f"/sys/fs/cgroup{own}/memory.events"))
    except (OSError, IndexError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            return _counted(Path("/proc/vmstat"))
    return 0


def _counted(file: Path) -> int:
    fields = dict(line.split() for line in file.read_text("ascii").splitlines())
    return int(fields["oom_kill"]) if "oom_kill" in fields else 0


class NoSupervisor(ChildFailed):
    """This process was not started by a daemon, though only a daemon starts such."""


class DaemonLine:
    """The line, seen from the worker. Sending is for any thread, and hanging up is never an error there."""

    def __init__(self) -> None:
        """Take the line that the daemon left. Raises `NoSupervisor`. No child of this process sees it."""
        try:
            descriptor = int(os.environ.pop(LINE_VARIABLE))
            os.set_inheritable(descriptor, False)
            self._socket = socket.socket(fileno=descriptor)
        except (KeyError, ValueError, OSError) as fault:
            raise NoSupervisor(
                "only the daemon starts a worker",
                hint="Type: drorch run JOB, which asks the daemon where there is one.",
            ) from fault
        self._cookie = os.environ.get(FAMILY_VARIABLE, "")

    def wait_for_line(self, seconds: float) -> str:
        """The next line. Raises `NoSupervisor` where none comes in time, or never will."""
        self._socket.settimeout(seconds)
        try:
            line = self._socket.recv(LONGEST_LINE)
        except OSError:
            line = b""
        finally:
            self._socket.settimeout(None)
        if not line:
            raise NoSupervisor("the daemon did not say what to do")
        return line.decode("ascii", "replace")

    def say(self, text: str, *, may_wait: bool = True) -> None:
        """Send a line of at most `LONGEST_LINE` bytes; one that may not wait is dropped where the line is full."""
        flags = socket.MSG_NOSIGNAL | (0 if may_wait else socket.MSG_DONTWAIT)
        with contextlib.suppress(OSError):
            self._socket.send(text.encode("ascii") + b"\n", flags)

    def attend(self, heard: Callable[[str], None]) -> None:
        """Listen from now on, in a thread of its own; when the daemon hangs up, end this process and its family."""
        threading.Thread(target=self._attend, args=(heard,), daemon=True, name="line").start()

    def _attend(self, heard: Callable[[str], None]) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        while True:
            poll.poll()
            try:
                line = self._socket.recv(LONGEST_LINE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue
            except OSError:
                line = b""
            if not line:
                end_with_family(self._cookie)
            heard(line.decode("ascii", "replace"))


def end_with_family(cookie: str) -> None:
    """Kill all that works for a launch, this process last."""
    if cookie:
        kill_family(cookie, _LAST_SECONDS)
    os._exit(1)


def interrupt_this_process() -> None:
    """What SIGTERM from outside does: the main thread is interrupted, whatever it waits for."""
    main = threading.main_thread().ident
    if main is not None:
        signal.pthread_kill(main, signal.SIGTERM)
