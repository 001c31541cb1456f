"""Looking at a target of the configuration: what that shows is written down as proof, or as an alarm.

Imported by name, and only where a target of the configuration is named: nothing is known of any other.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from drorch import __version__
from drorch.actions import check as checking
from drorch.actions import snapshots as choosing
from drorch.actions.check import CheckReport, CheckRequest
from drorch.actions.copy import CopyResult
from drorch.actions.progress import Progress
from drorch.actions.restore.execution import RestoreResult
from drorch.actions.snapshots import EVERY, SnapshotFilter
from drorch.app.access import Access
from drorch.app.books import kept_books
from drorch.app.configuration import load
from drorch.app.copying import PlannedCopy
from drorch.app.door import opened
from drorch.app.restore import PlannedRestore
from drorch.catalog.queries import RunQuery
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import Problem
from drorch.model.estimate import FETCHING, Price, Speed, speed_of
from drorch.model.proof import Proof
from drorch.model.run import RunKind
from drorch.orchestrator import restoring
from drorch.orchestrator.books import Books
from drorch.orchestrator.checking import Checker
from drorch.orchestrator.copying import copy_by_hand
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.errand import Errand
from drorch.orchestrator.restoring import Restored
from drorch.repository.repository import SnapshotListing


@dataclass(frozen=True, slots=True)
class Place:
    """A target of a configuration, as the command line names both, and how it is opened."""

    config_file: str | None
    target: str
    access: Access


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found; alarms, and what could not be written down, in words."""

    report: CheckReport
    alarms: tuple[Problem, ...]
    complaints: tuple[str, ...]


def check(place: Place, request: CheckRequest, progress: Progress, clock: Clock) -> Checked:
    """Look for damage, and write down what that proves. Raises as `actions.check.check` does."""
    configuration = load(place.config_file)
    with kept_books(configuration, clock) as books:
        errand = _errand(configuration, place.target, RunKind.CHECK)
        read = type(request.read_data).__name__
        books.did(errand.doer, "check", target=place.target, read=read, configuration=configuration.digest)
        done = Checker(books, clock).check(
            errand,
            lambda: opened(place.access),
            lambda repository: checking.check(repository, request, progress),
        )
        alarms = tuple(Problem(place.target, alarm.event.message) for alarm in done.alarms)
        return Checked(done.report, alarms, tuple(books.complaints))


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy did; alarms about the target it went to, and what could not be written down, in words."""

    result: CopyResult
    alarms: tuple[Problem, ...]
    complaints: tuple[str, ...]


def copy(config_file: str | None, target: str, planned: PlannedCopy, progress: Progress, clock: Clock) -> Copied:
    """Copy to a target of a configuration, and write down what it has from now on. Raises as `PlannedCopy.execute`."""
    configuration = load(config_file)
    with kept_books(configuration, clock) as books:
        errand = _errand(configuration, target, RunKind.COPY)
        done = copy_by_hand(books, errand, planned.destination, clock, lambda: planned.execute(progress))
        alarms = tuple(Problem(target, alarm.event.message) for alarm in done.alarms)
        return Copied(done.result, alarms, tuple(books.complaints))


def _errand(configuration: Configuration, target: str, kind: RunKind) -> Errand:
    return Errand(kind, target, configuration.host, Doer.here(), configuration.digest, {"drorch": __version__})


@dataclass(frozen=True, slots=True)
class Listed:
    """Snapshots of a target, what is proven of all it holds, alarms, and what could not be written down, in words."""

    listing: SnapshotListing
    proofs: tuple[Proof, ...]
    at: datetime
    alarms: tuple[Problem, ...]
    complaints: tuple[str, ...]


def snapshots(
    place: Place, clock: Clock, chosen: SnapshotFilter = EVERY, *, ids: Sequence[str] = (), latest: int = 0
) -> Listed:
    """The snapshots of a target, compared with those that are known. See `actions.snapshots.list_snapshots`."""
    with kept_books(load(place.config_file), clock) as books:
        with opened(place.access) as repository:
            look = books.look(place.target, repository, None)
            if ids:
                listing = choosing.list_snapshots(repository, chosen, ids=ids)
            else:
                listing = choosing.narrowed(look.listing, chosen, latest=latest)
        alarms = tuple(Problem(place.target, alarm.event.message) for alarm in look.alarms)
        return Listed(listing, tuple(books.proofs(place.target)), clock.now(), alarms, tuple(books.complaints))


@dataclass(frozen=True, slots=True)
class Restorer:
    """Carries out restores from a target and writes them down in open books."""

    books: Books
    errand: Errand
    clock: Clock

    def restore(self, planned: PlannedRestore, progress: Progress, *, verify: bool) -> RestoreResult:
        """Do what the plan says. Raises as `PlannedRestore.execute` does."""
        request = planned.spec.request

        def work() -> Restored:
            result = planned.execute(progress, verify=verify)
            read_all = restoring.reads_all(planned.spec.reference.path, request, planned.plan, result)
            return Restored(result, planned.plan.fetch.bytes_to_fetch, read_all)

        self.books.did(
            self.errand.doer,
            "restore",
            target=self.errand.target,
            snapshot=planned.named.id.hex(),
            path=planned.spec.reference.path.decode("utf-8", "surrogateescape"),
            to=str(planned.spec.destination.absolute()),
            configuration=self.errand.config_hash,
        )
        return restoring.restore(self.books, self.errand, planned.named.id, self.clock, work)


_RECENT_RUNS = 50


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of fetching from a target: how fast it went, and what it costs; None: nothing is known."""

    speed: Speed | None
    price: Price | None


def terms(place: Place, clock: Clock) -> Terms:
    """On which terms a target of the configuration gives back what it holds."""
    configuration = load(place.config_file)
    said = configuration.target(place.target).price
    price = None if said is None else Price(said.fetch_per_gib, said.request_per_1000, said.currency)
    with kept_books(configuration, clock) as books:
        speed = speed_of(books.runs(RunQuery(target=place.target, kinds=FETCHING, limit=_RECENT_RUNS)))
    return Terms(speed, price)


@contextmanager
def restorer(place: Place, clock: Clock) -> Iterator[Restorer]:
    """What restores from a target go through, so that they are written down."""
    configuration = load(place.config_file)
    with kept_books(configuration, clock) as books:
        yield Restorer(books, _errand(configuration, place.target, RunKind.RESTORE), clock)
