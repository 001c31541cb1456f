"""What a configuration asks of the daemon, as one value: replaced whole when the configuration is read anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from drorch.model.conduct import Conduct
from drorch.model.launch import Launch, Work, WorkKind
from drorch.model.names import JobName, TargetName
from drorch.model.timetable import Timetable


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the roster: what is launched, by which timetable or after which job's end, and how.

    Without either it is launched by hand only. `parts`: a check reads all data once in so many launches.
    """

    work: Work
    conduct: Conduct
    timetable: Timetable | None = None
    after: JobName | None = None
    parts: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many launches may run at the same time, in all and on each target that says so."""

    overall: int
    by_target: Mapping[TargetName, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Roster:
    """All lines. `since`: what they ask for has been asked at least since then. `digest` names the configuration."""

    entries: tuple[Entry, ...]
    bounds: Bounds
    since: datetime
    digest: str

    def entry_of(self, work: Work) -> Entry | None:
        """The line that a launch follows, or that of its job where it was asked for; None where there is none."""
        same = [entry for entry in self.entries if entry.work.kind is work.kind and entry.work.name == work.name]
        return next((entry for entry in same if entry.work.line == work.line), same[0] if same else None)

    def following(self, launch: Launch) -> Iterator[Entry]:
        """The lines that are due when this launch has ended well."""
        if launch.work.kind is WorkKind.JOB:
            yield from (entry for entry in self.entries if entry.after == launch.work.name)
