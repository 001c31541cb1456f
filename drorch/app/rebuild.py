"""The catalog rebuilt as the operator asks for it: planned, then carried out, and told what did not come back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drorch.app.access import Access
from drorch.app.catalogs import place_of, upgrade
from drorch.app.door import opened
from drorch.app.targets import access_of
from drorch.catalog.merging import Taken
from drorch.catalog.open import Catalog, CatalogPlace, open_catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import CatalogError, DrorchError, IntegrityError, Problem
from drorch.model.audit import BrokenLink, Deed
from drorch.model.names import STATE_JOB
from drorch.orchestrator import rebuilding
from drorch.orchestrator.deeds import CONFIGURATION, write_down
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.joblock import only_run_of
from drorch.orchestrator.rebuilding import Condition, Reached, Source
from drorch.repository.repository import Repository

Doors = Mapping[str, Callable[[], AbstractContextManager[Repository]]]
"""By target: what opens its repository."""


@dataclass(frozen=True, slots=True)
class RebuildPlan:
    """What a rebuild would do: how catalog.sqlite is, from where it would be read back, and who does not answer.

    `other` is the latest saved state of another catalog of this host, from which would be taken over what it knows;
    where the catalog is to be read back, that shows afterwards. `listed` is how many snapshots each target that
    answers lists.
    """

    file: Path
    condition: Condition
    source: Source | None
    other: Source | None
    listed: Mapping[str, int]
    silent: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class TakenOver:
    """What another catalog of this host knew: the saved state it comes from, and how many of each kind there were."""

    source: Source
    counts: Mapping[str, int]
    broken: BrokenLink | None


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did. `lost` says in words what cannot come back; `aside` keeps what catalog.sqlite was.

    `taken` is what other catalogs of this host knew.
    """

    plan: RebuildPlan
    taken: list[TakenOver] = field(default_factory=list)
    aside: Path | None = None
    broken: BrokenLink | None = None
    replayed: int = 0
    paths: int = 0
    alarms: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def doors_of(configuration: Configuration) -> Doors:
    """How the repositories of the configuration's targets are opened, locked against removal."""

    def door(access: Access) -> Callable[[], AbstractContextManager[Repository]]:
        return lambda: opened(access)

    return {name: door(access_of(configuration, name)) for name in configuration.targets}


def plan_rebuild(configuration: Configuration, doors: Doors) -> RebuildPlan:
    """What a rebuild would do. Changes nothing."""
    with _reached(doors) as (reached, silent):
        return _plan(configuration, place_of(configuration), reached, silent)


def carry_out(configuration: Configuration, doors: Doors, clock: Clock, brought: Source | None = None) -> Rebuilt:
    """Rebuild the catalog; `brought` is the @state that it was read back from just now, if any.

    Raises `CatalogError` where it cannot be written, `JobBusy` where the state is being saved or rebuilt right now.
    """
    place = place_of(configuration)
    with only_run_of(STATE_JOB, configuration.state_dir), _reached(doors) as (reached, silent):
        done = Rebuilt(_plan(configuration, place, reached, silent))
        if done.plan.condition is not Condition.SOUND:
            _bring_back(place, done.plan.source, done, clock)
            brought = done.plan.source
        # Before the catalog is opened: with a history that is damaged it would open without one.
        if reached:
            derived = rebuilding.derive_paths(place, reached, upgrade())
            done.paths, done.problems = derived.snapshots, [*done.problems, *derived.unreadable]
        with open_catalog(place, upgrade(), replacing_lost=True) as catalog:
            done.replayed = catalog.replayed.recorded
            done.problems += catalog.replayed.refused
            _take_over(configuration, catalog, reached, done, clock)
            doer = Doer.here()
            detail = {"catalog": done.plan.condition.value, CONFIGURATION: configuration.digest}
            write_down(catalog.audit, Deed(clock.now(), doer.user, doer.uid, doer.tty, "catalog rebuild", detail))
            read_from = [*([brought] if brought is not None else []), *(taken.source for taken in done.taken)]
            if read_from:
                oldest = min(read_from, key=lambda source: source.taken)
                later = rebuilding.later_snapshots(catalog, reached, oldest)
                _tell_lost(done, later, "snapshots are of later runs, which are not known any more")
            for one in reached:
                done.alarms += [raised.event.message for raised in rebuilding.know(catalog, one, clock)]
    if silent:
        done.lost.append(f"what lies on {', '.join(problem.subject for problem in silent)}, until it answers")
    return done


