"""What a kind of database offers, and what is asked of it, for backups and on the way back.

A kind is configured once and used for one run at a time. Its errors are `SourceUnavailable` (the server does not
answer; may be tried again), `DumpFailed` (there is no whole dump) and `RestoreError`; their messages hold no secret.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from drorch.sources.databases.facts import Facts


class DumpStream(Protocol):
    """One part of a dump being read, from its start."""

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer; 0 at the end. Raises `DumpFailed` as soon as the dump is known to have failed."""
        ...

    def close(self) -> None:
        """Let go of it. Read to its end, it raises `DumpFailed` unless it was whole; left early, it ends in silence."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the snapshot: its name, relative ("postgresql/orders.dump"), and how it is opened, once.

    `blob_bytes` is set for content that is changed in place and never shifted (pages of a database file): it is cut
    into blobs of that many bytes, so that a small change stores little. None: cut by content, as files are.
    """

    name: str
    open: Callable[[], DumpStream]
    blob_bytes: int | None = None


class DumpSession(Protocol):
    """A dump under way: while it is open, what its parts have in common is held (an exported snapshot, a passfile)."""

    def parts(self) -> Sequence[Part]:
        """In the order in which they are read. Each is opened once, when the one before it has been closed."""
        ...

    def facts(self) -> Facts:
        """What is known of what was dumped; asked once all parts have been read and closed. Raises `DumpFailed`."""
        ...


class StoredParts(Protocol):
    """The parts that a snapshot holds, on the way back."""

    def names(self) -> Sequence[str]:
        """As in `Part.name`, ascending. `/drorch-facts.json` is none of them."""
        ...

    def size(self, name: str) -> int:
        """In bytes. Raises `KeyError`."""
        ...

    def open(self, name: str) -> AbstractContextManager[Iterator[bytes]]:
        """Its content in pieces of at most a few MiB, each verified before it is given. Raises `KeyError`."""
        ...


@dataclass(frozen=True, slots=True)
class Objection:
    """What stands in the way of a dump or a restore (`fatal`), or should be known; the hint says what to do."""

    message: str
    hint: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class RestoreWish:
    """What is to be put back, and where.

    `into` is the name of the database to make (a file for SQLite, a folder where files are put back); None: the
    recorded one. `only` is the one wanted of several databases of a snapshot. `tables` and `schemas`: only these.
    `overwrite` lets a database that is not empty be replaced. `as_superuser` lets a dump do what only a superuser may.
    `jobs` at once, where the tools can. `globals_too`: roles and tablespaces also, users of MariaDB.
    """

    into: str | None = None
    only: str | None = None
    tables: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    overwrite: bool = False
    as_superuser: bool = False
    jobs: int = 1
    globals_too: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a restore did.

    `differences` from the facts are in words; none means agreement only where `compared`. Where it could not be
    compared, the `notes` say why.
    """

    databases: tuple[str, ...]
    differences: tuple[str, ...]
    notes: tuple[str, ...]
    compared: bool


class DatabaseKind(Protocol):
    """One configured source of a kind, both directions."""

    @property
    def kind(self) -> str:
        """ "postgresql", "mariadb", "sqlite", "redis", "command"."""
        ...

    def preflight(self) -> Sequence[Objection]:
        """What a backup would meet. Looks, and changes nothing. Raises `SourceUnavailable`."""
        ...

    def dump(self) -> AbstractContextManager[DumpSession]:
        """Begin a dump. Raises `SourceUnavailable` and `DumpFailed`."""
        ...

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:
        """What a restore would meet. Looks, and changes nothing. Raises `SourceUnavailable`."""
        ...

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:
        """Put it back and compare it with the facts. Raises `RestoreError` and `SourceUnavailable`."""
        ...
