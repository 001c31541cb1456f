"""Unlocking a repository beside other work: what a password costs is a third of a second of one core.

A command that begins it early has its own modules loaded meanwhile (docs/adr/0010-unlocking-beside-loading.md). So this
file, and what it imports, is all that must be there before.
"""

import threading
from types import TracebackType
from typing import Protocol, Self

from drorch.app.locations import Location
from drorch.app.opening import Patience, bare_target, wrapped
from drorch.clock import SystemClock
from drorch.errors import RepositoryMissing
from drorch.repository.unlocking import Unlocked, unlock


class Password(Protocol):
    """Where a password is: read when it is needed, and kept nowhere."""

    def read(self) -> str:
        """The password. Raises `SecretMissing`, or `ChildFailed` where a command that prints it fails."""
        ...


class Unlocking:
    """A repository that is being unlocked. A context manager, which closes its target.

    `target` is the place's own, with nothing around it.
    """

    def __init__(self, location: Location, password: Password) -> None:
        """Reads the password, then goes on in a thread. Raises `SecretMissing`, and what `bare_target` raises."""
        clock = SystemClock()
        secret = password.read()
        self.target = bare_target(location, clock)
        self._name = location.name
        self._outcome: Unlocked | BaseException | None = None
        # A target that does not answer at all is given up in seconds: nothing has begun yet.
        briefly = wrapped(self.target, location, Patience.BRIEF, clock)

        def work() -> None:
            try:
                self._outcome = unlock(briefly, secret)
            except BaseException as fault:  # noqa: BLE001  (raised by `result`)
                self._outcome = fault

        self._thread = threading.Thread(target=work, name="unlocking", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join()
        self.target.close()

    def result(self) -> Unlocked:
        """What the password gave, once it is there. Raises what `unlock` raises."""
        self._thread.join()
        if isinstance(self._outcome, RepositoryMissing) and self._name is not None:
            hint = f"Check the path; to make a new repository there, type: drorch init -t {self._name}"
            raise RepositoryMissing(self._outcome.message, hint=hint) from self._outcome
        if not isinstance(self._outcome, Unlocked):
            assert self._outcome is not None
            raise self._outcome
        return self._outcome
