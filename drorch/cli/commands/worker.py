"""drorch worker"""

import importlib
import json
import signal
from types import FrameType

import click

from drorch.cli import exit_codes
from drorch.cli.faults import Interrupted, fault_of
from drorch.cli.global_options import VerbCommand
from drorch.clock import INTERRUPTION
from drorch.errors import DrorchError
from drorch.model.launch import StopCause
from drorch.orchestrator.supervision.order import Order, Stop
from drorch.process.family import kill_family
from drorch.process.memory import is_want_of_memory, limit_memory
from drorch.process.outlet import Outlet
from drorch.process.supervised import DaemonLine, NoSupervisor, interrupt_this_process
from drorch.secrets import redacted
from drorch.units import size_text

_PATIENCE_SECONDS = 60.0
_LAST_SECONDS = 5.0
_ASKING = (signal.SIGTERM, signal.SIGINT)
"""By which it is asked to end; it leads a session of its own, so that no Ctrl-C of a terminal comes here."""


@click.command("worker", cls=VerbCommand, hidden=True, exit_with=(*exit_codes.WRITES, 3, 4, 24, 30, 31, 32, 61))
@click.argument("launch", metavar="LAUNCH-ID")
def command(launch: str) -> int:
    """Carry out a launch for the daemon.

    Nobody types this: the daemon starts it and says over a socket what is to be done. It ends when the daemon does.
    """
    line = DaemonLine()
    _obey_the_daemon_only()
    Outlet(redacted)
    order = _order(line, launch)
    line.attend(_stop_when_told)
    try:
        return _work(order, line)
    except Exception as error:
        fault = _fault(error, order)
        said = fault_of(fault).line.removeprefix("drorch: ")
        line.say(json.dumps({"complaint": redacted(said)}))
        if fault is error:
            raise
        raise fault from error
    finally:
        kill_family(launch, _LAST_SECONDS)


def _order(line: DaemonLine, launch: str) -> Order:
    try:
        order = Order.from_json(line.wait_for_line(_PATIENCE_SECONDS))
    except ValueError as fault:
        hint = "Restart the daemon: it may be of another version."
        raise NoSupervisor("the daemon's order is not understood", hint=hint) from fault
    if order.launch != launch:
        raise NoSupervisor(f"the daemon's order is for launch {order.launch}, not for {launch}")
    return order


def _work(order: Order, line: DaemonLine) -> int:
    if order.memory is not None:
        limit_memory(order.memory)
    # Only now: whatever is large is loaded within the limit.
    worker = importlib.import_module("drorch.app.worker")
    return int(worker.carry_out(order, worker.Voice(line)))


def _fault(error: Exception, order: Order) -> Exception:
    if not is_want_of_memory(error) or isinstance(error, DrorchError):
        return error
    limit = "" if order.memory is None else f": its limit is {size_text(order.memory)}"
    return DrorchError(f"the run is out of memory{limit}", hint="Give it a higher memory_limit.")


def _obey_the_daemon_only() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in _ASKING:
        signal.signal(number, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Once: who is asked again while putting things in order would leave them in disorder.
    for each in _ASKING:
        signal.signal(each, signal.SIG_IGN)
    INTERRUPTION.came = True
    INTERRUPTION.wanted = INTERRUPTION.wanted or number == signal.SIGINT
    raise Interrupted(signal.Signals(number).name)


def _stop_when_told(line: str) -> None:
    stop = Stop.from_json(line)
    if stop is not None:
        INTERRUPTION.reason, INTERRUPTION.wanted = stop.reason, stop.cause is StopCause.CANCELLED
        interrupt_this_process()
