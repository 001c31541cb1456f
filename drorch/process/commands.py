"""Foreign programs: started as they are written, never through a shell; each ends, or is killed with all it started."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

from drorch.errors import DrorchError

_COMPLAINTS_BYTES = 8192
FAMILY_VARIABLE = "DRORCH_RUN_ID"
"""Names the launch that a process works for. Every child hands it on: by it, families are found (family.py)."""

HARMLESS_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LC_TIME", "TZ", "TZDIR", "TMPDIR", FAMILY_VARIABLE)
"""What a child may inherit in any case: a variable that is not here may hold a secret of somebody's."""

_GLANCE_SECONDS = 0.05
_MOST_PIECES = 32
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
        kill_whole(child)
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
        kill_whole(self._child)
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


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit status (minus a signal's number), its output if that was asked for, what it said.

    `said` is what it wrote to standard error, and to standard output where that was not asked for.
    """

    status: int
    output: bytes
    said: str


def run_whole(argv: Sequence[str], *, timeout: float, environment: Mapping[str, str], output_bytes: int = 0) -> Ended:
    """Run a command to its end, in the folder / and with no other variables than these; `timeout` in seconds.

    Of what it says, the last 8 KiB are kept, of its output the last `output_bytes`. When it has ended, what it left
    running is killed. Raises `ChildFailed` where it cannot be started or takes too long; it is killed whole then, and
    what it had said is in the error's context as `said`.
    """
    with contextlib.ExitStack() as pipes:
        said = Kept(pipes, _COMPLAINTS_BYTES)
        output = Kept(pipes, output_bytes) if output_bytes else said
        child = _started(argv, environment, output, said)
        try:
            _hear(child, {kept.handle: kept for kept in (said, output)}, time.monotonic() + timeout)
            overran = not _has_exited(child)
        finally:
            kill_whole(child)
        for kept in (said, output):
            kept.take_rest()
        if overran:
            why = f"command {argv[0]} did not end within {timeout:.0f} s"
            raise ChildFailed(why, context={"said": said.text})
        return Ended(child.returncode, output.content if output_bytes else b"", said.text)


class Kept:
    """The reading end of a pipe, and the end of what came out of it."""

    def __init__(self, pipes: contextlib.ExitStack, most: int) -> None:
        self.handle, self.told = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.handle, False)
        self._most = most
        self._open = True
        self.content = b""
        pipes.callback(os.close, self.handle)

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8", errors="replace")

    def hush(self) -> None:
        """Close the writing end here: the child has its own."""
        if self._open:
            self._open = False
            os.close(self.told)

    def take(self) -> bool:
        """Take in what there is; False at the end of it."""
        try:
            piece = os.read(self.handle, 1 << 16)
        except BlockingIOError:
            return True
        self.content = (self.content + piece)[-self._most :]
        return bool(piece)

    def take_rest(self) -> None:
        """Take in what is in the pipe; what got away may go on writing into it, and is not waited for."""
        for _ in range(_MOST_PIECES):
            if not self.take():
                break


def _started(argv: Sequence[str], environment: Mapping[str, str], output: Kept, said: Kept) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output.told,
            stderr=said.told,
            start_new_session=True,
            cwd="/",
            env=dict(environment),
        )
    except OSError as fault:
        raise ChildFailed(f"command {argv[0]}: {fault.strerror}") from fault
    finally:
        output.hush()
        said.hush()


def _hear(child: subprocess.Popen[bytes], kept: Mapping[int, Kept], deadline: float) -> None:
    """Take in what a command says until it has ended, or its time is over."""
    listening = set(kept)
    while not _has_exited(child) and time.monotonic() < deadline:
        ready, _, _ = select.select(list(listening), [], [], _GLANCE_SECONDS)
        listening -= {handle for handle in ready if not kept[handle].take()}


def _has_exited(child: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended, without reaping it: an unreaped leader keeps its process group."""
    return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def kill_whole(child: subprocess.Popen[bytes]) -> None:
    """Kill a leader of a process group with all that is left of its group."""
    # Not polled: an unreaped leader keeps its process group, so that children it left behind are killed, too.
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
