"""The only place that starts children: foreign programs and drorch's own worker processes.

A worker is a fresh interpreter (exec, not fork), so it may be started at any time, whatever threads and
sessions the parent holds. It talks over one socket, receives its secrets over it and never by argument, and
dies with its parent: a watching thread sees the socket hang up even while the worker is blocked elsewhere.
"""

import contextlib
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import reduction
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from drorch.errors import DrorchError

_WORKER_GRACE_SECONDS = 10.0
_COMPLAINTS_BYTES = 8192


class ChildFailed(DrorchError):
    """A child process could not be started, failed, or took too long."""


class WorkerDied(DrorchError):
    """A worker process ended before its work was done."""


class Channel:
    """One end of the conversation between drorch and one of its workers: whole objects, and file descriptors."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, message: object) -> None:
        """Send one picklable object. Raises `WorkerDied` where nobody listens any more."""
        try:
            self._connection.send(message)
        except (BrokenPipeError, ConnectionResetError) as fault:
            raise WorkerDied("a worker process ended unexpectedly") from fault

    def send_descriptor(self, descriptor: int) -> None:
        """Send an open file descriptor; the receiver gets a copy of its own."""
        try:
            reduction.send_handle(self._connection, descriptor, None)
        except (BrokenPipeError, ConnectionResetError) as fault:
            raise WorkerDied("a worker process ended unexpectedly") from fault

    def receive(self) -> Any:
        """The next object. Raises `WorkerDied` when the other end is gone."""
        try:
            return self._connection.recv()
        except (EOFError, OSError) as fault:
            raise WorkerDied("a worker process ended unexpectedly") from fault

    def receive_descriptor(self) -> int:
        """The next file descriptor, to be closed by the caller."""
        try:
            return reduction.recv_handle(self._connection)
        except (EOFError, OSError, RuntimeError) as fault:
            raise WorkerDied("a worker process ended unexpectedly") from fault

    def close(self) -> None:
        """Hang up; the other end notices."""
        self._connection.close()


class Worker:
    """A running worker process and the channel to it."""

    def __init__(self, child: subprocess.Popen[bytes], channel: Channel) -> None:
        self._child = child
        self.channel = channel

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._child.pid

    def stop(self) -> int:
        """Hang up, wait for the worker to end, kill it when it does not; its exit status."""
        self.channel.close()
        try:
            return self._child.wait(_WORKER_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def kill(self) -> None:
        """End the worker at once."""
        self._child.kill()
        self._child.wait()
        self.channel.close()


def start_worker(entry: str, *, descriptors: Sequence[int] = ()) -> Worker:
    """Start a worker that runs `entry` ("package.module:function") with its channel as only argument.

    `descriptors` stay open in the worker under their own numbers. Raises `ChildFailed`.
    """
    ours, theirs = socket.socketpair()
    # -P: nothing is imported from the folder drorch happens to be started in.
    command = [
        sys.executable, "-P", "-c", "from drorch.process import run_as_worker; run_as_worker()",
        entry, str(theirs.fileno()),
    ]  # fmt: skip
    inherited = {name: os.environ[name] for name in _WORKER_VARIABLES if name in os.environ}
    environment = {**inherited, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno(), *descriptors],
            env=environment,
        )
    except OSError as fault:
        ours.close()
        raise ChildFailed(f"a worker process could not be started: {fault.strerror}") from fault
    finally:
        theirs.close()
    return Worker(child, Channel(Connection(ours.detach())))


def run_as_worker() -> None:
    """What a worker process does first: obey the parent only, and find its function."""
    entry, descriptor = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(descriptor,), daemon=True).start()
    module, _, function = entry.partition(":")
    with contextlib.suppress(WorkerDied):
        getattr(importlib.import_module(module), function)(Channel(Connection(descriptor)))


def _end_with_parent(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()
    os._exit(1)


_WORKER_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LC_TIME", "TZ", "TZDIR", "TMPDIR")
"""All that a worker inherits: a variable that is not here may hold a secret of somebody's."""

_SECRET_VARIABLES = ("RESTIC_PASSWORD", "RESTIC_PASSWORD_COMMAND", "RESTIC_PASSWORD_FILE")


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _SECRET_VARIABLES}


