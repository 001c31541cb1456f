"""Foreign programs as streams: what one prints is read as it comes, or one is fed piece by piece.

Promise: a program that says nothing, takes nothing or does not end is killed with all it started; what it complains of
never blocks it, and its last words are kept. Its environment is the harmless variables and what is given, no more.
Each object is used by one thread at a time, and closed by whoever started it.
"""

import contextlib
import fcntl
import os
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from drorch.process.commands import HARMLESS_VARIABLES, ChildFailed, Ended, Kept, describe_status, kill_whole

_LAST_WORDS_BYTES = 8192
# Of a pipe. What is in it should still be in the cache when it is read: with 1 MiB a dump takes a fifth longer.
_PIPE_BYTES = 1 << 18
_DYING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class StreamCommand:
    """A program to read from or to feed: words, started without a shell, in the folder /. Times are in seconds.

    `environment` is what it has beside `HARMLESS_VARIABLES`, and wins over them. Not a byte moved for `quiet_seconds`
    means that it hangs; when its stream is over, it has `stop_seconds` to end (None: as long as it may be quiet).
    """

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    quiet_seconds: float = 300.0
    stop_seconds: float | None = None


def start_reading(command: StreamCommand, given: bytes = b"") -> "ReadChild":
    """Start a program to read its output; `given` is its standard input. Raises `ChildFailed`."""
    return ReadChild(command, given)


def start_feeding(command: StreamCommand, *, output_bytes: int = 0) -> "FedChild":
    """Start a program to feed. Raises `ChildFailed`.

    Of what it prints, the last `output_bytes` are kept; where that is 0, they count as words it said.
    """
    return FedChild(command, output_bytes)


