"""How a repository is reached: where it is, and where its password is."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from drorch.app.locations import Location
from drorch.app.opening import Tell, tell_nobody
from drorch.app.unlocking import Password, Unlocking
from drorch.errors import SecretMissing, UsageError
from drorch.process.commands import output_of
from drorch.secrets import decode_password, read_password_file

_PASSWORD_COMMAND_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PasswordOrigin:
    """Where a password comes from: the first of these that is given. `ask` is for a person at a terminal."""

    file: Path | None = None
    command: str | None = None
    text: str | None = field(default=None, repr=False)
    ask: Callable[[], str] | None = None

    @property
    def is_asked_for(self) -> bool:
        """Whether a person would have to type it."""
        return self.ask is not None and not (self.file or self.command or self.text)

    def read(self) -> str:
        """The password. Raises `SecretMissing`, or `ChildFailed` where the command fails."""
        if self.file is not None:
            return read_password_file(self.file)
        if self.command is not None:
            return self._from_command(self.command)
        password = self.text or (self.ask() if self.ask is not None else "")
        if not password:
            raise SecretMissing(
                "no password is given",
                hint="Give --password-file FILE, or set RESTIC_PASSWORD_FILE or RESTIC_PASSWORD.",
            )
        return password

    @staticmethod
    def _from_command(command: str) -> str:
        try:
            argv = shlex.split(command)
        except ValueError as fault:
            raise UsageError(f"the password command cannot be read: {fault}", hint="Check its quotes.") from fault
        if not argv:
            raise UsageError("the password command is empty", hint="Give a command that prints the password.")
        password = decode_password(output_of(argv, timeout=_PASSWORD_COMMAND_SECONDS))
        if not password:
            raise SecretMissing(f"command {argv[0]} printed no password", hint="Run it by hand and see.")
        return password


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one repository. Without `lock` it is only read, and others are not kept from removing.

    `unlocking` is there where that has begun already. `tell` is told of what failed and is tried again.
    """

    location: Location
    password: Password
    lock: bool = True
    retry_lock: timedelta = timedelta(0)
    unlocking: Unlocking | None = field(default=None, repr=False, compare=False)
    tell: Tell = field(default=tell_nobody, repr=False, compare=False)

    @contextmanager
    def begun(self) -> Iterator["Access"]:
        """The same, its repository being unlocked from now on. Raises as `Unlocking` does."""
        with Unlocking(self.location, self.password) as unlocking:
            yield replace(self, unlocking=unlocking)

    def at(self, moment: datetime) -> "Access":
        """The same as it was at a moment: only to be read. Raises `UsageError` where the past is not kept."""
        return replace(self, location=self.location.at(moment), lock=False)

    def uncached(self) -> "Access":
        """The same, with nothing kept here of what is read."""
        return replace(self, location=self.location.uncached())
