"""What became of a launch, and whether it is tried again: pure judgements on how its process ended."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import uuid4

from drorch.errors import (
    DrorchError,
    JobBusy,
    Outcome,
    RepositoryLocked,
    SourceUnavailable,
    TargetUnavailable,
)
from drorch.model.conduct import Retries
from drorch.model.launch import Launch, LaunchState, StopCause
from drorch.orchestrator.daemon.agenda import is_late
from drorch.process.identity import own_identity

_CUT_OFF = "the daemon ended while it ran"
_RESTARTED = "the machine was restarted while it ran"
_UNAVAILABLE = TargetUnavailable.exit_code
_INCOMPLETE = (Outcome.SOURCE_INCOMPLETE, Outcome.COPY_MISSING)
_MAY_PASS: tuple[type[DrorchError], ...] = (RepositoryLocked, TargetUnavailable, SourceUnavailable, JobBusy)
_CODES_THAT_MAY_PASS = frozenset(fault.exit_code for fault in _MAY_PASS)
_UNTIL_IT_ANSWERS = Retries(times=1000, delay=timedelta(minutes=1), longest=timedelta(minutes=30))
"""How a launch that makes up for a missed one is tried again while its target does not answer."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a process ended: its exit code, or None where it had none, and why, in one line, where it was not well.

    `stopped` says why drorch itself ended it, where it did.
    """

    exit_code: int | None
    reason: str = ""
    stopped: StopCause | None = None


def settled(launch: Launch, ending: Ending, now: datetime) -> Launch:
    """The launch as it ended."""
    state = _state(ending)
    reason = "" if state is LaunchState.OK else ending.reason
    return replace(launch, state=state, ended=now, exit_code=ending.exit_code, reason=reason)


def _state(ending: Ending) -> LaunchState:
    if ending.stopped is not None:
        return LaunchState.CANCELLED if ending.stopped is StopCause.CANCELLED else LaunchState.FAILED
    if ending.exit_code is None:
        return LaunchState.FAILED
    if ending.exit_code == Outcome.OK:
        return LaunchState.OK
    if ending.exit_code in _INCOMPLETE:
        return LaunchState.INCOMPLETE
    return LaunchState.SKIPPED if ending.exit_code == JobBusy.exit_code else LaunchState.FAILED


def cut_off(launch: Launch) -> Ending:
    """How a launch ended that an earlier daemon left running."""
    boot = None if launch.process is None else launch.process.boot
    return Ending(None, _CUT_OFF if boot in (None, own_identity().boot) else _RESTARTED)


def skipped(launch: Launch, reason: str, now: datetime) -> Launch:
    """The launch, of which nothing was begun."""
    return replace(launch, state=LaunchState.SKIPPED, ended=now, reason=reason)


def no_longer_asked(launch: Launch) -> str:
    """Why a launch is not begun that the configuration in force knows nothing of."""
    return f"{launch.work.line} is not asked for any more"


def retry_of(
    launch: Launch, ending: Ending, retries: Retries, now: datetime, next_due: datetime | None
) -> Launch | None:
    """The next attempt at what failed; None where it is not tried again.

    What was asked for by hand is not, nor what was stopped, nor what failed for a reason that stays. An attempt that
    would begin when the next time is due already leaves it to that.
    """
    if launch.due is None or ending.stopped is not None or not _may_pass(ending):
        return None
    wanted = retries
    if ending.exit_code == _UNAVAILABLE and retries.times == 0 and is_late(launch):
        wanted = _UNTIL_IT_ANSWERS
    if launch.attempt > wanted.times:
        return None
    begins = now + _delay(launch, wanted)
    if next_due is not None and begins >= next_due:
        return None
    return next_attempt(launch, begins, now)


def again_after_cut_off(launch: Launch, now: datetime) -> Launch | None:
    """The next attempt at what the end of the daemon cut off: one, and none of what was asked for by hand."""
    if launch.due is None or launch.attempt > 1:
        return None
    return next_attempt(launch, now, now)


def next_attempt(launch: Launch, begins: datetime, now: datetime) -> Launch:
    """The same again."""
    return Launch(
        id=uuid4().hex,
        work=launch.work,
        trigger=launch.trigger,
        asked=now,
        begins=begins,
        due=launch.due,
        attempt=launch.attempt + 1,
        user=launch.user,
    )


def _may_pass(ending: Ending) -> bool:
    return ending.exit_code is None or ending.exit_code in _CODES_THAT_MAY_PASS


def _delay(launch: Launch, retries: Retries) -> timedelta:
    """Twice as long each time, up to the longest, and up to a tenth longer: many that fail together part."""
    doubled: timedelta = retries.delay * 2 ** min(launch.attempt - 1, 30)
    share = int.from_bytes(hashlib.sha256(launch.id.encode()).digest()[:4], "big") / 2**32
    return min(doubled, retries.longest) * (1 + share / 10)
