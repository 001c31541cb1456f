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


def monitors_of(configuration: Configuration, tell: Tell, is_wanted: Callable[[], bool] = lambda: True) -> Monitors:
    """Who is told what. A monitor whose URL cannot be read is told nothing, which is said.

    Once it is not wanted any more, no further URL is read, and nothing said.
    """

    def read(subject: str, url: str | SecretRef | None) -> Monitor | None:
        if url is None or not is_wanted():
            return None
        try:
            return monitor(subject, url if isinstance(url, str) else url.read())
        except DrorchError as fault:
            if is_wanted():
                tell(f"the ping of {subject}: {fault.message}")
            return None

    found = {str(job.name): read(f"job {job.name}", job.ping) for job in configuration.jobs.values()}
    jobs = {name: one for name, one in found.items() if one is not None}
    spec = configuration.daemon
    return Monitors(jobs, read("the daemon", spec.ping), spec.ping_every)


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
