"""A bare host back from one repository: configuration, catalog and spool from its newest @state, the rest derived.

Nothing that is there is overwritten unasked, and then it is kept aside.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from drorch.app import configuration as configurations
from drorch.app.access import Access
from drorch.app.catalogs import upgrade
from drorch.app.door import opened
from drorch.app.rebuild import Doors, Rebuilt, carry_out, doors_of
from drorch.app.targets import location_of
from drorch.catalog.open import CatalogPlace
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.config.location import FILE_NAME, SYSTEM_FOLDER
from drorch.errors import CatalogError, DrorchError, RepositoryError, UsageError
from drorch.model.audit import BrokenLink
from drorch.orchestrator import rebuilding
from drorch.orchestrator.kinship import holds_catalog, length_of
from drorch.orchestrator.rebuilding import Source
from drorch.orchestrator.state import CATALOG, CONFIGURATION, SPOOL, SavedState, states
from drorch.repository.repository import Repository
from drorch.secrets import SecretRef, described
from drorch.units import counted

USUAL_CONFIG = SYSTEM_FOLDER / FILE_NAME
_RECORD = re.compile(r"[0-9A-Za-z-]+\.json")


@dataclass(frozen=True, slots=True)
class BootstrapRequest:
    """What to bring back: of which host (None: the only one there is), to which configuration file.

    With `to`, everything goes below that folder instead, to be looked at, and nothing is derived. `overwrite` allows to
    take the place of what is there.
    """

    access: Access
    host: str | None = None
    config: Path = USUAL_CONFIG
    to: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class SecretNeeded:
    """A secret that the configuration refers to: for what, where it is kept, and whether it is there."""

    purpose: str
    reference: Mapping[str, str | list[str]]
    there: bool


@dataclass(slots=True)
class Bootstrapped:
    """What came back. `aside` keeps what was there before; `broken` is the audit log's first wrong link."""

    snapshot: str
    host: str
    taken: datetime
    config: Path
    state_dir: Path | None = None
    catalog: bool = False
    spooled: int = 0
    broken: BrokenLink | None = None
    aside: list[Path] = field(default_factory=list)
    secrets: Sequence[SecretNeeded] = ()
    rebuilt: Rebuilt | None = None
    lost: list[str] = field(default_factory=list)


def bootstrap(request: BootstrapRequest, clock: Clock) -> Bootstrapped:
    """Bring a host back.

    Raises `RepositoryError` where the repository holds no state, `UsageError` where it holds that of several hosts or
    something would be overwritten, `ConfigError` where the configuration that came back cannot be used here, and
    `CatalogError` where something cannot be written.
    """
    with opened(request.access) as repository:
        found = _found(repository, request.host)
        newest = found[0]
        done = Bootstrapped(
            snapshot=newest.named.id.hex(),
            host=newest.named.snapshot.hostname,
            taken=newest.named.snapshot.moment,
            config=request.config if request.to is None else request.to / FILE_NAME,
        )
        placing = _Placing(done, clock.now(), overwrite=request.overwrite)
        placing.allow(done.config)
        fresh = placing.fetch(newest, CONFIGURATION, done.config)
        configuration = configurations.load(str(fresh)) if request.to is None else None
        done.state_dir = configuration.state_dir if configuration is not None else done.config.parent / "state"
        placing.allow(done.state_dir / CATALOG)
        placing.settle(fresh, done.config)
        read_back = _bring_state(found, done, placing)
    if configuration is not None:
        configuration = configurations.load(str(done.config))
        done.secrets = list(_secrets(configuration))
        doors, target = _doors(configuration, request.access)
        brought = Source(target, read_back) if read_back is not None else None
        done.rebuilt = carry_out(configuration, doors, clock, brought)
        done.lost += done.rebuilt.lost
    return done


def _found(repository: Repository, host: str | None) -> list[SavedState]:
    """The saved states of one host, newest first."""
    saved = [SavedState(repository, named) for named in states(repository.list_snapshots())]
    hosts = sorted({one.named.snapshot.hostname for one in saved})
    if host is None and len(hosts) > 1:
        raise UsageError(
            f"the repository holds the state of several hosts: {', '.join(hosts)}", hint="Say which with --host."
        )
    fitting = [one for one in saved if host is None or one.named.snapshot.hostname == host]
    if not fitting:
        raise RepositoryError(
            f"{repository.target.properties.description} holds no state of {host or 'any host'}",
            hint="drorch run saves it there; for the snapshots themselves, type: drorch restore",
        )
    return fitting


