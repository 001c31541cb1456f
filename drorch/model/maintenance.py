"""Maintenance of a target: what is done with it on a schedule, beside what jobs save there."""

from dataclasses import dataclass, field

from drorch.model.conduct import Conduct
from drorch.model.names import TargetName
from drorch.model.timetable import Timetable


@dataclass(frozen=True, slots=True)
class CheckPlan:
    """A scheduled check. `parts`: all data are read once in so many checks; None where none of the data are."""

    timetable: Timetable
    parts: int | None = None


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What is done with one target, and when."""

    target: TargetName
    check: CheckPlan | None = None
    conduct: Conduct = field(default_factory=Conduct)
    enabled: bool = True