def _bring_back(place: CatalogPlace, source: Source | None, done: Rebuilt, clock: Clock) -> None:
    now = clock.now()
    if source is None:
        if done.plan.silent and done.plan.condition is Condition.DAMAGED:
            raise CatalogError(
                "no target that answers holds a catalog, and others do not answer",
                hint="Make them answer, or move catalog.sqlite away and type this again.",
            )
        done.aside = rebuilding.set_aside(place, now)
        done.lost.append("runs, proof, findings, holds and the audit log: no target holds a saved catalog")
        return
    back = rebuilding.bring_back(source.saved, place, now, upgrade())
    done.aside, done.broken = back.aside, back.broken
    _tell_lost(done, back.unknown_ends, "ends of runs")
    done.lost.append(f"findings, holds and the audit log since {source.taken:%Y-%m-%d %H:%M:%S UTC}, if there were any")


def _take_over(
    configuration: Configuration, catalog: Catalog, reached: list[Reached], done: Rebuilt, clock: Clock
) -> None:
    """Take over what other catalogs of this host know; one that cannot be read is told, and keeps nothing away."""
    place, now = place_of(configuration), clock.now()

    def take(source: Source) -> Taken:
        return rebuilding.take_over(catalog, source, place, now, upgrade())

    try:
        for source, taken in rebuilding.take_over_all(catalog, reached, configuration.host, take):
            done.taken.append(TakenOver(source, _counts(taken), taken.broken))
            done.lost.append(
                f"findings, holds and the audit log of the other catalog since {source.taken:%Y-%m-%d %H:%M:%S UTC}, "
                "if there were any"
            )
            if taken.broken is not None:
                done.problems.append(Problem("catalog", f"the other catalog's audit log: {taken.broken.reason}"))
    except (CatalogError, IntegrityError) as fault:
        done.problems.append(Problem("catalog", f"another catalog of this host cannot be taken over: {fault.message}"))
        return
    rebuilding.close_findings(catalog, [one.target for one in reached], now)


def _counts(taken: Taken) -> Mapping[str, int]:
    return {
        "runs": taken.runs,
        "snapshots": taken.snapshots,
        "findings": taken.findings,
        "holds": taken.holds,
        "deeds": taken.deeds,
        "pauses": taken.pauses,
    }


def _tell_lost(done: Rebuilt, count: int, what: str) -> None:
    if count:
        done.lost.append(f"{count} {what}")


def _plan(
    configuration: Configuration, place: CatalogPlace, reached: list[Reached], silent: list[Problem]
) -> RebuildPlan:
    condition = rebuilding.condition_of(place)
    source, other = None, None
    if condition is Condition.SOUND:
        other = rebuilding.newest_stranger(place, reached, configuration.host)
    else:
        source = rebuilding.best_source(reached, configuration.host)
    return RebuildPlan(
        file=place.catalog_file,
        condition=condition,
        source=source,
        other=other,
        listed={one.target: len(one.listing.snapshots) for one in reached},
        silent=tuple(silent),
    )


@contextmanager
def _reached(doors: Doors) -> Iterator[tuple[list[Reached], list[Problem]]]:
    """The targets that answer, opened, and what the others say."""
    reached: list[Reached] = []
    silent: list[Problem] = []
    with ExitStack() as stack:
        for target, door in doors.items():
            try:
                repository = stack.enter_context(door())
                reached.append(Reached(target, repository, repository.list_snapshots()))
            except DrorchError as fault:
                silent.append(Problem(target, fault.message))
        yield reached, silent
