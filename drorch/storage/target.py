"""The contract of every target: bytes under a key, and nothing else.

Each promise is written at its method and tested by one contract suite (tests/storage/contract.py) over every
implementation and every wrapper. All methods may be called from several threads at once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

Buffer = bytes | bytearray | memoryview


@dataclass(frozen=True, slots=True)
class TargetProperties:
    """What a caller needs to know of a target to use it well.

    `description` is how messages name it, without secrets. `connections` is how many transfers at once pay off.
    """

    description: str
    connections: int


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object of a listing: its key and its size in bytes.

    A `frozen` one is in a storage class from which it must be thawed before it can be read. A listing goes by the
    class alone; `stat` knows whether it has been thawed for a while.
    """

    key: str
    size: int
    frozen: bool = False


class Target(Protocol):
    """A place that holds one repository.

    A key is "config", "keys/<id>" or "data/ab/<id>" in shape; keys.py has the grammar. A prefix is "keys", "data"
    or "data/ab" in shape. Any other key or prefix, and a negative range, raises `ValueError` at the call.
    Errors are `TargetError`s only: `TargetUnavailable` (retryable), `TargetDenied`, `TargetFull`, `ObjectMissing`.
    """

    @property
    def properties(self) -> TargetProperties:
        """Facts about this target; does not touch it."""
        ...

    def create(self) -> None:
        """Make the place ready to hold a repository, with its folders; fine if it exists already.

        Before that, `save` may raise `TargetUnavailable`: no target makes up a place that it expected to find.
        """
        ...

    def save(self, key: str, data: Buffer) -> None:
        """Store an object whole and durably, or not at all; an existing one is replaced in one step.

        When this returns, the bytes survive a power cut as far as the target can promise it.
        """
        ...

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """The bytes of an object from `offset`, `length` of them or up to the end.

        Raises `ObjectMissing` where there is no such object, and `TargetUnavailable` where the object has fewer
        bytes than asked for (a short range is never returned).
        """
        ...

    def stat(self, key: str) -> StoredObject:
        """Size of an object. Raises `ObjectMissing`."""
        ...

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """All objects whose key starts with `prefix` + "/", in no particular order.

        A prefix that holds nothing, or does not exist, lists nothing. Names that are no valid key part (temporary
        files, for instance) are left out. Objects saved before the call are listed.
        """
        ...

    def remove(self, key: str) -> None:
        """Remove an object; removing a missing one is fine."""
        ...

    def close(self) -> None:
        """Give back connections; the target is not used afterwards. Closing twice is fine."""
        ...


class BatchRemoval(Protocol):
    """What a target may offer beside its contract, where one request can remove many objects."""

    def remove_many(self, keys: Iterable[str]) -> None:
        """Remove objects; missing ones are fine. Where it raises, some of them may have been removed."""
        ...