class _Program:
    """A running program: killed whole when it is closed, however that comes about."""

    def __init__(self, command: StreamCommand) -> None:
        self._command = command
        self._exits = contextlib.ExitStack()
        self._said = Kept(self._exits, _LAST_WORDS_BYTES)
        self._heard = {self._said.handle: self._said}
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill it with all it started, unless it has ended. Closing twice is fine."""
        self._exits.close()

    @property
    def pid(self) -> int:
        """Its process id; it leads a process group and a session."""
        assert self._child is not None
        return self._child.pid

    @property
    def said(self) -> str:
        """The end of what it has complained of so far, at most 8 KiB."""
        return self._said.text

    def _start(self, stdin: int, stdout: int) -> None:
        inherited = {name: os.environ[name] for name in HARMLESS_VARIABLES if name in os.environ}
        try:
            self._child = subprocess.Popen(
                self._command.argv,
                stdin=stdin,
                stdout=stdout,
                stderr=self._said.told,
                start_new_session=True,
                cwd="/",
                env=inherited | dict(self._command.environment),
            )
        except OSError as fault:
            raise ChildFailed(f"command {self._command.argv[0]}: {fault.strerror}") from fault
        finally:
            self._said.hush()
        self._exits.callback(kill_whole, self._child)

    def _wait(self, deadline: float, reading: Sequence[int] = (), writing: Sequence[int] = ()) -> frozenset[int]:
        """Wait until some of these are ready, hearing what it complains of meanwhile; none after the deadline."""
        while (left := deadline - time.monotonic()) > 0:
            poll = select.poll()
            for handle in (*reading, *self._heard):
                poll.register(handle, select.POLLIN)
            for handle in writing:
                poll.register(handle, select.POLLOUT)
            ready = frozenset(handle for handle, _ in poll.poll(left * 1000))
            for handle in ready & self._heard.keys():
                if not self._heard[handle].take():
                    del self._heard[handle]
            if found := ready.intersection((*reading, *writing)):
                return found
        return frozenset()

    def _quiet(self) -> float:
        return time.monotonic() + self._command.quiet_seconds

    def _end(self, seconds: float) -> int | None:
        """Its exit status, once it has ended; None where it does not in so many seconds. It is gone either way."""
        assert self._child is not None
        if self._child.returncode is None:
            # By a handle: waiting must not reap it, because an unreaped leader keeps its process group.
            handle = os.pidfd_open(self._child.pid)
            try:
                ended = self._wait(time.monotonic() + seconds, [handle])
            finally:
                os.close(handle)
            kill_whole(self._child)
            for kept in self._heard.values():
                kept.take_rest()
            if not ended:
                return None
        return self._child.returncode

    def _finish(self) -> int:
        command = self._command
        seconds = command.quiet_seconds if command.stop_seconds is None else command.stop_seconds
        status = self._end(seconds)
        if status is None:
            raise self._failed(f"did not end within {seconds:.0f} s of the end of its stream and was killed")
        return status

    def _failed(self, what: str) -> ChildFailed:
        said = self.said
        self.close()
        return ChildFailed(f"command {self._command.argv[0]} {what}", context={"said": said})


class ReadChild(_Program):
    """A running program whose standard output is read."""

    def __init__(self, command: StreamCommand, given: bytes) -> None:
        super().__init__(command)
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._output = _End(self._exits)
            self._input = _End(self._exits)
            ours, told = os.pipe2(os.O_CLOEXEC)
            self._output.take(ours)
            hears, gives = os.pipe2(os.O_CLOEXEC)
            self._input.take(gives)
            try:
                self._start(hears, told)
            finally:
                os.close(told)
                os.close(hears)
            self._given = memoryview(given)
            self._hand_over()
            undo.pop_all()

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; less where the output ends, 0 once it has ended.

        Raises `ChildFailed` where no byte comes for the quiet time; it is killed then. What it said is in the error's
        context as `said`.
        """
        filled = 0
        while filled < len(buffer):
            try:
                count = os.readv(self._output.handle, [buffer[filled:]])
            except BlockingIOError:
                self._await_output()
                continue
            if count == 0:
                break
            filled += count
        return filled

    def finish(self) -> Ended:
        """How it ended, once its output has: its status, whatever that is, and in `said` its last words.

        Raises `ChildFailed` where it does not end in its time; it is killed then.
        """
        return Ended(self._finish(), b"", self.said)

    def _await_output(self) -> None:
        deadline = self._quiet()
        while True:
            writing = [self._input.handle] if self._given else []
            ready = self._wait(deadline, [self._output.handle], writing)
            if not ready:
                raise self._failed(f"printed nothing for {self._command.quiet_seconds:.0f} s and was killed")
            if self._output.handle in ready:
                return
            self._hand_over()

    def _hand_over(self) -> None:
        """Hand it what fits of what it is given on standard input."""
        try:
            while self._given:
                self._given = self._given[os.write(self._input.handle, self._given) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._given = memoryview(b"")
        self._input.close()


class FedChild(_Program):
    """A running program whose standard input is fed."""

    def __init__(self, command: StreamCommand, output_bytes: int) -> None:
        super().__init__(command)
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self._input = _End(self._exits)
            self._output = Kept(self._exits, output_bytes) if output_bytes else None
            hears, gives = os.pipe2(os.O_CLOEXEC)
            self._input.take(gives)
            heard = self._output or self._said
            self._heard[heard.handle] = heard
            try:
                self._start(hears, heard.told)
            finally:
                heard.hush()
                os.close(hears)
            undo.pop_all()

    def feed(self, piece: bytes | memoryview) -> None:
        """Hand it the whole piece.

        Raises `ChildFailed` where it takes no byte for the quiet time, and where it takes no more at all; it is killed
        then. What it said is in the error's context as `said`.
        """
        rest = memoryview(piece)
        while rest:
            try:
                rest = rest[os.write(self._input.handle, rest) :]
            except BlockingIOError:
                if not self._wait(self._quiet(), writing=[self._input.handle]):
                    why = f"took nothing for {self._command.quiet_seconds:.0f} s and was killed"
                    raise self._failed(why) from None
            except BrokenPipeError as fault:
                status = self._end(_DYING_SECONDS)
                how = "and did not end" if status is None else f"and {describe_status(status)}"
                raise self._failed(f"stopped reading {how}") from fault

    def finish(self) -> Ended:
        """Close its standard input and wait for its end: its status, whatever that is, its output, its last words.

        Raises `ChildFailed` where it does not end in its time; it is killed then.
        """
        self._input.close()
        status = self._finish()
        return Ended(status, b"" if self._output is None else self._output.content, self.said)


class _End:
    """Our end of a pipe: it never blocks, and is closed once."""

    def __init__(self, exits: contextlib.ExitStack) -> None:
        self.handle = -1
        exits.callback(self.close)

    def take(self, handle: int) -> None:
        """This is the end."""
        self.handle = handle
        os.set_blocking(handle, False)
        # Whoever has many pipes already gets small ones: they do, too.
        with contextlib.suppress(PermissionError):
            fcntl.fcntl(handle, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def close(self) -> None:
        """Close it, unless it is closed."""
        if self.handle >= 0:
            os.close(self.handle)
            self.handle = -1
