"""Shows how far an action is, from a thread of its own: a bar on a terminal, a line a second with --json."""

import importlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from drorch.actions.progress import Counters, Progress, Step
from drorch.cli.output.writer import Output
from drorch.clock import Clock, SystemClock

_BAR_SECONDS = 0.2
_STATUS_SECONDS = 1.0


class _Display(Protocol):
    def show(self, step: Step) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _StatusLines:
    output: Output
    clock: Clock
    started: float

    def show(self, step: Step) -> None:
        self.output.message(
            {
                "message_type": "status",
                "seconds_elapsed": int(self.clock.monotonic() - self.started),
                "percent_done": min(1.0, step.bytes_done / step.bytes_total) if step.bytes_total else 0.0,
                "total_files": step.files_total,
                "files_done": step.files_done,
                "total_bytes": step.bytes_total,
                "bytes_done": step.bytes_done,
                **({"current_files": [step.current]} if step.current else {}),
            }
        )

    def close(self) -> None:
        """Nothing to give back."""


@contextmanager
def showing(output: Output, verb: str, *, terminal: bool, clock: Clock | None = None) -> Iterator[Progress]:
    """Counters to hand to an action; shown until the block ends, and nothing is left on the screen afterwards.

    `terminal` says whether somebody looks at stderr. Without a terminal and without --json nothing is shown.
    """
    counters = Counters()
    clock = clock or SystemClock()
    display: _Display
    if output.json and output.verbosity >= 0:
        display, seconds = _StatusLines(output, clock, clock.monotonic()), _STATUS_SECONDS
    elif terminal and not output.json and output.verbosity >= 0:
        display, seconds = importlib.import_module("drorch.cli.output.terminal").bar(verb), _BAR_SECONDS
    else:
        yield counters
        return
    ended = threading.Event()
    thread = threading.Thread(target=_tick, args=(display, counters, ended, seconds), daemon=True)
    thread.start()
    try:
        yield counters
    finally:
        ended.set()
        thread.join()
        display.close()


def _tick(display: _Display, counters: Counters, ended: threading.Event, seconds: float) -> None:
    while not ended.wait(seconds):
        display.show(counters.step())