def output_of(argv: Sequence[str], *, timeout: float) -> bytes:
    """Standard output of a command that must succeed. Raises `ChildFailed`, never quoting the output.

    What it says on standard error is dropped: a command that prints a secret may print it there, too.
    """
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
        )
    except OSError as fault:
        raise ChildFailed(f"command {argv[0]}: {fault.strerror}") from fault
    except subprocess.TimeoutExpired as fault:
        raise ChildFailed(f"command {argv[0]} did not end within {timeout:.0f} s") from fault
    if done.returncode != 0:
        raise ChildFailed(f"command {argv[0]} {describe_status(done.returncode)}", hint="Run it by hand and see.")
    return done.stdout


def describe_status(status: int) -> str:
    """What an exit status means, in words: "exited with status 2", "was killed by SIGTERM"."""
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"


@contextlib.contextmanager
def streaming(argv: Sequence[str], *, stop_timeout: float = 10.0) -> Iterator["StreamingChild"]:
    """A command whose standard output is read as it comes. It is killed whole if the block is left early.

    Raises `ChildFailed` where it cannot be started. `StreamingChild.finish` tells how it ended.
    """
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env=_without_secrets(os.environ),
        )
    except OSError as fault:
        raise ChildFailed(f"command {argv[0]}: {fault.strerror}") from fault
    try:
        yield StreamingChild(argv[0], child, stop_timeout)
    finally:
        _kill_whole(child)
        if child.stdout is not None:
            child.stdout.close()


class StreamingChild:
    """A running command with an open standard output."""

    def __init__(self, name: str, child: subprocess.Popen[bytes], stop_timeout: float) -> None:
        self._name = name
        self._child = child
        self._stop_timeout = stop_timeout

    @property
    def output(self) -> IO[bytes]:
        """Its standard output."""
        assert self._child.stdout is not None
        return self._child.stdout

    def finish(self) -> None:
        """Wait for it to end after its output did. Raises `ChildFailed` unless it succeeded."""
        try:
            status = self._child.wait(self._stop_timeout)
        except subprocess.TimeoutExpired as fault:
            raise ChildFailed(f"command {self._name} closed its output and did not end") from fault
        if status != 0:
            raise ChildFailed(f"command {self._name} {describe_status(status)}")


class PipedChild:
    """A running command whose standard input and output are the two directions of one socket.

    What it complains of on standard error is kept, bounded; it never blocks the command. When drorch dies, however
    it does, the command sees its input end. Used by one thread at a time.
    """

    def __init__(self, child: subprocess.Popen[bytes], stream: socket.socket, complaints: int) -> None:
        self._child = child
        self._complaints = complaints
        self._said = b""
        self.stream = stream

    @property
    def pid(self) -> int:
        """Process id of the command, which leads a process group of its own."""
        return self._child.pid

    def complaints(self) -> str:
        """The end of what it has written to standard error so far, at most 8 KiB."""
        while self._complaints >= 0:
            try:
                piece = os.read(self._complaints, _COMPLAINTS_BYTES)
            except BlockingIOError:
                break
            if not piece:
                break
            self._said = (self._said + piece)[-_COMPLAINTS_BYTES:]
        return self._said.decode("utf-8", errors="replace")

    def close(self) -> None:
        """Kill it with all its children, if it still runs. Closing twice is fine."""
        self.stream.close()
        self.complaints()
        _kill_whole(self._child)
        if self._complaints >= 0:
            os.close(self._complaints)
            self._complaints = -1


def start_piped(argv: Sequence[str], *, variables: Sequence[str] = ()) -> PipedChild:
    """Start a command to talk with. Raises `ChildFailed` where it cannot be started.

    Of the environment it inherits what a worker does, and `variables`. Its stream has no timeout until it is set.
    """
    ours, theirs = socket.socketpair()
    heard, told = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    names = (*_WORKER_VARIABLES, *variables)
    try:
        child = subprocess.Popen(
            argv,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=told,
            start_new_session=True,
            env={name: os.environ[name] for name in names if name in os.environ},
        )
    except OSError as fault:
        ours.close()
        os.close(heard)
        raise ChildFailed(f"command {argv[0]}: {fault.strerror}") from fault
    finally:
        theirs.close()
        os.close(told)
    return PipedChild(child, ours, heard)


def _kill_whole(child: subprocess.Popen[bytes]) -> None:
    """Kill a leader of a process group with all that is left of its group."""
    # Not polled: an unreaped leader keeps its process group, so that children it left behind are killed, too.
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


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
    return ProcessIdentity(
        machine=_first_line(Path("/etc/machine-id")),
        boot=_first_line(Path("/proc/sys/kernel/random/boot_id")),
        namespace=str(Path("/proc/self/ns/pid").readlink()),
        pid=os.getpid(),
        started=_start_of(os.getpid()) or 0,
    )


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
