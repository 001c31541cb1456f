"""Pings: monitors outside are told when a job begins, ends well or fails, and that the daemon lives.

Promise: a monitor that fails, hangs or is slow neither fails nor delays a run, and holds up the end by no more than a
few seconds. What is told of a failure is redacted and bounded; a monitor's URL is told to nobody.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import TracebackType
from typing import Self

from drorch.clock import Clock
from drorch.model.event import Event, EventKind, Observer
from drorch.model.launch import LaunchState
from drorch.reporting.monitor import Monitor, Post, Refusal, address_of
from drorch.reporting.redaction import redact
from drorch.units import counted

LONGEST_BODY = 10_000
"""Bytes of a message; healthchecks keeps at least so many."""
FLUSH_SECONDS = 3.0
"""How long the end waits for what is not sent yet."""

_MOST_WAITING = 256
_TRIES = 3
_SOON_ENOUGH = 0.9
_BACK_OFF_SECONDS = 2.0
_NOTHING_TO_TELL = (LaunchState.SKIPPED, LaunchState.QUEUED, LaunchState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Monitors:
    """Who is told what: monitors of jobs by the jobs' names, and the daemon's `own`, that it lives, so often."""

    jobs: Mapping[str, Monitor] = field(default_factory=dict)
    own: Monitor | None = None
    every: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Sayings:
    """Where the texts come from: a launch's log by its id, empty where there is none.

    It is asked in another thread, and never raises.
    """

    log_of: Callable[[str], str] = lambda _: ""


@dataclass(frozen=True, slots=True)
class _Ping:
    monitor: Monitor
    signal: str
    run: str | None = None
    text: str = ""
    is_beat: bool = False


class Pinger:
    """An observer that tells monitors; as a context it sends what is left at the end.

    Of a launch that skipped or was cancelled, and of an attempt that is made again, nothing is told. A launch that is
    incomplete has failed for a monitor: it has no third colour. `journal` hears once that a monitor cannot be told, and
    once that it can again. Nothing here waits for a monitor but `close`.
    """

    def __init__(self, monitors: Monitors, journal: Observer, clock: Clock, sayings: Sayings | None = None) -> None:
        self._monitors = monitors
        self._journal = journal
        self._clock = clock
        self._sayings = sayings or Sayings()
        self._post = Post()
        self._waiting: deque[_Ping] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._failing: dict[str, int] = {}
        self._lost = 0
        self._last_beat: float | None = None
        self._was_well = True

    def use(self, monitors: Monitors) -> None:
        """From now on tell these."""
        self._monitors = monitors
        self._last_beat = None

    def observe(self, event: Event) -> None:
        """Tell the monitor of the job that an event is about, if it has one."""
        monitor = self._monitors.jobs.get(event.detail.get("job", ""))
        if monitor is None:
            return
        if event.kind is EventKind.LAUNCH_STARTED:
            self._put(_Ping(monitor, "start", event.run))
        elif event.kind is EventKind.LAUNCH_ENDED:
            self._put_end(monitor, event)
        elif event.kind is EventKind.OVERDUE:
            self._put(_Ping(monitor, "fail", text=event.message))

    def beat(self, trouble: Sequence[str]) -> None:
        """Tell the daemon's own monitor that it lives, and in what trouble.

        To be called as often as one likes: it is told every so often, and at once where trouble comes or goes. Trouble
        is told as a failure, so that one monitor is enough to hear of all that is overdue.
        """
        own, now, well = self._monitors.own, self._clock.monotonic(), not trouble
        # Whoever calls once a minute does so a little early or late.
        every = self._monitors.every.total_seconds() * _SOON_ENOUGH
        if own is None:
            return
        if self._last_beat is not None and now < self._last_beat + every and well is self._was_well:
            return
        self._last_beat, self._was_well = now, well
        self._put(_Ping(own, "" if well else "fail", text="\n".join(trouble), is_beat=True))

    def close(self, seconds: float = FLUSH_SECONDS) -> None:
        """Send what waits, each once and for so many seconds in all, then give up. Closing again does nothing."""
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
            thread, self._thread = self._thread, None
        if thread is None:
            return
        thread.join(seconds)
        with self._changed:
            self._waiting.clear()
        if thread.is_alive():
            self._post.cut()
            thread.join(seconds / 10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _put_end(self, monitor: Monitor, event: Event) -> None:
        state = event.detail.get("state", "")
        if state in _NOTHING_TO_TELL or "retry" in event.detail:
            return
        if state == LaunchState.OK:
            self._put(_Ping(monitor, "", event.run))
        else:
            self._put(_Ping(monitor, "fail", event.run, event.message))

    def _put(self, ping: _Ping) -> None:
        with self._changed:
            if self._closing.is_set():
                return
            if ping.is_beat:
                # Only the last word counts on whether the daemon is well.
                for older in [one for one in self._waiting if one.is_beat]:
                    self._waiting.remove(older)
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self._lost += 1
            self._waiting.append(ping)
            if self._thread is None or not self._thread.is_alive():
                self._begin_to_work()
            self._changed.notify_all()

    def _begin_to_work(self) -> None:
        thread = threading.Thread(target=self._work, name="pings", daemon=True)
        # Where no thread is to be had just now, the next ping tries again.
        with suppress(RuntimeError):
            thread.start()
            self._thread = thread

    def _work(self) -> None:
        while (ping := self._next()) is not None:
            self._tell(ping)
        self._post.close()

    def _next(self) -> _Ping | None:
        """The next one that waits; None once it is closing and none does."""
        with self._changed:
            while not self._waiting:
                if self._closing.is_set():
                    return None
                self._changed.wait()
            return self._waiting.popleft()

    def _tell(self, ping: _Ping) -> None:
        address, body = address_of(ping.monitor, ping.signal, ping.run), self._body(ping)
        refusal = self._post.send(address, body)
        # A monitor that fails is asked once each time, so that others need not wait for it.
        tries = 1 if ping.monitor.url in self._failing else _TRIES
        for attempt in range(1, tries):
            if refusal is None or not refusal.passing:
                break
            if self._clock.wait(_BACK_OFF_SECONDS * 2 ** (attempt - 1), self._closing):
                break
            refusal = self._post.send(address, body)
        self._note(ping.monitor, refusal)

    def _body(self, ping: _Ping) -> bytes:
        if ping.signal != "fail":
            return b""
        log = "" if ping.run is None else self._sayings.log_of(ping.run)
        head = _encoded(redact(ping.text))[: LONGEST_BODY // 2]
        tail = _encoded(redact(log))[-(LONGEST_BODY - len(head) - 1) :]
        return b"\n".join(filter(None, (head, tail)))

    def _note(self, monitor: Monitor, refusal: Refusal | None) -> None:
        """Tell the journal once that a monitor fails, and once that it works again."""
        about = f"the monitor of {monitor.subject} at {monitor.host}"
        with self._changed:
            lost, self._lost = self._lost, 0
        if lost:
            self._say(EventKind.PING_FAILED, monitor, f"{counted(lost, 'ping')} waited for too long and were given up")
        if refusal is None:
            missed = self._failing.pop(monitor.url, 0)
            if missed:
                self._say(
                    EventKind.PING_WORKS, monitor, f"{about} can be told again; it missed {counted(missed, 'ping')}"
                )
            return
        missed = self._failing.get(monitor.url, 0)
        self._failing[monitor.url] = missed + 1
        if not missed:
            self._say(EventKind.PING_FAILED, monitor, f"{about} cannot be told: {refusal.reason}")

    def _say(self, kind: EventKind, monitor: Monitor, message: str) -> None:
        self._journal.observe(Event(kind, self._clock.now(), monitor.subject, message))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "replace")