def _bring_state(found: Sequence[SavedState], done: Bootstrapped, placing: "_Placing") -> SavedState | None:
    """Bring back catalog and spool; answers the state that the catalog is of."""
    assert done.state_dir is not None
    knowing = sorted(found, key=length_of, reverse=True)
    with_catalog = next((saved for saved in knowing if holds_catalog(saved)), None)
    if with_catalog is None:
        done.lost.append("runs, proof, findings, holds and the audit log: no saved state holds a catalog")
    else:
        done.broken = placing.put_catalog(with_catalog, done.state_dir)
        done.catalog = True
        taken = with_catalog.named.snapshot.moment
        done.lost.append(f"findings, holds and the audit log since {taken:%Y-%m-%d %H:%M:%S UTC}, if there were any")
    newest = found[0]
    for name in newest.spooled():
        file = done.state_dir / SPOOL / name
        if _RECORD.fullmatch(name) and not file.exists():
            placing.settle(placing.fetch(newest, f"{SPOOL}/{name}", file), file)
            done.spooled += 1
    return with_catalog


@dataclass(frozen=True, slots=True)
class _Placing:
    """Puts files where they belong, and what is there aside."""

    done: Bootstrapped
    at: datetime
    overwrite: bool

    def allow(self, file: Path) -> None:
        """Raises `UsageError` where something is there that must not be replaced."""
        if file.exists() and not self.overwrite:
            raise UsageError(
                f"{file} is there already, and would be replaced",
                hint="Add --yes to replace it (it is kept aside), or say with --to where to put everything.",
            )

    def fetch(self, saved: SavedState, name: str, file: Path) -> Path:
        """Write a file of a saved state beside where it belongs; where it is. Raises `CatalogError`."""
        fresh = file.with_name(f"{file.name}.restored")
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as fault:
            raise _unwritable(file, fault) from fault
        saved.write(name, fresh)
        return fresh

    def settle(self, fresh: Path, file: Path) -> None:
        """Give a file its name, and keep aside what had it. Raises `CatalogError`."""
        try:
            if file.exists():
                aside = file.with_name(f"{file.name}.{self.at:%Y%m%dT%H%M%SZ}.aside")
                shutil.copy2(file, aside)
                self.done.aside.append(aside)
            fresh.replace(file)
        except OSError as fault:
            raise _unwritable(file, fault) from fault

    def put_catalog(self, saved: SavedState, state_dir: Path) -> BrokenLink | None:
        """Put the catalog of a saved state into a state_dir; the audit log's first broken link."""
        back = rebuilding.bring_back(saved, CatalogPlace(state_dir), self.at, upgrade())
        if back.aside is not None:
            self.done.aside.append(back.aside)
        if back.unknown_ends:
            self.done.lost.append(f"{counted(back.unknown_ends, 'end')} of runs")
        return back.broken


def _unwritable(file: Path, fault: OSError) -> CatalogError:
    return CatalogError(f"{file}: {fault.strerror}", hint="Give drorch the right to write there.")


def _doors(configuration: Configuration, access: Access) -> tuple[Doors, str]:
    """The configured doors; to the repository that was named on the command line, with the password given there.

    And the target that this repository is on, empty where the configuration does not have it.
    """
    same = {name for name in configuration.targets if location_of(configuration, name).same_place(access.location)}

    def door() -> AbstractContextManager[Repository]:
        return opened(access)

    given: dict[str, Callable[[], AbstractContextManager[Repository]]] = dict.fromkeys(same, door)
    return {**doors_of(configuration), **given}, next(iter(same), "")


def _secrets(configuration: Configuration) -> Iterator[SecretNeeded]:
    references = {
        f"targets.{name}.{key}": reference
        for name, spec in configuration.targets.items()
        for key, reference in spec.secrets.items()
    }
    if configuration.catalog is not None and configuration.catalog.password is not None:
        references["catalog.password"] = configuration.catalog.password
    for purpose, reference in references.items():
        yield SecretNeeded(purpose, described(reference), _is_there(reference))


def _is_there(reference: SecretRef) -> bool:
    try:
        reference.read()
    except DrorchError:
        return False
    return True
