"""Whatever a target breaks and wherever the process dies: every listed snapshot restores.

A state machine changes a tree, backs it up over a target that fails, lies or dies as drawn, and forgets all that the
process knew. DRORCH_TORTURE=1 (`make torture`) runs it for long, or as often as DRORCH_EXAMPLES says; the seed it
prints is given back as DRORCH_SEED.
"""

import hashlib
import os
import random
from dataclasses import dataclass

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from drorch.actions.backup import BackupRequest, Label, backup, choose_parent
from drorch.actions.check import CheckRequest, ReadAll, check
from drorch.actions.progress import NoProgress
from drorch.actions.unlock import unlock
from drorch.errors import DrorchError
from drorch.ids import SnapshotId
from drorch.repository import repository as engine
from drorch.repository.keys import ScryptCost
from drorch.repository.node import NodeType
from drorch.repository.pipeline.walk import WalkOptions
from drorch.repository.repository import NamedSnapshot, Repository
from drorch.repository.writer import WritePolicy
from drorch.storage.memory import MemoryTarget
from tests.doubles import Effect, FakeClock, Fault, FaultyTarget
from tests.interop.comparing import Traced, Traits, differences, of_snapshot
from tests.interop.judging import faults
from tests.machine.memory_source import SECOND, Garden, Item, MemorySource

PASSWORD = "torture"  # noqa: S105
TORTURE = os.environ.get("DRORCH_TORTURE") == "1"
EXAMPLES, STEPS = (int(os.environ.get("DRORCH_EXAMPLES", "1000")), 40) if TORTURE else (60, 12)
KIB = 1 << 10
SIZES = (0, 1, 900, 40 * KIB, 700 * KIB, 9 * KIB * KIB, 17 * KIB * KIB)
"""From nothing to more than a pack holds; several chunks from 700 KiB on."""

paths = some.lists(some.sampled_from([b"a", b"b", b"a.", b"\xff\n"]), min_size=1, max_size=3).map(tuple)
numbers = some.integers(0, 5)
breaks = some.builds(
    Fault,
    kind=some.just("save"),
    number=some.integers(1, 4),
    effect=some.sampled_from([Effect.FAIL_BEFORE, Effect.FAIL_AFTER, Effect.DIE]),
    prefix=some.sampled_from(["data", "index", "snapshots", "locks", ""]),
    times=some.sampled_from([1, 1000]),
)
"""Faults that every backup which stores something can meet."""

