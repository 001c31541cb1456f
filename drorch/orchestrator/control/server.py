"""The daemon's end of its socket, for a loop that must never wait: it answers callers, and tells them what they follow.

All descriptors of the callers stand behind a single one, so that the loop watches one that never changes.
"""

import selectors
from collections.abc import Mapping

from drorch.clock import Clock
from drorch.errors import DrorchError
from drorch.model.launch import Launch
from drorch.orchestrator.control import requests
from drorch.orchestrator.control.caller import Caller
from drorch.orchestrator.control.contract import Control, PauseOrder, RunOrder
from drorch.orchestrator.control.listener import Listener
from drorch.orchestrator.control.requests import Request
from drorch.orchestrator.control.wording import said_fault, said_identity, said_launch, said_pause, said_standing

MOST_CALLERS = 32
MOST_AT_ONCE = 16
"""Requests that a caller may make in one breath."""
_NEWS = "progress"


class ControlServer:
    """Serves whoever calls. Used by one thread; no method waits, and none raises for anything that a caller does.

    It takes over the listener and closes it.
    """

    def __init__(self, listener: Listener, control: Control, clock: Clock) -> None:
        self._listener = listener
        self._control = control
        self._clock = clock
        self._callers: dict[int, Caller] = {}
        self._watch = selectors.EpollSelector()
        self._accepts = False
        self._accept_again()

    def descriptors(self) -> tuple[int, ...]:
        """What the loop is to watch for reading: always the same."""
        return (self._watch.fileno(),)

    def attend(self, descriptor: int) -> None:
        """Do what there is to do now that a descriptor is ready; of others nothing is known here."""
        if descriptor != self._watch.fileno():
            return
        for key, _events in self._watch.select(0):
            if key.fd == self._listener.socket.fileno():
                self._accept()
            elif (caller := self._callers.get(key.fd)) is not None:
                caller.hand_over()
                if not caller.has_untaken:
                    caller.hear()
                self._answer_all(caller)
        self._settle()

    def tick(self, now: float) -> None:
        """Give up who was quiet for too long. At least twice a minute; `now` is the clock's monotonic time."""
        for caller in self._callers.values():
            caller.look_at_clock(now)
        self._settle()
        self._accept_again()

    def tell(self, launch: str, message: Mapping[str, object]) -> None:
        """Let those who follow a launch know: {"progress": ...}, {"log": ...}, {"told": ...} or {"complaint": ...}."""
        for caller in self._callers.values():
            if launch in caller.follows and not (_NEWS in message and caller.is_behind):
                caller.say({"launch": launch, **message})
        self._settle()

    def tell_end(self, launch: Launch) -> None:
        """Let those who follow a launch know that it is over, and how; it is followed no longer."""
        for caller in self._callers.values():
            if launch.id in caller.follows:
                _say_end(caller, launch)
                caller.follows.discard(launch.id)
        self._settle()

    @property
    def callers(self) -> int:
        """How many are connected."""
        return len(self._callers)

    def close(self) -> None:
        """Hang up on all, and leave no socket behind."""
        for caller in self._callers.values():
            caller.close()
        self._callers.clear()
        self._watch.close()
        self._listener.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.socket.accept()
        except BlockingIOError:
            return
        except OSError:
            # No descriptor is free: whoever calls waits until the next tick, and the loop does not spin.
            self._watch.unregister(self._listener.socket)
            self._accepts = False
            return
        caller = Caller(connection)
        if len(self._callers) >= MOST_CALLERS:
            busy = DrorchError(f"{MOST_CALLERS} others ask the daemon now", hint="Try again in a minute.")
            caller.say({"error": said_fault(busy)})
            caller.close()
            return
        self._callers[caller.fileno()] = caller
        self._watch.register(caller.fileno(), selectors.EVENT_READ)

    def _accept_again(self) -> None:
        if not self._accepts:
            self._watch.register(self._listener.socket, selectors.EVENT_READ)
            self._accepts = True

    def _settle(self) -> None:
        """Forget who is gone; watch the others for what they are to do next."""
        for descriptor, caller in list(self._callers.items()):
            if caller.gone:
                del self._callers[descriptor]
                self._watch.unregister(descriptor)
                caller.close()
                continue
            awaited = selectors.EVENT_WRITE if caller.has_untaken else selectors.EVENT_READ
            if self._watch.get_key(descriptor).events != awaited:
                self._watch.modify(descriptor, awaited)

    def _answer_all(self, caller: Caller) -> None:
        answered = 0
        while (line := caller.next_line()) is not None:
            if answered == MOST_AT_ONCE:
                self._give_up(caller, "those are too many requests at once")
                return
            self._answer(caller, line)
            answered += 1
        if caller.is_endless:
            self._give_up(caller, "that line has no end")

    @staticmethod
    def _give_up(caller: Caller, reason: str) -> None:
        caller.say({"error": said_fault(requests.Malformed(reason))})
        caller.end()

    def _answer(self, caller: Caller, line: bytes) -> None:
        try:
            self._do(caller, requests.parse(line))
        except requests.Malformed as fault:
            self._give_up(caller, fault.message)
        except DrorchError as fault:
            caller.say({"error": said_fault(fault)})

    def _do(self, caller: Caller, request: Request) -> None:
        control = self._control
        match request:
            case requests.Hello():
                caller.say({"hello": said_identity(control.identity())})
            case requests.Status():
                caller.say({"status": said_standing(control.standing())})
            case requests.Run():
                self._run(caller, request)
            case requests.Pause(jobs, span, reason):
                until = None if span is None else self._clock.now() + span
                paused = control.pause(PauseOrder(jobs, until, reason), caller.doer())
                caller.say({"pause": [said_pause(one) for one in paused]})
            case requests.Resume(jobs):
                caller.say({"resume": [said_pause(one) for one in control.resume(jobs, caller.doer())]})
            case requests.Cancel(what):
                caller.say({"cancel": [said_launch(one) for one in control.cancel(what, caller.doer())]})
            case requests.Reload():
                caller.say({"reload": said_identity(control.reload(caller.doer()))})

    def _run(self, caller: Caller, request: requests.Run) -> None:
        launches = self._control.run(RunOrder(request.jobs, request.target), caller.doer())
        caller.say({"run": [said_launch(launch) for launch in launches]})
        if request.follow:
            caller.follows.update(launch.id for launch in launches if not launch.state.is_over)
            for launch in launches:
                if launch.state.is_over:
                    _say_end(caller, launch)


def _say_end(caller: Caller, launch: Launch) -> None:
    said = {"launch": launch.id, "ended": launch.exit_code, "state": launch.state.value, "reason": launch.reason}
    caller.say(said)
