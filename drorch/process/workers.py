"""drorch's own worker processes.

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
from collections.abc import Sequence
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

from drorch.errors import DrorchError
from drorch.process.commands import HARMLESS_VARIABLES, ChildFailed

_WORKER_GRACE_SECONDS = 10.0


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
        sys.executable, "-P", "-c", "from drorch.process.workers import run_as_worker; run_as_worker()",
        entry, str(theirs.fileno()),
    ]  # fmt: skip
    inherited = {name: os.environ[name] for name in HARMLESS_VARIABLES if name in os.environ}
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
