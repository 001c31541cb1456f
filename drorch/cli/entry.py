"""Where a command starts and ends: signals, faults to exit codes, no core dumps, no traceback unless asked for."""

import contextlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

import click

from drorch.cli.faults import Fault, Interrupted, fault_of
from drorch.cli.output.escaping import visible
from drorch.cli.output.writer import json_text
from drorch.cli.root import root
from drorch.clock import INTERRUPTION
from drorch.errors import Outcome

_COMPLETION = "_DRORCH_COMPLETE"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code; never raises."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        _prepare_process()
        code = _run(arguments)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the one place where every exception becomes an exit code
        return _report(error, arguments)
    return code


def _prepare_process() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    INTERRUPTION.came = INTERRUPTION.wanted = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _interrupt(number: int, _frame: FrameType | None) -> None:
    INTERRUPTION.came = True
    # Who types Ctrl-C wants it; SIGTERM may come from anywhere.
    INTERRUPTION.wanted = number == signal.SIGINT
    raise Interrupted(signal.Signals(number).name)


def _run(arguments: list[str]) -> int:
    if _COMPLETION in os.environ:
        from_shell = os.environ[_COMPLETION]
        return click.shell_completion.shell_complete(root, {}, "drorch", _COMPLETION, from_shell)
    try:
        with root.make_context("drorch", list(arguments)) as context:
            code = root.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(error.format_message() + "\n")
        return int(Outcome.USAGE)
    return int(code or 0)


def _report(error: BaseException, arguments: list[str]) -> int:
    fault = fault_of(error)
    asked = arguments[: arguments.index("--")] if "--" in arguments else arguments
    with contextlib.suppress(BrokenPipeError):
        if "--debug" in asked:
            for line in "".join(traceback.format_exception(error)).splitlines():
                sys.stderr.write(visible(line) + "\n")
        if fault.message:
            sys.stderr.write(_wording(fault, json="--json" in asked) + "\n")
        sys.stderr.flush()
    _forget_unwritten_output()
    return fault.code


def _wording(fault: Fault, *, json: bool) -> str:
    if json:
        return json_text(fault.fields)
    lines = [f"{problem.subject}: {problem.message}" for problem in fault.problems]
    return "\n".join(map(visible, (*lines, fault.line)))


def _forget_unwritten_output() -> None:
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
