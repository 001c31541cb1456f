"""The vigil: what should have happened and has not is told, once, and once more when it is well again.

Promise: what has been told is remembered as an open finding, so that neither the next look nor a restart tells it
again. A catalog that cannot be read or written stops nothing; that nothing can be judged is told, too.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from drorch.catalog.open import Catalog
from drorch.clock import Clock
from drorch.errors import CatalogError
from drorch.model.event import Event, EventKind, Observer
from drorch.model.finding import Comment, Finding, FindingKind
from drorch.model.standing import Overdue

PATIENCE_SECONDS = 50.0
"""How long something must have been overdue before the eyes of the vigil: what was missed in sleep begins by then."""

_KINDS = (FindingKind.RUN_MISSED, FindingKind.CHECK_MISSED, FindingKind.OBJECTIVE_MISSED)
_AUTHOR = "drorch"
_WELL = "it is well again"
_GONE = "it is not asked for any more"
_SUBJECT = "vigil"

_Key = tuple[FindingKind, str]


class Judged(Protocol):
    """How something stands that is asked for: a job on a target, the check of a target."""

    @property
    def subject(self) -> str:
        """How findings name it."""
        ...

    @property
    def job(self) -> str:
        """The job's name; empty for what is no job."""
        ...

    @property
    def overdue(self) -> tuple[Overdue, ...]:
        """What is missing."""
        ...


class Vigil:
    """Looks now and then at how everything stands.

    `open_catalog` gives None where it cannot be opened, `judge` may raise `CatalogError`.
    """

    def __init__(
        self,
        open_catalog: Callable[[], Catalog | None],
        judge: Callable[[Catalog, datetime], Sequence[Judged]],
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._open_catalog = open_catalog
        self._judge = judge
        self._observer = observer
        self._clock = clock
        self._first_seen: dict[_Key, float] = {}
        self._told: dict[_Key, str] = {}
        self._answered: dict[_Key, datetime] = {}
        self._blind = False

    def look(self) -> tuple[str, ...]:
        """Look, and tell what is new. Answers the trouble that there is, in words; none where all is as it should be.

        Called about once a minute. Never raises on behalf of the catalog.
        """
        catalog = self._open_catalog()
        if catalog is None:
            return self._cannot_see("the catalog is not open")
        try:
            trouble = self._compare(catalog)
        except CatalogError as fault:
            return (*(f"{subject}: overdue" for _, subject in self._told), *self._cannot_see(fault.message))
        if self._blind:
            self._blind = False
            self._tell(EventKind.VIGIL_SEES, _SUBJECT, "what is overdue can be told again")
        return trouble

    def _cannot_see(self, why: str) -> tuple[str, ...]:
        said = f"what is overdue cannot be told: {why}"
        if not self._blind:
            self._blind = True
            self._tell(EventKind.VIGIL_BLIND, _SUBJECT, said)
        return (said,)

    def _compare(self, catalog: Catalog) -> tuple[str, ...]:
        judged = self._judge(catalog, self._clock.now())
        overdue = {(one.kind, each.subject): (one, each.job) for each in judged for one in each.overdue}
        is_open = {(one.kind, one.subject): one for one in catalog.queries.findings() if one.kind in _KINDS}
        self._first_seen = {key: self._first_seen.get(key, self._clock.monotonic()) for key in overdue}
        asked_for = {each.subject for each in judged}
        for key in [key for key in {**is_open, **self._told} if key not in overdue]:
            self._settle(catalog, key, is_open.get(key), _WELL if key[1] in asked_for else _GONE)
        trouble = []
        for key, (what, job) in overdue.items():
            if key not in is_open and not self._is_news(catalog, key, what):
                continue
            trouble.append(f"{key[1]}: {what.message}")
            if key in is_open:
                self._told[key] = job
            else:
                self._raise_alarm(catalog, key, what, job)
        return tuple(trouble)

    def _is_news(self, catalog: Catalog, key: _Key, what: Overdue) -> bool:
        """Whether to tell it: not before it lasted for a while, nor after somebody closed the finding of it."""
        if self._clock.monotonic() < self._first_seen[key] + PATIENCE_SECONDS:
            return False
        if self._answered.get(key) != what.since and any(
            (one.kind, one.subject) == key and one.opened >= what.since and _is_answered(one)
            for one in catalog.queries.findings(only_open=False)
        ):
            self._answered[key] = what.since
        return self._answered.get(key) != what.since

    def _raise_alarm(self, catalog: Catalog, key: _Key, what: Overdue, job: str) -> None:
        kind, subject = key
        message = f"{subject}: {what.message}"
        finding = Finding(uuid.uuid4().hex, kind, subject, message, self._clock.now())
        if key not in self._told:
            # Told first: what cannot be written down is an alarm all the same.
            self._told[key] = job
            self._tell(EventKind.OVERDUE, subject, message, _detail(kind, job))
        catalog.ledger.open_finding(finding)

    def _settle(self, catalog: Catalog, key: _Key, finding: Finding | None, word: str) -> None:
        kind, subject = key
        if finding is not None:
            catalog.ledger.close_finding(finding.id, Comment(self._clock.now(), _AUTHOR, word))
        job = self._told.pop(key, "")
        self._answered.pop(key, None)
        self._tell(EventKind.WELL_AGAIN, subject, f"{subject}: {word}", _detail(kind, job))

    def _tell(self, kind: EventKind, subject: str, message: str, detail: Mapping[str, str] | None = None) -> None:
        self._observer.observe(Event(kind, self._clock.now(), subject, message, detail=detail or {}))


def _detail(kind: FindingKind, job: str) -> dict[str, str]:
    return {"finding": kind.value, **({"job": job} if job else {})}


def _is_answered(finding: Finding) -> bool:
    """Whether a person closed it."""
    return finding.closed is not None and bool(finding.comments) and finding.comments[-1].user != _AUTHOR
