"""How a repository is reached: what an operator names becomes a target, a password and an opened repository."""

import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from drorch.errors import SecretMissing, TargetError, UsageError
from drorch.process import output_of
from drorch.repository.repository import Repository
from drorch.secrets import decode_password, read_password_file
from drorch.storage.local import LocalTarget
from drorch.storage.readonly import ReadOnlyTarget
from drorch.storage.target import Target

_PASSWORD_COMMAND_SECONDS = 60.0
_ABANDONED_SECONDS = 3600.0
_SCHEME = re.compile(r"(local|sftp|s3|rest|b2|azure|gs|swift|rclone):(.*)", re.DOTALL)


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

    url: str
    password: Password
    lock: bool = True
    retry_lock: timedelta = timedelta(0)


def open_target(url: str) -> Target:
    """The target a URL names: a path, or "local:" and a path. Raises `UsageError` for kinds not supported yet."""
    match = _SCHEME.fullmatch(url)
    scheme, place = (match[1], match[2]) if match else ("local", url)
    if scheme != "local":
        raise UsageError(f"{scheme} repositories are not supported yet", hint="Give a path of this machine.")
    if not place:
        raise UsageError("the repository's path is empty", hint="Give a path, for instance /srv/backup.")
    return LocalTarget(Path(place))


@contextmanager
def opened(access: Access, *, lock: bool = True) -> Iterator[Repository]:
    """The repository, opened, and locked against removal where `lock` and the access say so.

    Raises what `Repository.open` raises, and `RepositoryLocked`.
    """
    with ExitStack() as stack:
        target = stack.enter_context(closing(open_target(access.url)))
        if not access.lock:
            target = ReadOnlyTarget(target)
        repository = Repository.open(target, access.password.read())
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
