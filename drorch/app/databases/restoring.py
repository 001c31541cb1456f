"""A database restored from a snapshot: the snapshot's parts, the job whose server takes them, and the books.

Looked at first (`planned_load`, `PlannedLoad.objections`), then done: nothing is touched before somebody saw what
stands in the way.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from drorch import __version__
from drorch.actions import snapshots as choosing
from drorch.actions.progress import Progress
from drorch.actions.snapshots import EVERY, Reference, SnapshotFilter
from drorch.app.access import Access
from drorch.app.books import kept_books
from drorch.app.configuration import load
from drorch.app.databases.stored import SnapshotParts, one_file, parts_below, recorded_facts
from drorch.app.door import opened
from drorch.clock import Clock
from drorch.config.configuration import Configuration
from drorch.config.location import find_config_file
from drorch.errors import ConfigError, UsageError
from drorch.ids import SHORT_HEX
from drorch.model.names import JOB_TAG
from drorch.model.run import RunKind
from drorch.orchestrator import loading
from drorch.orchestrator.doer import Doer
from drorch.orchestrator.errand import Errand
from drorch.orchestrator.loading import LoadedFrom
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.sources.databases.contract import Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import FACTS_NAME, Facts

KINDS = ("postgresql", "mariadb", "sqlite", "redis")
"""The folders at the root of a snapshot that say what kind of database it holds."""

COMMAND = "command"
"""The kind of what a job's own commands save and load."""


