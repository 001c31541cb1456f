"""The launches that wait and those that run: who is let in, who starts, and whose process has ended."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from drorch.clock import Clock
from drorch.errors import DrorchError
from drorch.model.launch import Launch, LaunchState, Pause, Work
from drorch.model.timetable import HORIZON, permitted_from
from drorch.orchestrator.daemon.queue import Waiting, in_the_way, is_under_way, ready, refusal
from drorch.orchestrator.daemon.register import Register
from drorch.orchestrator.daemon.roster import Bounds, Entry, Roster
from drorch.orchestrator.daemon.settling import Ending, no_longer_asked, skipped
from drorch.orchestrator.supervision.ward import Ward

Start = Callable[[Launch, Entry], Ward]
"""Starts the process of a launch. Raises `DrorchError` where it cannot."""


@dataclass(slots=True)
class Running:
    """A launch whose process runs, and who watches over it. `fault` is the error it told of last."""

    launch: Launch
    entry: Entry
    ward: Ward
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A launch that could not be started at all."""

    launch: Launch
    entry: Entry
    ending: Ending


class Runs:
    """The queue and the processes. Every change is written down in the register."""

    def __init__(self, register: Register, start: Start, clock: Clock) -> None:
        self._register = register
        self._start = start
        self._clock = clock
        self.waiting: dict[str, Waiting] = {}
        self.running: dict[str, Running] = {}

    @property
    def works(self) -> list[Work]:
        """What runs now."""
        return [one.launch.work for one in self.running.values()]

    def enter(self, launch: Launch, entry: Entry, pauses: Sequence[Pause], now: datetime) -> Launch:
        """Queue a claimed launch; the launch, which is over where it was not let in."""
        waiting = in_the_way(launch, (one.launch for one in self.waiting.values()), pauses, now)
        reason = refusal(launch, entry.conduct.overlap, waiting, lambda work: is_under_way(work, self.works))
        if reason is not None:
            launch = skipped(launch, reason, now)
            self._register.note(launch)
            return launch
        self.waiting[launch.id] = Waiting(launch, entry)
        return launch

    def drop(self, launch: Launch, reason: str, now: datetime) -> Launch:
        """Take a launch out of the queue."""
        del self.waiting[launch.id]
        launch = skipped(launch, reason, now)
        self._register.note(launch)
        return launch

    def follow(self, roster: Roster, now: datetime) -> list[Launch]:
        """Go by another roster: what waits is done as that says. What runs goes on as it began.

        Answers what waited and is not asked for any more, which is over.
        """
        gone = []
        for one in list(self.waiting.values()):
            taken = roster.taken_over(one.launch)
            if taken is None:
                gone.append(self.drop(one.launch, no_longer_asked(one.launch), now))
            else:
                self.waiting[one.launch.id] = Waiting(*taken)
        return gone

    def mind_the_clock(self, now: datetime) -> None:
        """Where the clock was put back since something was asked for, let it wait no longer than it was to."""
        for one in self.waiting.values():
            ahead = one.launch.asked - now
            if ahead > timedelta(0):
                launch = replace(one.launch, asked=now, begins=one.launch.begins - ahead)
                self.waiting[launch.id] = replace(one, launch=launch)

    def start_ready(self, bounds: Bounds, pauses: Sequence[Pause], now: datetime) -> Iterator[Running | Failure]:
        """Start all that may, in their order. What is meant for a window that has passed waits for the next."""
        self.mind_the_clock(now)
        for one in list(ready(self.waiting.values(), self.works, bounds, pauses, now)):
            launch, entry = one.launch, one.entry
            if launch.due is not None and entry.timetable is not None:
                opens = permitted_from(entry.timetable, now) or now + HORIZON
                if opens > now:
                    self.waiting[launch.id] = replace(one, launch=replace(launch, begins=opens))
                    continue
            del self.waiting[launch.id]
            try:
                ward = self._start(launch, entry)
            except DrorchError as fault:
                yield Failure(launch, entry, Ending(fault.exit_code, fault.message))
                continue
            launch = replace(launch, state=LaunchState.RUNNING, started=self._clock.now(), process=ward.identity)
            running = Running(launch, entry, ward)
            self.running[launch.id] = running
            self._register.note(launch)
            yield running

    def next_start(self, now: datetime) -> datetime | None:
        """When the next of those that wait for their time may begin; those that wait for room have no time."""
        return min((one.launch.begins for one in self.waiting.values() if one.launch.begins > now), default=None)
