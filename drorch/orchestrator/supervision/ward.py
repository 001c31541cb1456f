"""A ward: one running launch, under the eyes of the daemon's loop.

How it is used. `Ward(charge, clock)` starts the worker, in the main thread. The loop watches `descriptors` for reading
and calls `attend` when one is ready or `wakes` is reached: it gives what was heard, and at last an `Ended`, after which
nothing of the launch's family is left alive and nothing more is to be watched. `stop` asks it to end, `kill` does not
ask. Nothing here waits, and whatever a worker says or writes costs a bounded time and a bounded memory at each call.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from drorch.clock import Clock
from drorch.errors import Outcome
from drorch.model.conduct import Allowance, DiskPriority
from drorch.model.launch import StopCause
from drorch.orchestrator.supervision.heard import Complained, Ended, Heard, Moved, Reported, Said, understood
from drorch.orchestrator.supervision.log import Log
from drorch.orchestrator.supervision.order import Order, Stop
from drorch.process.family import QUIET_LOOKS, strike
from drorch.process.identity import ProcessIdentity
from drorch.process.supervised import Supervised, Terms, WorkerEnd, worker_command
from drorch.units import duration_text

GRACE = timedelta(seconds=30)
_MOST_LINES, _LAST_LINES = 32, 4096
_MOST_PIECES, _LAST_PIECES = 16, 256
_GLANCE_SECONDS = 0.05
_BURIAL_SECONDS = 10.0
_SPOKEN_FOR = frozenset({Outcome.OK, Outcome.SOURCE_INCOMPLETE, Outcome.COPY_MISSING})
"""Exit codes of workers whose reports tell all there is."""

_IONICE = {DiskPriority.IDLE: ("-c", "3"), DiskPriority.LOW: ("-c", "2", "-n", "7"), DiskPriority.NORMAL: ()}


@dataclass(frozen=True, slots=True)
class Charge:
    """What is to be run and under which care.

    `variables` are those of the environment that the worker may have beside the harmless ones. It is stopped after
    `max_runtime`, and killed `grace` after it was asked to stop. Its log is kept in `state_dir`.
    """

    order: Order
    state_dir: Path
    variables: tuple[str, ...] = ()
    allowance: Allowance = field(default_factory=Allowance)
    max_runtime: timedelta | None = None
    grace: timedelta = GRACE
    command: tuple[str, ...] = ()
    """What is started instead of `drorch worker`: empty but where the worker itself is not what is tried."""


class Ward:
    """One running launch."""

    def __init__(self, charge: Charge, clock: Clock) -> None:
        """Start it. Raises `ChildFailed`."""
        self._charge = charge
        self._clock = clock
        self.launch = charge.order.launch
        self.progress: Moved | None = None
        """How far it was when it was last heard of."""
        allowance = charge.allowance
        terms = Terms(self.launch, charge.variables, allowance.nice, _IONICE[allowance.disk])
        self._worker = Supervised(charge.command or worker_command(self.launch), terms)
        self._log = Log(charge.state_dir, self.launch)
        self._unheard = self._worker.complaints
        self._log_complained = False
        self._worker.say(charge.order.to_json())
        self._hears = self._reads = True
        self._deadline = None if charge.max_runtime is None else clock.monotonic() + charge.max_runtime.total_seconds()
        self._stop: Stop | None = None
        self._asked: float | None = None
        self._pressed = self._killing = False
        self._complaint = ""
        self._is_told_why = False
        self._end: WorkerEnd | None = None
        self._buried_by = 0.0
        self._quiet_looks = 0
        self._is_over = False

    @property
    def identity(self) -> ProcessIdentity:
        """The worker's process, which leads a session of its own."""
        return self._worker.identity

    @property
    def tail(self) -> str:
        """The end of its log: at most 8 KiB."""
        return self._log.tail

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What to watch for reading now: to be asked for again after each `attend`. Empty when it has ended."""
        if self._is_over:
            return ()
        line = (self._worker.line.fileno(),) if self._hears else ()
        output = (self._worker.output,) if self._reads else ()
        return (*line, *output, *(() if self._end is not None else (self._worker.pidfd,)))

    @property
    def wakes(self) -> float | None:
        """When to call `attend` even if nothing is ready, by the clock's `monotonic`; None: not at all."""
        if self._is_over:
            return None
        if self._end is not None or self._killing or self._unheard:
            return self._clock.monotonic() + _GLANCE_SECONDS
        if self._asked is None:
            return self._deadline
        grace = self._charge.grace.total_seconds()
        return self._asked + (grace if self._pressed else grace / 2)

    def stop(self, reason: str, cause: StopCause) -> None:
        """Ask it to end, for a reason that its runs will say: "somebody cancelled it". The first reason counts."""
        if self._asked is not None or self._is_over:
            return
        self._stop = Stop(reason, cause)
        self._asked = self._clock.monotonic()
        self._log.line(f"it is to stop: {reason}")
        if not self._worker.say(self._stop.to_json()):
            self._press()

    def kill(self, reason: str, cause: StopCause) -> None:
        """Kill it with all its family now; that it has ended is heard as always."""
        if not self._is_over:
            self._stop = self._stop or Stop(reason, cause)
            self._killing = True
            strike(self.launch)

    def attend(self) -> list[Heard]:
        """See to it: what was heard since the last time, in order. Never raises for what a worker does, never waits."""
        if self._is_over:
            return []
        self._end = self._end or self._worker.end()
        heard = list(self._listen(_MOST_LINES))
        self._read(_MOST_PIECES)
        if self._log.complaint and not self._log_complained:
            self._log_complained = True
            self._unheard.append(self._log.complaint)
        heard += [Complained(text) for text in self._unheard]
        self._unheard = []
        if self._end is None:
            self._watch_the_time()
        elif self._is_buried():
            # Nobody is left who could write: this comes to an end.
            heard += self._listen(_LAST_LINES)
            self._read(_LAST_PIECES)
            heard.append(self._finish(self._end))
        return heard

    def close(self) -> None:
        """Let go of it; the worker is killed if it still runs. Closing twice is fine."""
        self._is_over = True
        self._worker.close()
        self._log.close()

    def _listen(self, most: int) -> Iterator[Heard]:
        for _ in range(most):
            line = self._worker.hear() if self._hears else None
            if line is None:
                return
            if not line:
                self._hears = False
                return
            heard = understood(line)
            if heard is not None:
                self._keep(heard)
                yield heard

    def _keep(self, heard: Heard) -> None:
        match heard:
            case Moved():
                self.progress = heard
            case Said(level, message):
                self._log.line(f"{level}: {message}")
            case Complained(text):
                self._complaint = text
                self._log.line(f"complaint: {text}")
            case Reported(document):
                self._is_told_why = self._is_told_why or document.get("fault") is not None
            case Ended():
                pass

    def _read(self, pieces: int) -> None:
        for _ in range(pieces):
            piece = self._worker.read_output() if self._reads else None
            if piece is None:
                return
            if not piece:
                self._reads = False
                return
            self._log.write(piece)

    def _watch_the_time(self) -> None:
        now = self._clock.monotonic()
        if self._deadline is not None and now >= self._deadline and self._asked is None:
            assert self._charge.max_runtime is not None
            self.stop(f"it took longer than {duration_text(self._charge.max_runtime)}", StopCause.OVERRUN)
        if self._asked is not None:
            waited = now - self._asked
            if waited >= self._charge.grace.total_seconds() / 2 and not self._pressed:
                self._press()
            if waited >= self._charge.grace.total_seconds():
                self._killing = True
        if self._killing:
            strike(self.launch)

    def _press(self) -> None:
        """Ask it as anybody would: perhaps it does not listen."""
        self._pressed = True
        self._worker.signal(signal.SIGTERM)

    def _is_buried(self) -> bool:
        """Whether nothing of the family is left, or what is left cannot be killed; to be asked again and again."""
        now = self._clock.monotonic()
        self._buried_by = self._buried_by or now + _BURIAL_SECONDS
        while self._quiet_looks < QUIET_LOOKS:
            if strike(self.launch):
                self._quiet_looks = 0
                return now >= self._buried_by
            self._quiet_looks += 1
        return True

    def _finish(self, end: WorkerEnd) -> Ended:
        # Who was asked to stop and ended well all the same had done everything.
        stopped = self._stop if end.code != 0 else None
        if stopped is not None:
            reason = f"it was stopped: {stopped.reason}"
        elif end.code is None:
            reason = f"its process {end.words}"
        else:
            reason = "" if self._is_told_why or end.code in _SPOKEN_FOR else self._complaint
        self._log.line(f"its process {end.words}")
        self.close()
        return Ended(end.code, reason, None if stopped is None else stopped.cause, end.out_of_memory)
