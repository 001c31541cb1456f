"""What the daemon's loop does with a ward, for tests: wait for what it watches, and attend."""

import select
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from drorch.clock import SystemClock
from drorch.model.launch import StopCause, WorkKind
from drorch.model.run import Trigger
from drorch.orchestrator.supervision.heard import Ended, Heard
from drorch.orchestrator.supervision.order import Order
from drorch.orchestrator.supervision.ward import Charge, Ward

CLOCK = SystemClock()
SECONDS = 60.0


def an_order(**changes: Any) -> Order:
    said: dict[str, Any] = {
        "launch": uuid.uuid4().hex,
        "kind": WorkKind.JOB,
        "name": "homes",
        "targets": ("one", "two"),
        "trigger": Trigger.SCHEDULE,
        "user": "root",
        "uid": 0,
        "config": "/no/jobs.toml",
    }
    return Order(**{**said, **changes})


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


def python(code: str) -> tuple[str, ...]:
    """A worker that can talk: `line` is its end, and has given the order already."""
    start = "import os, sys, signal\nfrom drorch.process.supervised import DaemonLine\nline = DaemonLine()\n"
    return (sys.executable, "-c", f"{start}order = line.wait_for_line(60)\n{code}")


@contextmanager
def ward_over(state_dir: Path, command: tuple[str, ...], order: Order | None = None, **terms: Any) -> Iterator[Ward]:
    """A running ward, which is killed if it still runs afterwards."""
    ward = Ward(Charge(order or an_order(), state_dir, command=command, **terms), CLOCK)
    try:
        yield ward
    finally:
        ward.kill("the test is over", StopCause.SHUTDOWN)
        ward.close()


def turn(ward: Ward, at_most: float = 0.5) -> list[Heard]:
    """One turn of the loop."""
    wakes = ward.wakes
    seconds = at_most if wakes is None else min(at_most, max(0.0, wakes - CLOCK.monotonic()))
    select.select(ward.descriptors, [], [], seconds)
    return ward.attend()


def all_heard(ward: Ward) -> list[Heard]:
    """Everything until the end, which is the last."""
    heard: list[Heard] = []
    end = CLOCK.monotonic() + SECONDS
    while CLOCK.monotonic() < end:
        heard += turn(ward)
        if heard and isinstance(heard[-1], Ended):
            return heard
    raise AssertionError(f"it did not end; heard: {heard}")


def ended(ward: Ward) -> Ended:
    last = all_heard(ward)[-1]
    assert isinstance(last, Ended)
    return last


def log_of(state_dir: Path, ward: Ward) -> bytes:
    return (state_dir / "logs" / f"{ward.launch}.log").read_bytes()
