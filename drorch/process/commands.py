"""Foreign programs: started as they are written, never through a shell; each ends, or is killed with all it started."""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from drorch.errors import DrorchError

_COMPLAINTS_BYTES = 8192
HARMLESS_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LC_TIME", "TZ", "TZDIR", "TMPDIR")
"""What a child may inherit in any case: a variable that is not here may hold a secret of somebody's."""

_SECRET_VARIABLES = ("RESTIC_PASSWORD", "RESTIC_PASSWORD_COMMAND", "RESTIC_PASSWORD_FILE")


class ChildFailed(DrorchError):
    """A child process could not be started, failed, or took too long."""


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
    names = (*HARMLESS_VARIABLES, *variables)
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
