"""The daemon's own log: a line for each event and note, for people at a terminal or for machines that collect them.

Promise: whatever is told, a line is one line, bounded, and free of known secrets; a log that cannot be written stops
nothing.
"""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import IntEnum
from zoneinfo import ZoneInfo

from drorch.clock import Clock
from drorch.model.event import Event, EventKind
from drorch.model.launch import LaunchState
from drorch.reporting.redaction import redact

LONGEST_MESSAGE = 4096
"""Characters of a message, and of a value beside it, that are kept; the middle is left out of longer ones."""


class Level(IntEnum):
    """How grave a line is."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40

    @property
    def word(self) -> str:
        """As it is written in the log."""
        return self.name.lower()


_GRAVE = {
    EventKind.OVERDUE: Level.ERROR,
    EventKind.VIGIL_BLIND: Level.ERROR,
    EventKind.SNAPSHOT_VANISHED: Level.ERROR,
    EventKind.SNAPSHOT_CHANGED: Level.ERROR,
    EventKind.FINDING_OPENED: Level.WARNING,
    EventKind.PING_FAILED: Level.WARNING,
    EventKind.RECORD_SPOOLED: Level.WARNING,
}
_OF_ENDINGS: Mapping[str, Level] = {
    LaunchState.FAILED.value: Level.ERROR,
    LaunchState.INCOMPLETE.value: Level.WARNING,
    LaunchState.SKIPPED.value: Level.WARNING,
}
_TAKEN = ("time", "level", "message")
"""Keys of a line that no detail may take the place of."""

Style = Callable[[datetime, Level, str, Mapping[str, str]], str]
"""Makes a line of a time, a level, a message and what else is known of it."""


def machine_style(at: datetime, level: Level, message: str, detail: Mapping[str, str]) -> str:
    """One JSON object, in ASCII: whatever is in it, no terminal and no collector is misled."""
    return json.dumps({"time": at.isoformat(), "level": level.word, "message": message, **detail})


def human_style(zone: ZoneInfo, visible: Callable[[str], str]) -> Style:
    """A line for people: the time as clocks in `zone` show it, the level where it matters, the message made visible."""

    def line(at: datetime, level: Level, message: str, _: Mapping[str, str]) -> str:
        gravity = f"{level.word}: " if level >= Level.WARNING else ""
        return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S} {gravity}{visible(message)}"

    return line


class Journal:
    """Hears of events, takes notes, and writes each as a line with `write`; may be used from several threads.

    `write` gets a line without its end.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        style: Style,
        clock: Clock,
        *,
        least: Level = Level.INFO,
    ) -> None:
        self._write = write
        self._style = style
        self._clock = clock
        self._least = least
        self._lock = threading.Lock()

    def observe(self, event: Event) -> None:
        """Write down an event."""
        about = {"event": event.kind.value, "subject": event.subject}
        run = {} if event.run is None else {"run": event.run}
        self._put(event.at, level_of(event), event.message, {**about, **run, **event.detail})

    def note(self, level: Level, message: str, **detail: str) -> None:
        """Write down anything else that is worth knowing."""
        self._put(self._clock.now(), level, message, detail)

    def _put(self, at: datetime, level: Level, message: str, detail: Mapping[str, str]) -> None:
        if level < self._least:
            return
        kept = {key: _bounded(redact(value)) for key, value in detail.items() if key not in _TAKEN}
        line = self._style(at, level, _bounded(redact(message)), kept)
        # A log whose reader is gone, or whose disk is full, is no reason to stop.
        with self._lock, suppress(OSError, ValueError):
            self._write(line)


def level_of(event: Event) -> Level:
    """How grave an event is."""
    if event.kind is EventKind.LAUNCH_ENDED:
        return _OF_ENDINGS.get(event.detail.get("state", ""), Level.INFO)
    if event.kind is EventKind.RUN_ENDED:
        return _OF_ENDINGS.get(event.detail.get("outcome", ""), Level.INFO)
    return _GRAVE.get(event.kind, Level.INFO)


def _bounded(text: str) -> str:
    if len(text) <= LONGEST_MESSAGE:
        return text
    half = LONGEST_MESSAGE // 2
    return f"{text[:half]} ... {text[-half:]}"
