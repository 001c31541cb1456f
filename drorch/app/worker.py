"""What a worker of the daemon does: one launch, carried out here and told of over the line.

Promise: nothing that is told holds a secret that this process has read, and no line is longer than the line takes.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from drorch import __version__
from drorch.actions.check import CheckRequest, ReadBucket, ReadNothing
from drorch.actions.check import check as look_for_damage
from drorch.actions.progress import Counters, Progress
from drorch.app.books import kept_books
from drorch.app.configuration import load_in_force
from drorch.app.door import opened
from drorch.app.jobs import JobRuns, run_jobs, told_of
from drorch.app.targets import access_of
from drorch.app.told import Told
from drorch.clock import Clock, SystemClock
from drorch.config.configuration import Configuration
from drorch.errors import IntegrityError, Problem
from drorch.model.launch import WorkKind
from drorch.model.run import RunKind
from drorch.orchestrator.checking import Checker
from drorch.orchestrator.doer import Doer, Occasion
from drorch.orchestrator.errand import Errand
from drorch.orchestrator.supervision.order import Order
from drorch.process.supervised import LONGEST_LINE
from drorch.secrets import redacted

_LOCK_PATIENCE = timedelta(minutes=10)
"""How long a launch waits for a repository that somebody has locked: a prune elsewhere is no reason to fail."""
_PROGRESS_SECONDS = 1.0
_MOST_CHARACTERS = 8192
_MOST_ALARMS = 100
_MARGIN = 1024


class Line(Protocol):
    """What a voice speaks into."""

    def say(self, text: str, *, may_wait: bool = True) -> None:
        """Send a line of JSON; one that may not wait is dropped where nobody listens just now."""
        ...


class Voice:
    """Tells the daemon what happens here. For any thread."""

    def __init__(self, line: Line, clock: Clock | None = None) -> None:
        self._line = line
        self._clock = clock or SystemClock()
        self._next_progress = 0.0

    def note(self, message: str) -> None:
        """A line for the log."""
        self._say("log", {"level": "note", "message": message[:_MOST_CHARACTERS]})

    def complain(self, message: str) -> None:
        """Something that no run is to be blamed for."""
        self._say("complaint", message[:_MOST_CHARACTERS])

    def tell(self, told: Told) -> None:
        """A run has ended."""
        told = replace(told, alarms=told.alarms[:_MOST_ALARMS])
        blotted = Told.of(_redacted(told.document()))
        self._line.say(_json({"told": blotted.within(LONGEST_LINE - _MARGIN).document()}))

    @contextmanager
    def progressing(self, kind: RunKind, target: str) -> Iterator[Progress]:
        """Counters of a run that begins on a target; told of at once and then every second."""
        counters = Counters()
        ended = threading.Event()

        def tick() -> None:
            self._tell_progress(kind, target, counters)
            while not ended.wait(_PROGRESS_SECONDS):
                self._tell_progress(kind, target, counters)

        thread = threading.Thread(target=tick, daemon=True, name="progress")
        thread.start()
        try:
            yield counters
        finally:
            ended.set()
            thread.join()

    def _tell_progress(self, kind: RunKind, target: str, counters: Counters) -> None:
        now = self._clock.monotonic()
        if now < self._next_progress:
            return
        self._next_progress = now + 0.9 * _PROGRESS_SECONDS
        step = asdict(counters.step())
        step["current"] = step["current"][:_MOST_CHARACTERS]
        self._say("progress", {"kind": kind.value, "target": target, **step}, may_wait=False)

    def _say(self, word: str, value: object, *, may_wait: bool = True) -> None:
        self._line.say(_json({word: _redacted(value)}), may_wait=may_wait)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _redacted(value: Any) -> Any:
    match value:
        case str():
            return redacted(value)
        case dict():
            return {name: _redacted(one) for name, one in value.items()}
        case list() | tuple():
            return [_redacted(one) for one in value]
    return value


def carry_out(order: Order, voice: Voice, clock: Clock | None = None) -> int:
    """Do what the order says, and tell of it; the exit code, as `drorch run` has it.

    Raises what loading the configuration raises, what a check of a target raises, and what interrupts a run.
    """
    clock = clock or SystemClock()
    configuration = load_in_force(Path(order.config), Path(order.copy) if order.copy else None)
    occasion = Occasion(Doer(order.user, order.uid, order.tty), order.trigger, order.launch)
    if order.kind is WorkKind.JOB:
        return _run_job(configuration, order, occasion, voice, clock)
    return _check_target(configuration, order, occasion, voice, clock)


def _run_job(configuration: Configuration, order: Order, occasion: Occasion, voice: Voice, clock: Clock) -> int:
    worst = 0
    wanted = JobRuns((order.name,), order.targets or None, _LOCK_PATIENCE, voice.note, occasion)
    for told in run_jobs(configuration, wanted, clock, voice.progressing):
        if isinstance(told, str):
            voice.complain(told)
        else:
            voice.tell(told_of(told))
            worst = max(worst, told.exit_code)
    return worst


def _check_target(configuration: Configuration, order: Order, occasion: Occasion, voice: Voice, clock: Clock) -> int:
    target = order.name
    access = replace(access_of(configuration, target), tell=voice.note)
    request = CheckRequest(ReadNothing() if order.part is None else ReadBucket(*order.part))
    errand = Errand(
        kind=RunKind.CHECK,
        target=target,
        host=configuration.host,
        doer=occasion.doer,
        config_hash=configuration.digest,
        versions={"drorch": __version__},
        trigger=occasion.trigger,
        launch=occasion.launch,
    )
    with kept_books(configuration, clock) as books:
        try:
            with voice.progressing(RunKind.CHECK, target) as progress:
                done = Checker(books, clock).check(
                    errand, lambda: opened(access), lambda repository: look_for_damage(repository, request, progress)
                )
        finally:
            for complaint in dict.fromkeys(books.complaints):
                voice.complain(complaint)
    alarms = tuple(Problem(target, alarm.event.message) for alarm in done.alarms)
    code = IntegrityError.exit_code if alarms else done.report.exit_code
    voice.tell(Told(done.run, code, alarms))
    return code
