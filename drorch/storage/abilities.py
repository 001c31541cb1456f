"""What some targets can do beside the contract, each stated as a Protocol, and a place to try it out in.

Nothing here is needed to keep a repository. A target has an ability only as far as its kind knows the operation:
whether the server behind it keeps the promise is found out by doing it (`drorch target probe`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from drorch.errors import TargetDenied
from drorch.storage.target import Buffer, Target


class NotOffered(TargetDenied):
    """The server behind a target has no such operation, or says so."""


@dataclass(frozen=True, slots=True)
class Space:
    """Room on a target in bytes: what is free for the user drorch is there, and how much there is (None: unknown)."""

    free: int
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that could not be removed from a scratch place, as the target names it, and why."""

    name: str
    reason: str


class ConditionalSaving(Protocol):
    """Saves that never replace anything."""

    def save_new(self, key: str, data: Buffer) -> bool:
        """Store an object only where there is none under its key; False where there is one.

        Raises `NotOffered`, and other `TargetError`s.
        """
        ...


class Clocked(Protocol):
    """A target with a clock that can be read."""

    def time_there(self) -> datetime:
        """What the target's clock says now, with a time zone; as fine as whole seconds. Raises `TargetError`."""
        ...


class Spacious(Protocol):
    """A target that knows how much room it has."""

    def space(self) -> Space:
        """Room at this moment. Raises `NotOffered`, and other `TargetError`s."""
        ...


class Cached(Protocol):
    """A target whose objects this machine keeps in its memory."""

    def forget(self, key: str) -> None:
        """See to it that the next load comes from the medium, as far as that can be asked for."""
        ...


class Versioned(Protocol):
    """A target that may keep what is overwritten or removed as older versions."""

    def says_versioned(self) -> bool | None:
        """Whether the place says that it keeps versions; None where it does not say."""
        ...

    def save_version(self, key: str, data: Buffer) -> str:
        """Store an object; the id of its version, "" where it got none. Raises `TargetError`."""
        ...

    def versions(self, key: str) -> Sequence[str]:
        """The ids of the versions of one object, newest first. Raises `NotOffered`, and other `TargetError`s."""
        ...

    def load_version(self, key: str, version: str) -> bytes:
        """The bytes of one version. Raises `TargetError`."""
        ...

    def remove_version(self, key: str, version: str) -> None:
        """Remove one version for good. Raises `TargetDenied` where a lock or missing rights forbid it."""
        ...


class Locking(Protocol):
    """A target that may keep single versions from being removed until a time."""

    def default_retention(self) -> timedelta | None:
        """How long the place itself locks whatever is saved; None where it does not, or does not say."""
        ...

    def save_locked(self, key: str, data: Buffer, until: datetime) -> str:
        """Store an object that nobody without a special right may remove before `until`; the id of its version.

        The id is "" where the server gave none. Raises `NotOffered`, and other `TargetError`s.
        """
        ...

    def locked_until(self, key: str, version: str) -> datetime | None:
        """Until when the place says that a version is locked; None: it is not. Raises `TargetError`."""
        ...

    def lift_and_remove(self, key: str, version: str) -> None:
        """Remove a locked version by the special right. Raises `TargetDenied` where these credentials lack it."""
        ...


@dataclass(frozen=True, slots=True)
class Abilities:
    """What one target can do beside the contract; None: its kind does not know such a thing."""

    conditional: ConditionalSaving | None = None
    clocked: Clocked | None = None
    spacious: Spacious | None = None
    cached: Cached | None = None
    versioned: Versioned | None = None
    locking: Locking | None = None


class ScratchPlace(Protocol):
    """An empty place of its own below a target, out of the repository's way, for trying things out."""

    @property
    def name(self) -> str:
        """Where it is, without secrets."""
        ...

    @property
    def target(self) -> Target:
        """The place as a target."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What can be tried there beside the contract."""
        ...

    def prepare(self) -> None:
        """Make the place. Raises `TargetError`, and `TargetMissing` where what it lies in does not exist."""
        ...

    def discard(self) -> Sequence[Leftover]:
        """Remove the place with all versions of all that is in it; what could not be removed. Raises nothing."""
        ...
