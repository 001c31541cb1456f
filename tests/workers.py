"""What worker processes run in tests: drorch starts them by name, in a fresh interpreter."""

import os
import signal
import sys
import threading
from pathlib import Path

from drorch.process.workers import Channel


def echo(channel: Channel) -> None:
    """Send back whatever comes."""
    while True:
        channel.send(channel.receive())


def tell_about_yourself(channel: Channel) -> None:
    """What a worker finds itself to be."""
    channel.send(
        {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "arguments": sys.argv,
            "environment": dict(os.environ),
            "ignores": [signal.getsignal(s) is signal.SIG_IGN for s in (signal.SIGINT, signal.SIGHUP)],
            "descriptors": sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()),
            "safe path": sys.flags.safe_path,
        }
    )


def read_descriptor(channel: Channel) -> None:
    """Send what a descriptor that comes holds, and one of our own back."""
    descriptor = channel.receive_descriptor()
    channel.send(os.pread(descriptor, 100, 0))
    os.close(descriptor)
    ours = os.memfd_create("of the worker")
    os.write(ours, b"from the worker")
    channel.send_descriptor(ours)


def read_inherited(channel: Channel) -> None:
    """Send what a descriptor that was kept open at the start holds."""
    channel.send(os.pread(channel.receive(), 100, 0))


def block_elsewhere(channel: Channel) -> None:
    """Say who we are, then wait for what never comes, deaf to the channel."""
    channel.send(os.getpid())
    threading.Event().wait()


def fail(channel: Channel) -> None:
    """Greet, then fall over."""
    channel.send("hello")
    raise RuntimeError("as planned")
