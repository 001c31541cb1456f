"""What a launch leaves in the catalog when its process could not say it itself: it was killed, or never came to begin.

Promise: after this, no run of the launch is said to be running, and a launch that failed or was cancelled has a run
that says so. What somebody cancelled is no fault: no finding is opened about it.
"""

import uuid
from collections.abc import Callable
from datetime import datetime

from drorch.catalog.open import Catalog
from drorch.catalog.queries import RunQuery
from drorch.catalog.record import Record
from drorch.catalog.spool import Spool, record_or_spool
from drorch.errors import CatalogError, Problem
from drorch.model.finding import Finding, FindingKind
from drorch.model.launch import Launch, LaunchState, WorkKind
from drorch.model.run import Run, RunKind, RunOutcome

Complain = Callable[[str], None]

_CAME_TO_NOTHING = {LaunchState.FAILED: RunOutcome.FAILED, LaunchState.CANCELLED: RunOutcome.CANCELLED}
"""What the runs of a launch came to that came to nothing."""


class Aftermath:
    """Writes down what became of launches. `catalog` gives the catalog, or None while it is not open."""

    def __init__(self, catalog: Callable[[], Catalog | None], spool: Spool, host: str, complain: Complain) -> None:
        self._catalog = catalog
        self._spool = spool
        self._host = host
        self._complain = complain

    def settle(self, launch: Launch, now: datetime) -> None:
        """End what the launch left unended, and note that it came to nothing where nothing else does."""
        if launch.state not in _CAME_TO_NOTHING:
            return
        try:
            if not self._end_its_runs(launch, now):
                self._note_run(launch, now)
        except CatalogError as fault:
            self._complain(fault.message)

    def _end_its_runs(self, launch: Launch, now: datetime) -> bool:
        """Whether any run of the launch is written down."""
        catalog = self._catalog()
        if catalog is None:
            return False
        for run in catalog.ledger.cut_off(launch.id, now, launch.reason, _CAME_TO_NOTHING[launch.state]):
            self._open_finding(catalog, _subject(run.job, run.target), launch, run.id, now)
        return bool(list(catalog.queries.runs(RunQuery(launch=launch.id, limit=1))))

    def _note_run(self, launch: Launch, now: datetime) -> None:
        run = _run_of(launch, self._host, now)
        catalog = self._catalog()
        record_or_spool(Record(run), None if catalog is None else catalog.ledger, self._spool)
        if catalog is not None:
            self._open_finding(catalog, run.problems[0].subject, launch, run.id, now)

    def _open_finding(self, catalog: Catalog, subject: str, launch: Launch, run: str, now: datetime) -> None:
        if launch.state is not LaunchState.FAILED:
            return
        message = f"{subject}: {launch.reason}"
        catalog.ledger.open_finding(Finding(uuid.uuid4().hex, FindingKind.RUN_FAILED, subject, message, now, run=run))


def _run_of(launch: Launch, host: str, now: datetime) -> Run:
    is_job = launch.work.kind is WorkKind.JOB
    job, target = launch.work.name if is_job else "", launch.work.targets[0]
    return Run(
        id=uuid.uuid4().hex,
        job=job,
        kind=RunKind.BACKUP if is_job else RunKind.CHECK,
        host=host,
        started=launch.started or now,
        target=target,
        ended=now,
        outcome=_CAME_TO_NOTHING[launch.state],
        problems=(Problem(_subject(job, target), launch.reason),),
        trigger=launch.trigger,
        user=launch.user,
        launch=launch.id,
    )


def _subject(job: str, target: str) -> str:
    return f"{job}@{target}" if job else target
