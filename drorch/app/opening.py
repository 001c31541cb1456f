"""From a place to a target that works: the kind's own, tried again, within its limits.

What a remote kind needs is imported when a place of that kind is opened, so that nobody else pays for it.
"""

import importlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import Enum

from drorch.app.locations import LocalPlace, Location
from drorch.clock import Clock, SystemClock
from drorch.storage.local import LocalTarget
from drorch.storage.s3.settings import S3Settings
from drorch.storage.sftp.settings import SftpSettings
from drorch.storage.target import Target

BRIEF_SECONDS = 10.0
"""How long one waits for a single answer of a target that is only looked at."""


Tell = Callable[[str], None]
"""Is told something worth knowing while work goes on, from any thread."""


def tell_nobody(_: str) -> None:
    """For those who do not want to know."""


class Patience(Enum):
    """How long a target that fails is tried again."""

    NONE = 0
    """Once, with short waits and without limits: for those who look what is there, and leave no trace."""
    BRIEF = 10
    """For some seconds: until it has answered once, a target may just as well not be there."""
    LONG = 900
    """For minutes: what has begun is not given up for a passing fault."""


def bare_target(location: Location, clock: Clock, *, hasty: bool = False) -> Target:
    """The target of a place, with nothing around it; `hasty` ones wait for seconds, not a minute, for an answer.

    Touches nothing. Raises `SecretMissing` where its credentials cannot be read, and `TargetError`.
    """
    settings = location.settings
    if isinstance(settings, LocalPlace):
        return LocalTarget(settings.path)
    if hasty:
        settings = replace(settings, timeout_seconds=BRIEF_SECONDS)
    return _in_bucket(settings, location.moment, clock) if isinstance(settings, S3Settings) else _behind_ssh(settings)


def _in_bucket(settings: S3Settings, moment: datetime | None, clock: Clock) -> Target:
    module = importlib.import_module(f"drorch.storage.s3.{'past' if moment else 'target'}")
    made: Target = module.S3TargetAt(settings, moment, clock) if moment else module.S3Target(settings, clock)
    return made


def _behind_ssh(settings: SftpSettings) -> Target:
    made: Target = importlib.import_module("drorch.storage.sftp.target").SftpTarget(settings)
    return made


def open_target(location: Location, patience: Patience = Patience.LONG) -> Target:
    """The target of a place as commands use it. Raises as `bare_target` does."""
    clock = SystemClock()
    return wrapped(bare_target(location, clock, hasty=patience is Patience.NONE), location, patience, clock)


def wrapped(target: Target, location: Location, patience: Patience, clock: Clock, tell: Tell = tell_nobody) -> Target:
    """A target of this place, tried again and within its limits; `tell` is told of each failure that is tried again."""
    if patience is Patience.NONE:
        return target
    if location.is_remote:
        retry = importlib.import_module("drorch.storage.retry")
        policy = retry.RetryPolicy(deadline=float(patience.value))
        target = retry.RetryingTarget(target, clock, policy, tell)
    if location.limits is not None and location.budget is not None:
        throttle = importlib.import_module("drorch.storage.throttle")
        budget = importlib.import_module("drorch.storage.budget").budget_in(location.budget)
        target = throttle.ThrottledTarget(target, location.limits, budget, clock)
    return target


def metadata_view(
    target: Target, location: Location, repository_id: str, clock: Clock, *, saves: bool
) -> Target | None:
    """The view of a target through which a repository reads and saves its metadata; None where it needs none.

    One that `saves` leaves the storage class to packs of data: what every command reads must not be put away.
    """
    settings = location.settings
    if saves and isinstance(settings, S3Settings) and settings.storage_class is not None:
        warm = replace(location, settings=replace(settings, storage_class=None))
        target = wrapped(bare_target(warm, clock), warm, Patience.LONG, clock)
    elif location.cache is None:
        return None
    if location.cache is None:
        return target
    caches = importlib.import_module("drorch.storage.cache")
    view: Target = caches.cached(target, location.cache, repository_id, clock)
    return view
