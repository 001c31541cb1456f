"""What the doctor asks of databases: what a backup of them would meet, by the kind's own preflight.

Promise: a server that cannot be reached, or that never answers, is told like everything else, and keeps nobody.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
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


def database_symptoms(job: Job, looking: Callable[[], Looking], longest: float = LONGEST_LOOK) -> Iterator[Symptom]:
    """What would keep a database from being saved; `looking` gives what can look at it."""
    subject = f"job {job.name}"
    locked = list(secret_symptoms(subject, job.secrets))
    if locked:
        yield from locked
        return
    look = _Look(lambda: looking().preflight())
    look.start()
    look.join(longest)
    if look.is_alive():
        message = f"its server has not answered in {longest:.0f} seconds"
        yield error(subject, message, "See what it does, and whether it can be reached from here.")
        return
    try:
        objections = look.result()
    except DrorchError as fault:
        yield of_fault(subject, fault, "See that its server runs, and that it can be reached from here.")
    else:
        yield from (_symptom(subject, objection) for objection in objections)


def _symptom(subject: str, objection: Objection) -> Symptom:
    hint = objection.hint
    kind = error if objection.fatal else warning
    return kind(subject, objection.message, hint[:1].upper() + hint[1:])


class _Look(threading.Thread):
    """A preflight beside whoever waits for it; one that never ends ends with the process."""

    def __init__(self, preflight: Callable[[], Sequence[Objection]]) -> None:
        super().__init__(daemon=True)
        self._preflight = preflight
        self._result = Future[Sequence[Objection]]()

    def run(self) -> None:
        try:
            self._result.set_result(self._preflight())
        except BaseException as fault:  # noqa: BLE001
            # It is raised where the result is asked for.
            self._result.set_exception(fault)

    def result(self) -> Sequence[Objection]:
        """What it came to, once it has ended. Raises what the preflight raises."""
        return self._result.result()
