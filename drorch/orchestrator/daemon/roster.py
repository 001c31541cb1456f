"""What a configuration asks of the daemon, as one value: replaced whole when the configuration is read anew."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
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

    @property
    def is_due_by_itself(self) -> bool:
        """Whether anything but a hand launches it."""
        return self.timetable is not None or self.after is not None


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

    def taken_over(self, launch: Launch) -> tuple[Launch, Entry] | None:
        """A launch that waits as this roster asks for it, and its line; None where it does not any more.

        By schedule, its line must be on one still. Who asked by hand gets it for those targets that the job has.
        """
        work = launch.work
        same = [entry for entry in self.entries if entry.work.kind is work.kind and entry.work.name == work.name]
        entry = next((one for one in same if one.work.line == work.line), None)
        if launch.due is not None:
            return None if entry is None or not entry.is_due_by_itself else (replace(launch, work=entry.work), entry)
        known = {target for one in same for target in one.work.targets}
        targets = tuple(target for target in work.targets if target in known)
        return (replace(launch, work=replace(work, targets=targets)), entry or same[0]) if targets else None

    def following(self, launch: Launch) -> Iterator[Entry]:
        """The lines that are due when this launch has ended well."""
        if launch.work.kind is WorkKind.JOB:
            yield from (entry for entry in self.entries if entry.after == launch.work.name)
