"""What the doctor asks of databases: what a backup of them would meet, by the kind's own preflight.

Promise: a server that cannot be reached, or that never answers, is told like everything else, and keeps nobody.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from drorch.app.doctor.reach import secret_symptoms
from drorch.app.doctor.symptom import Symptom, error, of_fault, warning
from drorch.errors import DrorchError
from drorch.model.job import Job
from drorch.sources.databases.contract import Objection

LONGEST_LOOK = 60.0
"""Seconds after which a server that still says nothing is left alone."""


class Looking(Protocol):
    """What can look at the source of a job. A `DatabaseKind` fits."""

    def preflight(self) -> Sequence[Objection]:
        """What a backup would meet. Looks, and changes nothing."""
        ...


def database_symptoms(job: Job, kind_of: Callable[[Job], Looking], longest: float = LONGEST_LOOK) -> Iterator[Symptom]:
    """What would keep a database from being saved; `kind_of` makes of the job what can look."""
    subject = f"job {job.name}"
    locked = list(secret_symptoms(subject, job.secrets))
    if locked:
        yield from locked
        return
    look = _Look(lambda: kind_of(job).preflight())
    look.start()
    look.join(longest)
    if look.fault is not None:
        yield of_fault(subject, look.fault, "See that its server runs, and that it can be reached from here.")
    elif look.found is None:
        # Nothing came of it: it is left to end by itself.
        message = f"its server has not answered in {longest:.0f} seconds"
        yield error(subject, message, "See what it does, and whether it can be reached from here.")
    else:
        yield from (_symptom(subject, objection) for objection in look.found)


def _symptom(subject: str, objection: Objection) -> Symptom:
    hint = objection.hint
    kind = error if objection.fatal else warning
    return kind(subject, objection.message, hint[:1].upper() + hint[1:])


class _Look(threading.Thread):
    """A preflight beside whoever waits for it, which ends with the process at the latest."""

    def __init__(self, preflight: Callable[[], Sequence[Objection]]) -> None:
        super().__init__(daemon=True)
        self._preflight = preflight
        self.found: Sequence[Objection] | None = None
        self.fault: DrorchError | None = None

    def run(self) -> None:
        try:
            self.found = self._preflight()
        except DrorchError as fault:
            self.fault = fault
