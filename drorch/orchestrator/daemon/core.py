"""The daemon's core: what it holds, and what it does when something is due, starts, is heard of, or ends.

Promise: whatever ended it, the next start tells the truth about what was running, and leaves no process of it behind.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from drorch.catalog.launches import Launches
from drorch.clock import Clock
from drorch.errors import ConfigError
from drorch.model.event import launch_ended, launch_started
from drorch.model.launch import Launch, LaunchState, Pause, StopCause
from drorch.model.timetable import next_due
from drorch.orchestrator.daemon.aftermath import Aftermath
from drorch.orchestrator.daemon.agenda import Agenda, launched_after
from drorch.orchestrator.daemon.house import House
from drorch.orchestrator.daemon.register import WELL, Register
from drorch.orchestrator.daemon.retelling import fault_in, retold
from drorch.orchestrator.daemon.roster import Entry, Roster
from drorch.orchestrator.daemon.runs import Failure, Running, Runs
from drorch.orchestrator.daemon.settling import (
    Ending,
    again_after_cut_off,
    cut_off,
    no_longer_asked,
    retry_of,
    settled,
    skipped,
)
from drorch.orchestrator.supervision.heard import Complained, Ended, Reported
from drorch.orchestrator.supervision.ward import Ward
from drorch.process.family import kill_family

STOPPED = "the daemon was stopped"
_KILL_SECONDS = 10.0


class Followers(Protocol):
    """Whoever wants to hear of launches while they go on."""

    def tell(self, launch: str, message: Mapping[str, object]) -> None:
        """Something was heard of a launch."""
        ...

    def tell_end(self, launch: Launch) -> None:
        """A launch is over."""
        ...


class Core:
    """The roster in force, the launches that wait and run, and what is done about them. Used by one thread."""

    def __init__(self, house: House, roster: Roster, clock: Clock) -> None:
        self.house = house
        self.roster = roster
        self.clock = clock
        self.register = Register(self._launches, self._complain)
        self.agenda = Agenda(roster, self.register)
        self.runs = Runs(self.register, self._start, clock)
        self.followers: list[Followers] = []
        self.pauses: list[Pause] = []
        self.since = clock.now()
        self.reloaded: datetime | None = None
        self.refused = ""
        self.stopping = False
        self._aftermath = Aftermath(house.open, house.spool, house.host, self._complain)

    def recover(self) -> None:
        """Find what an earlier daemon left: end what still runs of it, tell how it ended, take up what waited."""
        now = self.clock.now()
        killed_by = self.clock.monotonic() + _KILL_SECONDS
        self.look_at_pauses()
        for launch in self.register.unfinished():
            if launch.state is LaunchState.RUNNING:
                # What cannot be killed holds up the start once, not once for each launch.
                kill_family(launch.id, max(killed_by - self.clock.monotonic(), _KILL_SECONDS / 20))
                self._over(settled(launch, cut_off(launch), now), again_after_cut_off(launch, now))
            elif launch.due is None:
                self._over(skipped(launch, "the daemon ended before it began", now), None)
            else:
                self.enter(launch)
        for entry in self.roster.entries:
            self._make_up_for_the_end_of_another(entry, now)

    def _make_up_for_the_end_of_another(self, entry: Entry, now: datetime) -> None:
        """Launch what should have followed a job that ended when the daemon did."""
        ended = None if entry.after is None else self.register.newest_that_ended_well(entry.after, now)
        if ended is None or ended.ended is None:
            return
        served = self.register.last_due(entry.work.kind, entry.work.line, now)
        if ended.ended > (served or self.roster.since):
            self._claim(launched_after(entry, ended, now))

    def enter(self, launch: Launch) -> Launch:
        """Put a claimed launch in the queue; the launch, which is over already where it was not let in."""
        now = self.clock.now()
        taken = self.roster.taken_over(launch)
        if taken is None:
            launch = skipped(launch, no_longer_asked(launch), now)
            self.register.note(launch)
        else:
            launch = self.runs.enter(*taken, self.pauses, now)
        if launch.state.is_over:
            self._tell_end(launch, None)
        return launch

    def look(self) -> None:
        """Launch what is due, and start what may start."""
        if self.stopping:
            return
        for launch in self.agenda.look(self.clock.now()):
            self.enter(launch)
        for one in self.runs.start_ready(self.roster.bounds, self.pauses, self.clock.now()):
            if isinstance(one, Failure):
                self._end(one.launch, one.entry, one.ending)
            else:
                self.house.observer.observe(launch_started(one.launch))
        self._tell_whether_working()

    def attend(self) -> None:
        """Hear what those that run have to say, and see whether any has ended. Costs nothing where none has."""
        for running in list(self.runs.running.values()):
            self._hear(running)
        self._tell_whether_working()

    def stop(self, reason: str) -> None:
        """Launch nothing any more, and end what runs. What waits is taken up by the next start, if it is due."""
        self.stopping = True
        for waiting in [one.launch for one in self.runs.waiting.values() if one.launch.due is None]:
            self.cancel(waiting, reason)
        for running in self.runs.running.values():
            running.ward.stop(reason, StopCause.SHUTDOWN)

    def cancel(self, launch: Launch, reason: str) -> None:
        """Stop a launch that runs, or take one out of the queue."""
        running = self.runs.running.get(launch.id)
        if running is not None:
            running.ward.stop(reason, StopCause.CANCELLED)
        elif launch.id in self.runs.waiting:
            self._over(self.runs.drop(launch, reason, self.clock.now()), None)

    def reload(self) -> None:
        """Take over the configuration as it is now. Raises `ConfigError`; then the old one stays in force."""
        try:
            roster = self.house.load()
        except ConfigError as fault:
            faults = "; ".join(f"{one.subject}: {one.message}" for one in fault.problems)
            self.refused = f"{fault.message}: {faults}" if faults else fault.message
            self.house.note("error", f"the configuration in force stays: {self.refused}")
            raise
        self.roster, self.refused, self.reloaded = roster, "", self.clock.now()
        self.agenda = Agenda(roster, self.register)
        for gone in self.runs.follow(roster, self.clock.now()):
            self._tell_end(gone, None)
        self.house.note("info", "the configuration was read anew")

    def look_at_pauses(self) -> None:
        """Ask the catalog for the pauses in force: others may have set them."""
        self.pauses = self.register.pauses(self.clock.now())

    def _launches(self) -> Launches | None:
        catalog = self.house.open()
        return None if catalog is None else catalog.launches

    def _start(self, launch: Launch, entry: Entry) -> Ward:
        done = 0 if entry.parts is None else self.register.read_to_the_end(launch.work)
        return self.house.start(launch, entry, done)

    def _hear(self, running: Running) -> None:
        for heard in running.ward.attend():
            message = retold(heard)
            if message is not None:
                for follower in self.followers:
                    follower.tell(running.launch.id, message)
            match heard:
                case Reported(document):
                    running.fault = fault_in(document) or running.fault
                case Complained(text):
                    self.house.note("warning", f"{running.launch.work.line}: {text}")
                case Ended():
                    del self.runs.running[running.launch.id]
                    reason = heard.reason or running.fault
                    self._end(running.launch, running.entry, Ending(heard.exit_code, reason, heard.stopped))

    def _end(self, launch: Launch, entry: Entry, ending: Ending) -> None:
        """Settle a launch whose process has ended, or never began, and launch what follows from it."""
        now = self.clock.now()
        over = settled(launch, ending, now)
        if ending.stopped is StopCause.SHUTDOWN:
            retry = again_after_cut_off(launch, now)
        else:
            retry = retry_of(launch, ending, entry.conduct.retries, now, self._next_due(entry, launch))
        self._over(over, retry)
        if over.state in WELL:
            for follower in self.roster.following(over):
                self._claim(launched_after(follower, over, now))

    def _next_due(self, entry: Entry, launch: Launch) -> datetime | None:
        if entry.timetable is None or launch.due is None:
            return None
        return next_due(entry.timetable, launch.due, self.roster.since)

    def _over(self, over: Launch, retry: Launch | None) -> None:
        self.register.note(over)
        self._aftermath.settle(over, self.clock.now())
        self._tell_end(over, retry)
        if retry is not None:
            self._claim(retry)

    def _claim(self, launch: Launch) -> None:
        if self.register.claim(launch) and not self.stopping:
            self.enter(launch)

    def _tell_end(self, launch: Launch, retry: Launch | None) -> None:
        self.house.observer.observe(launch_ended(launch, self.clock.now(), None if retry is None else retry.begins))
        for follower in self.followers:
            follower.tell_end(launch)

    def _tell_whether_working(self) -> None:
        self.house.working(bool(self.runs.running))

    def _complain(self, message: str) -> None:
        self.house.note("warning", message)
