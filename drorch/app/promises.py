"""What was promised and cannot be kept though all goes well: RPOs held against schedules and how long runs take.

Promise: nothing is made or changed to find out, and it can be told without a catalog.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from drorch.app.catalogs import place_of
from drorch.catalog.inspection import looked_at
from drorch.catalog.queries import Queries, RunQuery
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import DrorchError
from drorch.model.exposure import Shortfall, shortfall, usual_duration
from drorch.model.job import Job, Line
from drorch.model.names import JobName, TargetName
from drorch.model.run import RunKind, RunOutcome
from drorch.model.timetable import Timetable
from drorch.units import duration_text

_SAVING = (RunKind.BACKUP, RunKind.COPY)
_SAVED = (RunOutcome.OK, RunOutcome.INCOMPLETE)
_RUNS = 15
"""As many of the last runs tell how long one takes."""
_SECOND, _MINUTE, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def broken(configuration: Configuration, clock: Clock) -> list[str]:
    """The promises of jobs that their schedules cannot keep, in words."""
    jobs = configuration.jobs
    judge = _Judge(jobs, _usual_durations(configuration), clock.now())
    return [told for job in jobs.values() if job.enabled for told in judge.of(job)]


@dataclass(frozen=True, slots=True)
class _Judge:
    jobs: Mapping[JobName, Job]
    usual: Mapping[tuple[JobName, TargetName], timedelta]
    now: datetime

    def of(self, job: Job) -> Iterator[str]:
        """What a job promises in vain, line by line."""
        rpo = job.objective.rpo
        for line in job.lines():
            timetable = self._timetable(line)
            if rpo is None or timetable is None:
                continue
            # What follows in a line is copied when what comes before it has been saved: the last takes longest.
            durations = [self.usual.get((job.name, target), timedelta(0)) for target in line.targets]
            falls = shortfall(rpo, timetable, sum(durations, timedelta(0)) or None, self.now)
            if falls is not None:
                yield f"job {job.name} promises an RPO of {_text(rpo)}, but {_reason(falls, line)}"

    def _timetable(self, line: Line) -> Timetable | None:
        """What makes a line run, or the job that it follows; None where hands do."""
        if line.timetable is not None or line.after is None:
            return line.timetable
        first = self.jobs[line.after]
        return self._timetable(first.lines()[0]) if first.enabled else None


def _usual_durations(configuration: Configuration) -> dict[tuple[JobName, TargetName], timedelta]:
    found = {}
    with suppress(DrorchError), looked_at(place_of(configuration)) as doors:
        if doors is not None:
            for job in configuration.jobs.values():
                for target in job.targets:
                    duration = _usual_duration(doors[0], job.name, target, configuration.host)
                    if duration is not None:
                        found[job.name, target] = duration
    return found


def _usual_duration(queries: Queries, job: JobName, target: TargetName, host: str) -> timedelta | None:
    wanted = RunQuery(job=job, target=target, host=host, kinds=_SAVING, outcomes=_SAVED, limit=_RUNS)
    return usual_duration(queries.runs(wanted))


def _reason(falls: Shortfall, line: Line) -> str:
    if falls.wait is None:
        return f"a time comes when the windows of {line.name} let it begin no more"
    waits = f"{_text(falls.wait)} can pass from one run of {line.name} to the next"
    if falls.usual is None:
        return waits
    return f"{waits}, and it takes {_text(falls.usual)} until there is a snapshot on {line.targets[-1]}"


def _text(span: timedelta) -> str:
    """A span to the minute, or to the second where it is short, rounded up: "26h", "2d3h5m", "40s"."""
    if span <= _MINUTE:
        return duration_text(-(-span // _SECOND) * _SECOND)
    minutes = -(-span // _MINUTE)
    days, minutes = divmod(minutes, 1440) if span >= 2 * _DAY else (0, minutes)
    hours, minutes = divmod(minutes, 60)
    return "".join(f"{count}{unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "m")) if count)
