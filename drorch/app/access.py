"""How a repository is reached: a place and where its password is become an opened repository."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from drorch.app.locations import Location
from drorch.app.opening import Patience, bare_target, wrapped
from drorch.clock import SystemClock
from drorch.errors import SecretMissing, TargetError, UsageError
from drorch.process import output_of
from drorch.repository.repository import Repository
from drorch.repository.unlocking import unlock
from drorch.secrets import decode_password, read_password_file
from drorch.storage.local import LocalTarget
from drorch.storage.readonly import ReadOnlyTarget

_PASSWORD_COMMAND_SECONDS = 60.0
_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class PasswordOrigin:
    """Where a password comes from: the first of these that is given. `ask` is for a person at a terminal."""

    file: Path | None = None
    command: str | None = None
    text: str | None = field(default=None, repr=False)
    ask: Callable[[], str] | None = None

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


class Password(Protocol):
    """Where a password is: read when it is needed, and kept nowhere."""

    def read(self) -> str:
        """The password. Raises `SecretMissing`, or `ChildFailed` where a command that prints it fails."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach one repository. Without `lock` it is only read, and others are not kept from removing."""

    location: Location
    password: Password
    lock: bool = True
    retry_lock: timedelta = timedelta(0)

    def uncached(self) -> "Access":
        """The same, with nothing kept here of what is read."""
        return replace(self, location=self.location.uncached())


@contextmanager
def opened(access: Access, *, lock: bool = True) -> Iterator[Repository]:
    """The repository, opened, and locked against removal where `lock` and the access say so.

    A target that does not answer at all is given up in seconds, one that did is waited for.
    Raises what `Repository.open` raises, `SecretMissing`, and `RepositoryLocked`.
    """
    clock = SystemClock()
    with ExitStack() as stack:
        bare = stack.enter_context(closing(bare_target(access.location, clock)))
        unlocked = unlock(wrapped(bare, access.location, Patience.BRIEF, clock), access.password.read())
        target = stack.enter_context(closing(wrapped(bare, access.location, Patience.LONG, clock)))
        if not access.lock:
            target = ReadOnlyTarget(target)
        repository = Repository(target, unlocked.master, unlocked.config, clock)
        if lock and access.lock:
            stack.enter_context(repository.shared_lock(access.retry_lock))
        yield repository


def remove_abandoned(repository: Repository) -> None:
    """Remove what killed writers left half-written on a local target, an hour after they last touched it.

    Where that is not allowed, it stays: it is in nobody's way.
    """
    if isinstance(repository.target, LocalTarget):
        with suppress(TargetError):
            repository.target.remove_abandoned(_ABANDONED_SECONDS, repository.clock.now())
