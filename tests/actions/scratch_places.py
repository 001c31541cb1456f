"""Scratch places for the tests of the probe: over any target, with what it can do beside the contract."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drorch.actions.probe.bench import Extent
from drorch.actions.probe.facts import Fact
from drorch.storage.abilities import Abilities, Leftover
from drorch.storage.memory import MemoryTarget
from drorch.storage.target import Buffer, StoredObject, Target

SMALL = Extent(
    small_bytes=64,
    small_count=3,
    large_bytes=256 * 1024,
    large_count=3,
    replacements=8,
    page=40,
    patience=timedelta(seconds=60),
    lock=timedelta(seconds=5),
)
"""A probe that takes no time on a server of this machine."""

CONTRACT = frozenset({
    "write", "read", "range", "short", "fresh", "list", "overwrite", "atomic", "delete", "gone", "many",
})  # fmt: skip
"""The steps that every sound target answers by yes where nothing is forbidden."""


@dataclass
class Listener:
    """Remembers what it is told."""

    facts: list[Fact] = field(default_factory=list)
    leftovers: list[Leftover] = field(default_factory=list)
    told_of_the_end: int = 0

    def found(self, fact: Fact) -> None:
        self.facts.append(fact)

    def left(self, leftovers: Sequence[Leftover]) -> None:
        self.leftovers.extend(leftovers)
        self.told_of_the_end += 1


class PlainScratch:
    """A place over a target, which counts how often it is made and removed."""

    def __init__(self, target: Target, abilities: Abilities | None = None) -> None:
        self.name = "a scratch place"
        self.target = target
        self.abilities = abilities or Abilities()
        self.made = 0
        self.discarded = 0

    def prepare(self) -> None:
        self.made += 1

    def discard(self) -> Sequence[Leftover]:
        self.discarded += 1
        return ()


class ChangingTarget(MemoryTarget):
    """Gives other bytes than it got."""

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().load(key, offset, length)
        return data[:-1] + bytes([data[-1] ^ 1]) if data else data


class WholeTarget(MemoryTarget):
    """Ignores ranges: always gives the beginning."""

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().load(key)
        return data[offset:] if length is None else data[:length]


class CutTarget(MemoryTarget):
    """Passes off fewer bytes than asked for as all."""

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = super().load(key)
        return data[offset:] if length is None else data[offset : offset + length]


class MakingUpTarget(MemoryTarget):
    """Has an empty object where there is none."""

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        known = any(item.key == key for item in super().list("data"))
        return super().load(key, offset, length) if known or key == "config" else b""


class ForgetfulListing(MemoryTarget):
    """Lists a new object only when another has been saved."""

    def __init__(self) -> None:
        super().__init__()
        self.newest = ""

    def save(self, key: str, data: Buffer) -> None:
        super().save(key, data)
        self.newest = key

    def list(self, prefix: str) -> Iterator[StoredObject]:
        return (item for item in super().list(prefix) if item.key != self.newest)


class LateTarget(MemoryTarget):
    """Finds a new object only when it is asked for the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        first = key not in self.asked
        self.asked.add(key)
        return super().load(f"{key}-late" if first and "fresh" in key else key, offset, length)


class StaleTarget(MemoryTarget):
    """Reads what was saved first under a key."""

    def save(self, key: str, data: Buffer) -> None:
        if not self._has(f"{key}-first"):
            super().save(f"{key}-first", data)
        super().save(key, data)

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        return super().load(f"{key}-first" if self._has(f"{key}-first") else key, offset, length)

    def _has(self, key: str) -> bool:
        return any(item.key == key for item in super().list("data"))


class MixingTarget(MemoryTarget):
    """Replaces in two steps: readers may see the first half."""

    def __init__(self, pause: Callable[[], None]) -> None:
        super().__init__()
        self._pause = pause

    def save(self, key: str, data: Buffer) -> None:
        super().save(key, bytes(data)[: len(data) // 2])
        self._pause()
        super().save(key, data)


class KeepingTarget(MemoryTarget):
    """Goes on listing and giving what was removed."""

    def remove(self, key: str) -> None:
        pass


class DoublingTarget(MemoryTarget):
    """Lists what is beyond a page twice."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        found = list(super().list(prefix))
        return iter(found + found[-1:] if len(found) > 30 else found)


@dataclass(frozen=True)
class OtherClock:
    """A clock that is so many seconds ahead of ours."""

    now: Callable[[], datetime]
    ahead: float

    def time_there(self) -> datetime:
        return self.now() + timedelta(seconds=self.ahead)
