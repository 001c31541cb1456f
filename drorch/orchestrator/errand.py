"""Whatever is done with a target beside a backup: a run that is written down before, during and after."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from drorch.catalog.record import Record
from drorch.clock import Clock
from drorch.errors import DrorchError, Problem
from drorch.model.run import Run, RunKind, RunOutcome, Trigger
from drorch.orchestrator.books import Books
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.runner import MOST_PROBLEMS, interrupted_as, why


@dataclass(frozen=True, slots=True)
class Errand:
    """What is to be done with which target, by whom and under which configuration; `launch` is empty where none is."""

    kind: RunKind
    target: str
    host: str
    doer: Doer
    config_hash: str
    versions: Mapping[str, str]
    trigger: Trigger = Trigger.HAND
    launch: str = ""


@contextmanager
def under_way(books: Books, errand: Errand, clock: Clock) -> Iterator[Run]:
    """A run that goes on meanwhile. Whoever ends it well writes that down; what raises is written down here."""
    run = Run(
        id=uuid.uuid4().hex,
        job="",
        kind=errand.kind,
        host=errand.host,
        started=clock.now(),
        target=errand.target,
        config_hash=errand.config_hash,
        versions=errand.versions,
        trigger=errand.trigger,
        user=errand.doer.user,
        launch=errand.launch,
    )
    books.begin(run)
    try:
        yield run
    except DrorchError as fault:
        books.end(Record(_over(run, clock, RunOutcome.FAILED, fault.message)))
        raise
    except BaseException as interruption:
        books.end(Record(_over(run, clock, interrupted_as(), why(interruption))))
        raise


def _over(run: Run, clock: Clock, outcome: RunOutcome, why: str) -> Run:
    return replace(run, ended=clock.now(), outcome=outcome, problems=(Problem(run.target, why),))


def told(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """The problems of a run that are written down: the first thousand, and how many more there were."""
    if len(problems) <= MOST_PROBLEMS:
        return tuple(problems)
    return (*problems[:MOST_PROBLEMS], Problem("", f"and {len(problems) - MOST_PROBLEMS} more problems"))
