"""What a step of a probe is given, and what it is: a name, what it does, and a function that does it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from drorch.actions.probe.facts import Answer, Fact, Finding
from drorch.clock import Clock
from drorch.storage.abilities import Abilities, ScratchPlace
from drorch.storage.target import Target
from drorch.units import KIB, MIB


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a probe does: enough to tell something, little enough for a slow line.

    `large_bytes` is the size of the objects throughput is measured with, `large_count` how many there are at most;
    after one that took longer than `patience` there is no second. `page` more objects than one page of a listing has
    are written only where that takes no longer than `patience`. `lock` is how long a locked object stays locked.
    """

    small_bytes: int = KIB
    small_count: int = 9
    large_bytes: int = 16 * MIB
    large_count: int = 4
    replacements: int = 20
    page: int = 1001
    patience: timedelta = timedelta(seconds=15)
    lock: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where the steps try things out, how much of it, and what was found so far."""

    scratch: ScratchPlace
    extent: Extent
    clock: Clock
    known: Mapping[str, Fact]

    @property
    def target(self) -> Target:
        """The scratch place as a target."""
        return self.scratch.target

    @property
    def abilities(self) -> Abilities:
        """What can be tried beside the contract."""
        return self.scratch.abilities

    def answered(self, name: str, answer: Answer) -> bool:
        """Whether an earlier step had this answer."""
        return name in self.known and self.known[name].answer is answer

    def timed(self, action: Callable[[], object]) -> float:
        """How many seconds something took."""
        start = self.clock.monotonic()
        action()
        return max(self.clock.monotonic() - start, 1e-6)


ANY = frozenset(Answer)
"""What may come of a step that nothing relies on."""


def always(_bench: Bench) -> bool:
    """For steps that make sense on every target."""
    return True


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to try, where it `applies`. Any other answer than the `fit` ones is a promise that is not kept."""

    name: str
    title: str
    done: str
    run: Callable[[Bench], Finding]
    fit: frozenset[Answer] = ANY
    applies: Callable[[Bench], bool] = always


def key_of(step: str, number: int = 0) -> str:
    """A key no other step uses, where data packs would be."""
    return f"{folder_of(step)}/{step}-{number}"


def folder_of(step: str) -> str:
    """The prefix of all keys of a step, as `list` takes it."""
    return f"data/{sum(step.encode()) % 256:02x}"


def noise(size: int) -> bytes:
    """Bytes that no server makes smaller and none has seen before."""
    return os.urandom(size)
