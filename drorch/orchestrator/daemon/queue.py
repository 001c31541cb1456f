"""Who goes next: a pure choice among the launches that wait, given those that run and the bounds that hold."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from drorch.model.conduct import Overlap
from drorch.model.launch import Launch, Pause, Work, WorkKind
from drorch.model.run import Trigger
from drorch.orchestrator.daemon.roster import Bounds, Entry


@dataclass(frozen=True, slots=True)
class Waiting:
    """A launch in the queue, and the line that it follows."""

    launch: Launch
    entry: Entry

    @property
    def rank(self) -> tuple[int, datetime, datetime]:
        """What is less goes first: the higher priority, then who might have begun sooner, then who asked sooner."""
        return (-self.entry.conduct.priority, self.launch.begins, self.launch.asked)


def ready(
    waiting: Iterable[Waiting], running: Sequence[Work], bounds: Bounds, pauses: Sequence[Pause], now: datetime
) -> Iterator[Waiting]:
    """Those that may start now, in their order, all of them at once."""
    busy = list(running)
    for one in sorted(waiting, key=lambda each: each.rank):
        work = one.launch.work
        if one.launch.begins <= now and not is_paused(one.launch, pauses, now) and _has_room(work, busy, bounds):
            busy.append(work)
            yield one


def is_paused(launch: Launch, pauses: Sequence[Pause], now: datetime) -> bool:
    """Whether a pause holds it up. Whoever asks for a launch by hand gets it all the same."""
    if launch.trigger is Trigger.HAND:
        return False
    in_force = [pause for pause in pauses if pause.until is None or now < pause.until]
    return any(not pause.job or _is_of_job(launch.work, pause.job) for pause in in_force)


def _is_of_job(work: Work, job: str) -> bool:
    return work.kind is WorkKind.JOB and work.name == job


def _has_room(work: Work, busy: Sequence[Work], bounds: Bounds) -> bool:
    if len(busy) >= bounds.overall or is_under_way(work, busy):
        return False
    used = Counter(target for other in busy for target in other.targets)
    return all(used[target] < bounds.by_target.get(target, bounds.overall) for target in work.targets)


def is_under_way(work: Work, running: Iterable[Work]) -> bool:
    """Whether the same job, or the same maintenance, runs now, on whichever targets."""
    return any(other.kind is work.kind and other.name == work.name for other in running)


def in_the_way(launch: Launch, waiting: Iterable[Launch], pauses: Sequence[Pause], now: datetime) -> list[Launch]:
    """Those that wait and count when another launch comes: for whoever asks by hand, only what waits for room alone."""
    if launch.trigger is not Trigger.HAND:
        return list(waiting)
    return [one for one in waiting if one.begins <= now and not is_paused(one, pauses, now)]


def refusal(
    launch: Launch, overlap: Overlap, waiting: Iterable[Launch], is_running: Callable[[Work], bool]
) -> str | None:
    """Why a launch is not even queued, in words: one waits already, or it must not wait. None where it is."""
    same = [one for one in waiting if one.work.kind is launch.work.kind and one.work.line == launch.work.line]
    if any(one.work.targets == launch.work.targets for one in same):
        return f"a launch of {launch.work.line} waits already"
    if overlap is Overlap.SKIP and is_running(launch.work):
        return f"{launch.work.name} was running still"
    return None
