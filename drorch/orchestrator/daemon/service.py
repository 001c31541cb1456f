"""The daemon from its start to its end: it recovers, turns until it is told to stop, and leaves nothing behind."""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from datetime import datetime, timedelta

from drorch.clock import Clock
from drorch.errors import ConfigError
from drorch.orchestrator.control.listener import listen
from drorch.orchestrator.control.server import ControlServer
from drorch.orchestrator.daemon.core import STOPPED, Core
from drorch.orchestrator.daemon.desk import Desk
from drorch.orchestrator.daemon.house import House
from drorch.orchestrator.daemon.loop import LONGEST_WAIT_SECONDS, wait_for
from drorch.orchestrator.daemon.roster import Roster
from drorch.orchestrator.daemon.signals import Signals, heard

_PATROL_EVERY = timedelta(minutes=1)
_UPKEEP_EVERY = timedelta(hours=6)
_LAUNCHES_ARE_KEPT = timedelta(days=400)


def serve(house: House, roster: Roster, clock: Clock) -> None:
    """Be the daemon until SIGTERM or SIGINT comes, as the only one of the state_dir. Raises `SocketRefused`."""
    with ExitStack() as held:
        signals = held.enter_context(heard())
        core = Core(house, roster, clock)
        server = ControlServer(listen(house.socket), Desk(core), clock)
        held.callback(server.close)
        core.followers.append(server)
        core.recover()
        _Turning(core, server, signals).until_the_end()


class _Turning:
    """The loop."""

    def __init__(self, core: Core, server: ControlServer, signals: Signals) -> None:
        self._core = core
        self._server = server
        self._signals = signals
        self._every = (
            _Recurring(_PATROL_EVERY, self._patrol),
            _Recurring(_UPKEEP_EVERY, self._upkeep),
        )

    def until_the_end(self) -> None:
        core, house = self._core, self._core.house
        house.note("info", f"the daemon works: {len(core.roster.entries)} lines of jobs and maintenance")
        house.announcer.ready(self._status())
        # Who was told to stop while it recovered begins nothing.
        self._answer_signals()
        while not (core.stopping and not core.runs.running):
            self._turn()
        house.note("info", "the daemon has ended")

    def _turn(self) -> None:
        core, house = self._core, self._core.house
        for recurring in self._every:
            recurring.look(core.clock)
        core.look()
        house.announcer.turned()
        house.announcer.status(self._status())
        for descriptor in wait_for(self._watched(), self._moments(), self._longest_wait(), core.clock):
            self._server.attend(descriptor)
        core.attend()
        self._server.tick(core.clock.monotonic())
        self._answer_signals()

    def _watched(self) -> list[int]:
        wards = [descriptor for one in self._core.runs.running.values() for descriptor in one.ward.descriptors]
        return [self._signals.descriptor, *self._server.descriptors(), *wards]

    def _moments(self) -> list[datetime | None]:
        if self._core.stopping:
            return []
        return [self._core.agenda.next_look, self._core.runs.next_start(self._core.clock.now())]

    def _longest_wait(self) -> float:
        now = self._core.clock.monotonic()
        wards = [one.ward.wakes - now for one in self._core.runs.running.values() if one.ward.wakes is not None]
        return min([LONGEST_WAIT_SECONDS, self._core.house.announcer.longest_wait or LONGEST_WAIT_SECONDS, *wards])

    def _answer_signals(self) -> None:
        for came in self._signals.taken():
            self._answer(came)

    def _answer(self, came: signal.Signals) -> None:
        core, announcer = self._core, self._core.house.announcer
        if came is signal.SIGHUP:
            announcer.reloading()
            try:
                core.reload()
            except ConfigError:
                announcer.ready(f"the new configuration is refused: {core.refused}")
            else:
                announcer.ready(self._status())
        else:
            core.house.note("info", f"{came.name} came: what runs is ended, then the daemon")
            announcer.stopping()
            core.stop(STOPPED)

    def _patrol(self) -> None:
        core = self._core
        core.look_at_pauses()
        core.register.catch_up()
        core.house.patrol()

    def _upkeep(self) -> None:
        self._core.register.forget_before(self._core.clock.now() - _LAUNCHES_ARE_KEPT)
        for keep in self._core.house.upkeep:
            keep()

    def _status(self) -> str:
        runs, coming = self._core.runs, self._core.agenda.upcoming()
        said = [f"{len(runs.running)} running", f"{len(runs.waiting)} waiting"]
        if coming:
            zone = coming[0].entry.timetable.zone if coming[0].entry.timetable else None
            said.append(f"next: {coming[0].entry.work.line} at {coming[0].begins.astimezone(zone):%a %H:%M %Z}")
        return ", ".join(said)


class _Recurring:
    """Something that is done now and then, the first time at once. Time is counted as it passes, not on the wall."""

    def __init__(self, every: timedelta, do: Callable[[], None]) -> None:
        self._every = every.total_seconds()
        self._do = do
        self._done: float | None = None

    def look(self, clock: Clock) -> None:
        """Do it if it is time."""
        now = clock.monotonic()
        if self._done is None or now - self._done >= self._every:
            self._done = now
            self._do()
