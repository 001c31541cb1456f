"""Every way a command can fail, as one value: what is said, what to type next, and the exit code.

The only place where exceptions become exit codes. No traceback reaches a user who did not ask for it.
"""

from dataclasses import dataclass

import click

from drorch.errors import ConfigError, DrorchError, Outcome, Problem

BUG = 1


class Interrupted(KeyboardInterrupt):
    """A signal asked the command to stop; raised in the main thread, so that every `finally` runs."""

    def __init__(self, signal_name: str) -> None:
        super().__init__(signal_name)
        self.signal_name = signal_name


@dataclass(frozen=True, slots=True)
class Fault:
    """How a command failed. An empty `message` means that nobody is left to read one."""

    code: int
    message: str
    hint: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def line(self) -> str:
        """The fault on one line, hint included. What it consists of, its `problems`, is told before."""
        if not self.hint:
            return f"drorch: {self.message}"
        hint = self.hint[:1].upper() + self.hint[1:]
        return f"drorch: {self.message}{' ' if self.message[-1:] in '?!.' else '. '}{hint}"

    @property
    def fields(self) -> dict[str, object]:
        """The fault as restic writes it with --json, and the hint."""
        said = {"message_type": "exit_error", "code": self.code, "message": self.message, "hint": self.hint}
        listed = [{"item": problem.subject, "message": problem.message} for problem in self.problems]
        return {**said, "problems": listed} if listed else said


def fault_of(error: BaseException) -> Fault:
    """What is said about an exception that ended a command."""
    if isinstance(error, DrorchError):
        problems = error.problems if isinstance(error, ConfigError) else ()
        return Fault(int(error.exit_code), error.message, error.hint or "", problems)
    if isinstance(error, click.ClickException):
        return _usage_fault(error)
    if isinstance(error, Interrupted):
        return Fault(Outcome.INTERRUPTED, f"interrupted by {error.signal_name}")
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Fault(Outcome.INTERRUPTED, "interrupted")
    if isinstance(error, BrokenPipeError):
        return Fault(BUG, "")
    kind = type(error).__name__
    said = str(error)
    return Fault(
        BUG,
        f"this is a bug in drorch: {kind}{': ' if said else ''}{said}",
        "Run the same command with --debug and report what it prints.",
    )


def _usage_fault(error: click.ClickException) -> Fault:
    message = " ".join(error.format_message().split()).rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "drorch"
    return Fault(Outcome.USAGE, message[:1].lower() + message[1:], f"Type: {command} --help")
