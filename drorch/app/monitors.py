"""The monitors that a configuration names, and runs by hand told to them as the daemon tells of its own.

Imported by name: it loads what speaks HTTP.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import DrorchError
from drorch.model.event import Event, Observer
from drorch.reporting.monitor import Monitor, monitor
from drorch.reporting.pings import Monitors, Pinger
from drorch.secrets import SecretRef

Tell = Callable[[str], None]


def monitors_of(configuration: Configuration, tell: Tell) -> Monitors:
    """Who is told what. A monitor whose URL cannot be read is told nothing, which is said."""
    jobs: dict[str, Monitor] = {}
    for job in configuration.jobs.values():
        found = None if job.ping is None else _monitor(f"job {job.name}", job.ping, tell)
        if found is not None:
            jobs[job.name] = found
    spec = configuration.daemon
    own = None if spec.ping is None else _monitor("the daemon", spec.ping, tell)
    return Monitors(jobs, own, spec.ping_every)


def _monitor(subject: str, url: str | SecretRef, tell: Tell) -> Monitor | None:
    try:
        return monitor(subject, url if isinstance(url, str) else url.read())
    except DrorchError as fault:
        tell(f"the ping of {subject}: {fault.message}")
        return None


class _Telling:
    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def observe(self, event: Event) -> None:
        self._tell(event.message)


@contextmanager
def pinging(configuration: Configuration, tell: Tell, clock: Clock) -> Iterator[Observer]:
    """Who is to hear of runs by hand: the jobs' monitors. What cannot be told to them is said, and fails nothing."""
    with Pinger(monitors_of(configuration, tell), _Telling(tell), clock) as pinger:
        yield pinger
