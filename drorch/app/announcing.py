"""A run by hand, announced to whoever watches as a launch of the daemon would be."""

import uuid
from collections.abc import Iterable, Iterator

from drorch.clock import Clock
from drorch.model.event import Observer, launch_ended, launch_started
from drorch.model.launch import Launch, LaunchState, StopCause, Work
from drorch.model.run import RunOutcome, Trigger
from drorch.orchestrator.daemon.settling import Ending, settled
from drorch.orchestrator.runner import RunReport, interrupted_as


def announced(
    work: Work, user: str, reports: Iterable[RunReport], observer: Observer, clock: Clock
) -> Iterator[RunReport]:
    """The reports of a run, whose begin and end are told. Left early, it was interrupted."""
    now = clock.now()
    launch = Launch(uuid.uuid4().hex, work, Trigger.HAND, now, now, user=user, state=LaunchState.RUNNING, started=now)
    observer.observe(launch_started(launch))
    ending, worst, reason = None, 0, ""
    try:
        for report in reports:
            worst = max(worst, report.exit_code)
            reason = report.fault.message if report.fault is not None else reason
            yield report
        ending = Ending(worst, reason)
    finally:
        observer.observe(launch_ended(settled(launch, ending or _interrupted(), clock.now()), clock.now()))


def _interrupted() -> Ending:
    cancelled = interrupted_as() is RunOutcome.CANCELLED
    return Ending(None, "it was interrupted", StopCause.CANCELLED if cancelled else None)