class Loader(Protocol):
    """The way back of a kind of database, or of a command. Fits `contract.DatabaseKind`."""

    @property
    def kind(self) -> str:
        """One of `KINDS`, or "command"."""
        ...

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:
        """What a restore would meet. Looks, and changes nothing."""
        ...

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:
        """Put it back and compare it with the facts."""
        ...


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who takes a database: the loader of a job. `place` names its server for people, `file` what a command dumped."""

    job: str
    loader: Loader
    place: str
    file: bytes = b""


Receivers = Callable[[str], Receiver]
"""The receiver of a job by its name. Raises `ConfigError` and `UsageError` where there is none."""


@dataclass(frozen=True, slots=True)
class DatabaseRestore:
    """What the operator asks for. `using` is the job whose server takes it; empty: the job whose snapshot it is."""

    reference: Reference
    wish: RestoreWish
    using: str = ""
    chosen: SnapshotFilter = EVERY


@dataclass(frozen=True, slots=True)
class PlannedLoad:
    """A restore that can be shown or carried out while its repository is open.

    `facts` are None where there are none to compare with; `without_facts` says why.
    """

    asked: DatabaseRestore
    named: NamedSnapshot
    receiver: Receiver
    parts: SnapshotParts
    facts: Facts | None
    without_facts: str = ""

    def objections(self) -> list[Objection]:
        """What stands in the way, or should be known. Raises `SourceUnavailable` and `TargetError`."""
        kept = self.parts.objections()
        return [*kept, *self.receiver.loader.restore_preflight(self.asked.wish, self.parts.silent(), self.facts)]

    def execute(self) -> LoadedFrom:
        """Load it. Raises `RestoreError`, `SourceUnavailable`, `TargetError` and `IntegrityError`."""
        loaded = self.receiver.loader.restore(self.asked.wish, self.parts, self.facts)
        if self.facts is None and self.receiver.loader.kind != COMMAND:
            # Without facts nothing can agree, whatever was looked at.
            loaded = replace(loaded, compared=False, notes=(self.without_facts, *loaded.notes))
        return LoadedFrom(loaded, self.parts.bytes_read, self.parts.all_read())


@contextmanager
def planned_load(
    access: Access, asked: DatabaseRestore, receivers: Receivers, progress: Progress
) -> Iterator[PlannedLoad]:
    """Find the snapshot, the job and the parts; nothing is touched until `PlannedLoad.execute`.

    Raises `UsageError` where the snapshot holds no database of the job's kind, `ConfigError` where there is no such
    job, and what opening and reading the repository raises.
    """
    with opened(access) as repository:
        yield plan_load(repository, asked, receivers, progress)


def plan_load(repository: Repository, asked: DatabaseRestore, receivers: Receivers, progress: Progress) -> PlannedLoad:
    """The same, in a repository that is open."""
    named = choosing.find_snapshot(repository, asked.reference.snapshot, asked.chosen)
    root = named.snapshot.tree
    receiver = receivers(asked.using or _job_of(named))
    kind = receiver.loader.kind
    if kind == COMMAND:
        path = receiver.file if asked.reference.path == b"/" else asked.reference.path
        nodes = one_file(repository, root, path)
        facts, without = None, ""
    else:
        _refuse_path(asked.reference)
        nodes = parts_below(repository, root, kind)
        if not nodes:
            raise _no_such_database(repository, named, receiver)
        facts, without = recorded_facts(repository, root, kind)
    parts = SnapshotParts(repository, nodes, progress)
    progress.total(len(nodes), parts.total())
    return PlannedLoad(asked, named, receiver, parts, facts, without)


def _shown(named: NamedSnapshot) -> str:
    return f"snapshot {named.id.hex()[:SHORT_HEX]}"


def _job_of(named: NamedSnapshot) -> str:
    jobs = [tag.removeprefix(JOB_TAG) for tag in named.snapshot.tags if tag.startswith(JOB_TAG)]
    if len(jobs) != 1:
        raise UsageError(
            f"{_shown(named)} does not say whose it is", hint="Name the job whose server takes it: --using JOB."
        )
    return jobs[0]


def _refuse_path(reference: Reference) -> None:
    if reference.path != b"/":
        raise UsageError(
            f"{reference.path.decode('utf-8', 'surrogateescape')} is a part, and a database is restored from all",
            hint="Leave the path out; choose with --only, --table or --schema; or take the file itself with --to DIR.",
        )


def _no_such_database(repository: Repository, named: NamedSnapshot, receiver: Receiver) -> UsageError:
    held = {node.name.decode("utf-8", "surrogateescape") for node in repository.load_tree(named.snapshot.tree)}
    others = [kind for kind in KINDS if kind in held]
    if others:
        return UsageError(
            f"{_shown(named)} holds a {others[0]} database, and job {receiver.job} is of {receiver.loader.kind}",
            hint=f"Name a job of {others[0]} whose server takes it: --using JOB.",
        )
    if FACTS_NAME in held:
        return UsageError(
            f"{_shown(named)} holds facts and no database: it was made without its parts",
            hint="Restore an older one; to see them, type: drorch snapshots",
        )
    return UsageError(
        f"{_shown(named)} holds no database", hint="To put files back, type: drorch restore SNAPSHOT --to DIR"
    )


def configuration_with_jobs(named: str | None) -> Configuration:
    """The configuration whose jobs say where servers are. Raises `ConfigError`, also where there is none."""
    if find_config_file(Path(named) if named else None) is None:
        raise ConfigError(
            "a database is restored into the server of a job, and there is no configuration",
            hint="Name one with -c FILE; or without: drorch dump SNAPSHOT PATH | psql ..., as docs/DATABASES.md shows.",
        )
    return load(named)


def load_and_write_down(
    planned: PlannedLoad, configuration: Configuration, target: str, clock: Clock
) -> tuple[LoadedFrom, tuple[str, ...]]:
    """Carry a restore out, and write it down; `target` is empty where none of the configuration was named.

    What could not be written down comes with it, in words. Raises as `PlannedLoad.execute` does.
    """
    wish = planned.asked.wish
    with kept_books(configuration, clock) as books:
        errand = Errand(
            RunKind.RESTORE, target, configuration.host, Doer.here(), configuration.digest, {"drorch": __version__}
        )
        books.did(
            errand.doer,
            "restore",
            target=target,
            snapshot=planned.named.id.hex(),
            job=planned.receiver.job,
            kind=planned.receiver.loader.kind,
            place=planned.receiver.place,
            into="" if wish.into is None else wish.into,
            **_choices(wish),
            configuration=configuration.digest,
        )
        done = loading.load(books, errand, planned.named.id, clock, planned.execute)
        return done, tuple(books.complaints)


def _choices(wish: RestoreWish) -> dict[str, str]:
    """What was asked for beyond the whole, for the audit log."""
    said = {
        "only": wish.only or "",
        "tables": " ".join(wish.tables),
        "schemas": " ".join(wish.schemas),
        "overwrite": "yes" if wish.overwrite else "",
        "as_superuser": "yes" if wish.as_superuser else "",
        "globals": "yes" if wish.globals_too else "",
    }
    return {name: text for name, text in said.items() if text}
