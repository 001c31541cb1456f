"""What is known to be bad in packs, and what that means for a blob that somebody needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from drorch.ids import BlobId, PackId
from drorch.repository.index import Index, Location
from drorch.repository.pack import BlobType

_REMEMBERED = 1 << 16


class Damage:
    """Packs and copies of blobs that must not be relied on, with the numbers of the findings that say so."""

    def __init__(self) -> None:
        self._packs: dict[PackId, list[int]] = {}
        self._copies: dict[PackId, dict[BlobId, int]] = {}

    def add_pack(self, pack: PackId, number: int) -> None:
        """Nothing in this pack can be relied on."""
        self._packs.setdefault(pack, []).append(number)

    def add_copies(self, pack: PackId, blobs: Sequence[BlobId], number: int) -> None:
        """These blobs of a pack are damaged."""
        self._copies.setdefault(pack, {}).update(dict.fromkeys(blobs, number))

    def is_bad(self, location: Location) -> bool:
        """Whether this copy cannot be relied on."""
        return location.pack in self._packs or location.blob.id in self._copies.get(location.pack, ())

    def findings(self, locations: Sequence[Location]) -> frozenset[int]:
        """The numbers of all findings about these copies."""
        numbers = {number for location in locations for number in self._packs.get(location.pack, ())}
        for location in locations:
            copy = self._copies.get(location.pack, {}).get(location.blob.id)
            if copy is not None:
                numbers.add(copy)
        return frozenset(numbers)


class State(IntEnum):
    """How a blob stands, from best to worst."""

    READ = 0
    """A good copy was read in this check."""
    LISTED = 1
    """A copy is in a pack that is there; it was not read."""
    BAD = 2
    """Every copy is known to be bad."""
    WRONG_TYPE = 3
    """The id is listed for a blob of the other type only."""
    UNKNOWN = 4
    """No index lists it."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a blob, and the length of its plaintext in bytes (0 where it is not listed)."""

    state: State
    length: int


class BlobStandings:
    """Looks up how blobs stand, once the packs have been examined. Remembers what was asked lately."""

    def __init__(self, index: Index, damage: Damage, was_read: Callable[[PackId], bool]) -> None:
        self.index = index
        self.damage = damage
        self._was_read = was_read
        self.of = lru_cache(_REMEMBERED)(self._look_up)

    def _look_up(self, blob_id: bytes, blob_type: BlobType) -> Standing:
        locations = self.index.locations(blob_id, blob_type)
        if not locations:
            other = BlobType.DATA if blob_type is BlobType.TREE else BlobType.TREE
            return Standing(State.WRONG_TYPE if self.index.has(blob_id, other) else State.UNKNOWN, 0)
        length = locations[0].blob.plaintext_length
        good = [location.pack for location in locations if not self.damage.is_bad(location)]
        if not good:
            return Standing(State.BAD, length)
        return Standing(State.READ if any(map(self._was_read, good)) else State.LISTED, length)

    def findings(self, blob_id: bytes, blob_type: BlobType) -> frozenset[int]:
        """The numbers of the findings about the copies of a blob."""
        return self.damage.findings(self.index.locations(blob_id, blob_type))