lies = some.builds(
    Fault,
    kind=some.sampled_from(["load", "list", "stat", "remove"]),
    number=some.integers(1, 6),
    effect=some.sampled_from(Effect),
    prefix=some.sampled_from(["", "data", "index", "snapshots", "locks"]),
    times=some.sampled_from([1, 2, 1000]),
)
plans = some.lists(breaks | lies, min_size=1, max_size=2)
breaking_plans = some.lists(breaks, min_size=1, max_size=1)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A backup that was begun: what it read, and the snapshot it was told of, if it was."""

    root: Item
    snapshot: SnapshotId | None = None


class WhateverBreaks(RuleBasedStateMachine):
    """One repository in memory, one tree, one process that never lives long."""

    @initialize(version=some.sampled_from([1, 2, 2]))
    def begin(self, version: int) -> None:
        self.target = MemoryTarget()
        self.clock = FakeClock()
        self.garden = Garden()
        self.attempts: dict[int, Attempt] = {}
        self.seen: set[SnapshotId] = set()
        engine.initialize(self.target, PASSWORD, version=version, cost=ScryptCost(2, 1, 1), clock=self.clock)

    def opened(self, target: FaultyTarget | MemoryTarget | None = None) -> Repository:
        """The repository as a process finds it that knows nothing."""
        return Repository.open(target or self.target, PASSWORD, self.clock)

    @rule(path=paths, size=some.sampled_from(SIZES), number=numbers)
    def write(self, path: tuple[bytes, ...], size: int, number: int) -> None:
        self.garden.put(path, random.Random(number).randbytes(size))  # noqa: S311

    @rule(path=paths, size=some.sampled_from(SIZES), number=numbers)
    def write_what_compresses(self, path: tuple[bytes, ...], size: int, number: int) -> None:
        self.garden.put(path, b"%d" % number * size)

    @rule(path=paths, text=some.binary(min_size=1, max_size=9))
    def link(self, path: tuple[bytes, ...], text: bytes) -> None:
        self.garden.put(path, text, NodeType.SYMLINK)

    @rule(path=paths)
    def make_folder(self, path: tuple[bytes, ...]) -> None:
        self.garden.make_folder(path)

    @rule(path=paths)
    def remove(self, path: tuple[bytes, ...]) -> None:
        self.garden.remove(path)

    @rule()
    def boot_anew(self) -> None:
        """Device numbers change between boots."""
        self.garden.device += 1

    @rule()
    def back_up(self) -> None:
        """Nothing is in the way, so nothing may fail."""
        assert self.attempted([]), "a backup failed on a sound target"

    @rule(plan=plans)
    def back_up_while_it_breaks(self, plan: list[Fault]) -> None:
        self.attempted(plan)

    @rule(path=paths, size=some.sampled_from(SIZES), number=numbers, plan=breaking_plans)
    def write_and_back_up_while_it_breaks(
        self, path: tuple[bytes, ...], size: int, number: int, plan: list[Fault]
    ) -> None:
        """A backup that has something to store cannot store all of it; the next one finds what it left."""
        self.write(path, size, number)
        self.attempted(plan)
        self.back_up()

    def attempted(self, plan: list[Fault]) -> bool:
        """Back up once; whether it was told that all is well. What fails fails with an error of ours."""
        self.clock.advance(1)
        target = FaultyTarget(self.target, plan)
        label = Label(
            time=int(self.clock.now().timestamp()) * SECOND,
            paths=("/",),
            hostname="here",
            uid=0,
            gid=0,
            program_version="drorch test",
        )
        self.attempts[label.time] = Attempt(self.garden.root)
        try:
            repository = self.opened(target)
            request = BackupRequest(
                label=label,
                parent=choose_parent(repository.list_snapshots().snapshots, label),
                accept=lambda *_: None,
                problems=lambda: (),
                walk=WalkOptions(workers=0),
                policy=WritePolicy(index_blobs=3),
            )
            result = backup(repository, MemorySource(self.garden.root, self.garden.device), request, NoProgress())
        except DrorchError:
            return False
        assert result.problems == ()
        self.attempts[label.time] = Attempt(self.garden.root, result.id)
        return True

    @rule()
    def unlock(self) -> None:
        """The operator knows that no process is left, and takes the locks of the dead away."""
        unlock(self.opened(), remove_all=True)

    @rule(plan=plans)
    def read_while_it_breaks(self, plan: list[Fault]) -> None:
        """What is read over a failing target is right, or an error of ours."""
        try:
            repository = self.opened(FaultyTarget(self.target, plan))
            for named in repository.list_snapshots().snapshots[-2:]:
                self.compare(repository, named)
        except DrorchError:
            return

    @rule()
    def check(self) -> None:
        repository = self.opened()
        with repository.shared_lock():
            report = check(repository, CheckRequest(ReadAll()))
        assert report.errors == ()
        assert all(standing.sound and standing.read for standing in report.snapshots)

    @invariant()
    def every_listed_snapshot_restores(self) -> None:
        repository = self.opened()
        listing = repository.list_snapshots()
        assert listing.faults == ()
        listed = {named.id for named in listing.snapshots}
        told_of = {attempt.snapshot for attempt in self.attempts.values() if attempt.snapshot is not None}
        assert told_of | self.seen <= listed, "a snapshot that was saved is not listed"
        # Those of before were read when they appeared; all are read once more at the end.
        for named in listing.snapshots:
            if named.id not in self.seen:
                self.compare(repository, named)
        self.seen = listed

    def compare(self, repository: Repository, named: NamedSnapshot) -> None:
        """A listed snapshot is what was there when it was made, whether the run that made it ended well or not."""
        root = self.attempts[named.snapshot.time].root
        assert differences(traits(root), of_snapshot(repository, named.snapshot.tree)) == []
        assert len(devices(repository, named)) <= 1, "a snapshot mixes device numbers of several boots"

    def teardown(self) -> None:
        if not hasattr(self, "target"):
            return
        repository = self.opened()
        for named in repository.list_snapshots().snapshots:
            self.compare(repository, named)
        # Packs that a dead process left are not damage: the next prune takes them.
        assert [fault for fault in faults(repository) if not fault.endswith("is in no index")] == []


def traits(root: Item) -> Traced:
    """What a snapshot of a tree must hold."""
    found: dict[bytes, Traits] = {}
    folders = [(b"", root)]
    while folders:
        path, folder = folders.pop()
        for name, item in folder.children.items():
            is_file, is_link = item.kind is NodeType.FILE, item.kind is NodeType.SYMLINK
            found[path + name] = Traits(
                kind=item.kind,
                mode=item.mode & 0o7777,
                owner=(0, 0),
                names=("root", "root"),
                mtime=item.changed,
                xattrs=frozenset(),
                content=hashlib.sha256(item.content).hexdigest() if is_file else "",
                size=len(item.content) if is_file else 0,
                target=item.content if is_link else b"",
            )
            folders.append((path + name + b"/", item))
    return found


def devices(repository: Repository, named: NamedSnapshot) -> set[int]:
    """The device numbers in a snapshot."""
    found: set[int] = set()
    trees = [named.snapshot.tree]
    while trees:
        for node in repository.load_tree(trees.pop()):
            found.add(node.device_id)
            if node.subtree is not None:
                trees.append(node.subtree)
    return found


@pytest.mark.timeout(0 if TORTURE else 300)
def test_every_listed_snapshot_restores() -> None:
    seed = int(os.environ.get("DRORCH_SEED") or random.SystemRandom().getrandbits(32))
    print(f"DRORCH_SEED={seed}")  # noqa: T201
    run_state_machine_as_test(
        hypothesis.seed(seed)(WhateverBreaks),
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
