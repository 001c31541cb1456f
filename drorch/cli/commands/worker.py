"""drorch worker"""

import importlib
import resource
import signal
from types import FrameType

import click

from drorch.cli import exit_codes
from drorch.cli.faults import Interrupted, fault_of
from drorch.cli.global_options import VerbCommand
from drorch.clock import INTERRUPTION
from drorch.orchestrator.supervision.order import Order, stop_reason
from drorch.process.outlet import Outlet
from drorch.process.supervised import DaemonLine, NoSupervisor, interrupt_this_process
from drorch.secrets import redacted

_PATIENCE_SECONDS = 60.0


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
    if order.memory is not None:
        # Before anything large is loaded, and handed on to every process that this one starts.
        resource.setrlimit(resource.RLIMIT_DATA, (order.memory, order.memory))
    worker = importlib.import_module("drorch.app.worker")
    voice = worker.Voice(line)
    try:
        return int(worker.carry_out(order, voice))
    except Exception as error:
        voice.complain(fault_of(error).line.removeprefix("drorch: "))
        raise


def _order(line: DaemonLine, launch: str) -> Order:
    try:
        order = Order.from_json(line.wait_for_line(_PATIENCE_SECONDS))
    except ValueError as fault:
        raise NoSupervisor("the daemon's order is not understood", hint="Restart it: it is of another version.") from (
            fault
        )
    if order.launch != launch:
        raise NoSupervisor(f"the daemon's order is for launch {order.launch}, not for {launch}")
    return order


def _obey_the_daemon_only() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    # Once: whoever is asked again while it puts things in order would leave them in disorder.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    INTERRUPTION.came = True
    raise Interrupted(signal.Signals(number).name)


def _stop_when_told(line: str) -> None:
    reason = stop_reason(line)
    if reason is not None:
        INTERRUPTION.reason = reason
        interrupt_this_process()
