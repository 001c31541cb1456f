"""What a configured target hides, and how it comes back."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Protocol

from drorch.app.configuration import load
from drorch.app.targets import location_of
from drorch.clock import SystemClock
from drorch.errors import UsageError
from drorch.storage.s3.settings import S3Settings


class Hidden(Protocol):
    """An object that is hidden, and what would come back of it."""

    @property
    def key(self) -> str:
        """Its key in the repository."""
        ...

    @property
    def way(self) -> str:
        """What hides it: it was deleted, or overwritten."""
        ...

    @property
    def size(self) -> int:
        """Bytes that would come back."""
        ...

    @property
    def saved(self) -> datetime:
        """When what would come back was saved."""
        ...

    @property
    def hidden(self) -> datetime:
        """Since when it is hidden."""
        ...


class UndeletePlan(Protocol):
    """All that would come back."""

    @property
    def objects(self) -> Sequence[Hidden]:
        """In the order in which it would: snapshots last."""
        ...

    @property
    def size(self) -> int:
        """Bytes of all together."""
        ...


class Undeleting(Protocol):
    """Plans, and carries plans out."""

    def plan(self, moment: datetime | None = None) -> UndeletePlan:
        """What would come back: the last state before it was hidden, or that of a moment. Raises `TargetError`."""
        ...

    def bring_back(self, plan: UndeletePlan) -> Iterator[Hidden]:
        """Carry a plan out; each object is given when it is back. Raises `TargetError`."""
        ...


@contextmanager
def hidden_on(config_file: str | None, name: str) -> Iterator[Undeleting]:
    """What a target of the configuration hides.

    Raises `ConfigError` where there is none of this name, `UsageError` where it is no bucket, and `SecretMissing`.
    """
    settings = location_of(load(config_file), name).settings
    if not isinstance(settings, S3Settings):
        raise UsageError(f"target {name} is no bucket: it hides nothing", hint="Name a target in a bucket.")
    # By name: who has no bucket does not pay for its library.
    hidden_objects = importlib.import_module("drorch.storage.s3.undelete").HiddenObjects
    with closing(hidden_objects(settings, SystemClock())) as hidden:
        yield hidden
