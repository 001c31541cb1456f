"""The catalog rebuilt as the operator asks for it: planned, then carried out, and told what did not come back."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drorch.app.access import Access
from drorch.app.books import place_of, upgrade
from drorch.app.door import opened
from drorch.app.targets import access_of
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.errors import CatalogError, DrorchError, Problem
from drorch.model.audit import BrokenLink, Deed
from drorch.model.names import STATE_JOB
from drorch.orchestrator import rebuilding
from drorch.orchestrator.books import Doer
from drorch.orchestrator.deeds import CONFIGURATION, write_down
from drorch.orchestrator.joblock import only_run_of
from drorch.orchestrator.rebuilding import Condition, Reached, Source
from drorch.repository.repository import Repository

Doors = Mapping[str, Callable[[], AbstractContextManager[Repository]]]
"""By target: what opens its repository."""


@dataclass(frozen=True, slots=True)
class RebuildPlan:
    """What a rebuild would do: how catalog.sqlite is, from where it would be read back, and who does not answer.

    `listed` is how many snapshots each target that answers lists.
    """

    file: Path
    condition: Condition
    source: Source | None
    listed: Mapping[str, int]
    silent: tuple[Problem, ...]


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild did. `lost` says in words what cannot come back; `aside` keeps what catalog.sqlite was."""

    plan: RebuildPlan
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
            doer = Doer.here()
            detail = {"catalog": done.plan.condition.value, CONFIGURATION: configuration.digest}
            write_down(catalog.audit, Deed(clock.now(), doer.user, doer.uid, doer.tty, "catalog rebuild", detail))
            if brought is not None:
                _tell_lost(done, rebuilding.settle_open_runs(catalog, brought, clock.now()), "ends of runs")
                later = rebuilding.later_snapshots(catalog, reached, brought)
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
    done.aside, done.broken = rebuilding.bring_back(source.saved, place, now)
    if not done.aside.exists():
        done.aside = None
    done.lost.append(f"findings, holds and the audit log since {source.taken:%Y-%m-%d %H:%M:%S UTC}, if there were any")


def _tell_lost(done: Rebuilt, count: int, what: str) -> None:
    if count:
        done.lost.append(f"{count} {what}")


def _plan(
    configuration: Configuration, place: CatalogPlace, reached: list[Reached], silent: list[Problem]
) -> RebuildPlan:
    return RebuildPlan(
        file=place.catalog_file,
        condition=rebuilding.condition_of(place),
        source=rebuilding.newest_source(reached, configuration.host),
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
