"""A daemon's core of a few lines behind a real socket, served by a real loop in a thread."""

import contextlib
import json
import queue
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from drorch.clock import SystemClock
from drorch.errors import ConfigError, JobBusy, UsageError
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.names import JobName, TargetName
from drorch.model.run import Trigger
from drorch.orchestrator.control.contract import Coming, DaemonStanding, Going, Identity, PauseOrder, RunOrder
from drorch.orchestrator.control.listener import connect, listen
from drorch.orchestrator.control.server import ControlServer
from drorch.orchestrator.doer import Doer

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
PATIENCE = 30.0


def launch_of(job: str, **more: Any) -> Launch:
    """A launch of a job that somebody asked for."""
    work = Work(WorkKind.JOB, job, job, (TargetName("onsite"),))
    return replace(Launch(uuid4().hex, work, Trigger.HAND, NOON, NOON), **more)


@dataclass
class Desk:
    """Knows some jobs, remembers who asked for what, and runs nothing."""

    who: Identity
    jobs: tuple[str, ...] = ("homes", "orders")
    asked: list[tuple[str, object, Doer]] = field(default_factory=list)
    launches: list[Launch] = field(default_factory=list)
    pauses: list[Pause] = field(default_factory=list)
    coming: tuple[Coming, ...] = ()
    broken: ConfigError | None = None
    skipped: str = ""
    ran: Callable[[Launch], None] = lambda _launch: None
    stopped: Callable[[Launch], None] = lambda _launch: None

    def identity(self) -> Identity:
        return self.who

    def standing(self) -> DaemonStanding:
        going = tuple(Going(one, {"kind": "backup", "target": "onsite", "files_done": 3}) for one in self.launches)
        return DaemonStanding(self.who, 4711, NOON, going=going, coming=self.coming, pauses=tuple(self.pauses))

    def run(self, order: RunOrder, doer: Doer) -> Sequence[Launch]:
        self._require(order.jobs)
        self.asked.append(("run", order, doer))
        if "busy" in order.jobs:
            raise JobBusy("job busy is being run already", hint="Wait for it to end: drorch status")
        launches = [launch_of(job, user=doer.user) for job in order.jobs]
        if self.skipped:
            launches = [replace(one, state=LaunchState.SKIPPED, reason=self.skipped, exit_code=61) for one in launches]
        self.launches.extend(one for one in launches if not one.state.is_over)
        for launch in launches:
            self.ran(launch)
        return launches

    def pause(self, order: PauseOrder, doer: Doer) -> Sequence[Pause]:
        self._require(order.jobs)
        self.asked.append(("pause", order, doer))
        made = [Pause(job, NOON, doer.user, order.until, order.reason) for job in order.jobs or ("",)]
        self.pauses.extend(made)
        return made

    def resume(self, jobs: Sequence[JobName], doer: Doer) -> Sequence[Pause]:
        self.asked.append(("resume", tuple(jobs), doer))
        ended = [one for one in self.pauses if not jobs or one.job in jobs]
        self.pauses = [one for one in self.pauses if one not in ended]
        return ended

    def cancel(self, what: str, doer: Doer) -> Sequence[Launch]:
        self.asked.append(("cancel", what, doer))
        meant = [one for one in self.launches if one.work.name == what or one.id.startswith(what)]
        if not meant:
            raise UsageError(f"there is no launch {what}", hint="Type: drorch status")
        for launch in meant:
            self.stopped(launch)
        return meant

    def reload(self, doer: Doer) -> Identity:
        self.asked.append(("reload", None, doer))
        if self.broken is not None:
            raise self.broken
        return self.who

    def _require(self, jobs: Sequence[str]) -> None:
        for job in jobs:
            if job not in (*self.jobs, "busy"):
                raise ConfigError(f'there is no job "{job}" in {self.who.config}', hint="Its jobs: homes, orders.")


@dataclass
class Served:
    """A desk that is open: its socket's path, and a way to do things in its loop's thread."""

    path: Path
    desk: Desk
    server: ControlServer
    todo: "queue.SimpleQueue[Callable[[], None]]"
    now: float = 0.0
    turns: int = 0

    def do(self, deed: Callable[[], None]) -> None:
        """Have the loop do something, and wait until it has."""
        done = threading.Event()

        def both() -> None:
            deed()
            done.set()

        self.todo.put(both)
        assert done.wait(PATIENCE)

    def call(self) -> "Line":
        """A bare connection to the desk."""
        return Line(connect(self.path, PATIENCE))

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        ends = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < ends
            time.sleep(0.01)


@contextlib.contextmanager
def served(place: Path, desk: Desk | None = None) -> Iterator[Served]:
    """Serve a desk at a path until the block ends."""
    who = Identity("1.0", place.parent / "jobs.toml", place.parent / "state", "d" * 64)
    desk = desk or Desk(who)
    server = ControlServer(listen(place), desk, SystemClock())
    open_desk = Served(place, desk, server, queue.SimpleQueue())
    stop = threading.Event()
    thread = threading.Thread(target=_turn, args=(open_desk, stop))
    thread.start()
    try:
        yield open_desk
    finally:
        stop.set()
        thread.join()
        server.close()


def _turn(served: Served, stop: threading.Event) -> None:
    with selectors.DefaultSelector() as selector:
        for descriptor in served.server.descriptors():
            selector.register(descriptor, selectors.EVENT_READ)
        while not stop.is_set():
            for key, _ in selector.select(0.01):
                served.server.attend(key.fd)
                served.turns += 1
            served.server.tick(served.now)
            while not served.todo.empty():
                served.todo.get()()


class Line:
    """A caller that says whatever it likes."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._heard = connection.makefile("rb")

    def __enter__(self) -> "Line":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._heard.close()
        self.connection.close()

    def say(self, **request: object) -> None:
        self.connection.sendall(json.dumps(request).encode() + b"\n")

    def hear(self) -> dict[str, Any]:
        """The next line; an empty dict where there is none any more."""
        line = self._heard.readline()
        said: dict[str, Any] = json.loads(line) if line else {}
        return said

    def ask(self, **request: object) -> dict[str, Any]:
        self.say(**request)
        return self.hear()
