"""An RDB is put back as a file, for a server to start with.

Promise: it is written beside its place, found whole, and put there in one step. No running server is touched.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import RestoreError
from drorch.process.commands import ChildFailed
from drorch.sources.databases.contract import Loaded, Objection, RestoreWish, StoredParts
from drorch.sources.databases.facts import DatabaseFacts, Facts, RowCount, compare
from drorch.sources.databases.growing import growing, put, write_pieces
from drorch.sources.redis.checking import HEAD_BYTES, Checker, Counted, NotWhole, require_head, require_tail
from drorch.sources.redis.settings import PART, RedisSettings
from drorch.units import format_size

_KEPT_BYTES = 64
KEYS, EXPIRING = "keys", "keys that expire"
"""What is counted in an RDB, as it is called in the facts."""

HOW_TO_START = (
    "put the file where the server looks for it (dir and dbfilename), owned by the server's user, and start the server",
    "a server that runs meanwhile overwrites the file when it saves: stop it before, with SHUTDOWN NOSAVE",
    "a server with appendonly yes does not read it: start with appendonly no, then CONFIG SET appendonly yes",
)


@dataclass(frozen=True, slots=True)
class Restoring:
    """One restore."""

    settings: RedisSettings
    wish: RestoreWish
    parts: StoredParts
    facts: Facts | None

    def objections(self) -> Sequence[Objection]:
        """What stands in the way. Looks, and changes nothing."""
        if PART not in self.parts.names():
            return [Objection(f"the snapshot holds no {PART}", "Choose another: drorch snapshots", fatal=True)]
        if self.wish.tables or self.wish.schemas:
            return [Objection("keys cannot be restored alone", "Restore all of them to a file.", fatal=True)]
        if self.wish.into is None:
            hint = "Name the file to make: --into FOLDER/dump.rdb. A server reads it when it starts."
            return [Objection("an RDB cannot be loaded into a running server", hint, fatal=True)]
        return [*self._objections_to(Path(self.wish.into))]

    def restore(self) -> Loaded:
        """Do it. Raises `RestoreError`, and what reading the part raises."""
        for one in self.objections():
            if one.fatal:
                raise RestoreError(one.message, hint=one.hint)
        assert self.wish.into is not None
        path = Path(os.path.realpath(self.wish.into))
        hint = "restore an older snapshot: drorch snapshots"
        try:
            with growing(path.parent) as (file, handle):
                found = _Found()
                with self.parts.open(PART) as pieces:
                    write_pieces(handle, found.looked_at(pieces, self.settings))
                put(file, path)
        except OSError as fault:
            raise RestoreError(f"{path}: {fault.strerror}", hint="make room, or choose another path") from fault
        except NotWhole as fault:
            raise RestoreError(f"{PART} of the snapshot is damaged: {fault}", hint=hint) from fault
        except ChildFailed as fault:
            raise RestoreError(fault.message, hint="repair the installation of redis-check-rdb") from fault
        return self._compared(found)

    def _objections_to(self, path: Path) -> Iterator[Objection]:
        if path.is_dir() or not path.parent.is_dir():
            yield Objection(f"{path} cannot be a file", "Name one in a folder that is there.", fatal=True)
        elif path.exists() and not path.is_file():
            yield Objection(f"{path} is not a file", "Choose another path with --into.", fatal=True)
        elif path.exists() and not self.wish.overwrite:
            yield Objection(f"{path} exists", "Choose another path with --into, or --overwrite it.", fatal=True)
        elif (free := shutil.disk_usage(path.parent).free) < (needed := self.parts.size(PART)):
            what = f"{format_size(needed)} are needed, {format_size(free)} are free"
            yield Objection(f"folder {path.parent} is full: {what}", "Free some room.", fatal=True)

    def _compared(self, found: "_Found") -> Loaded:
        recorded = next(iter(self.facts.databases.values()), None) if self.facts is not None else None
        if found.counted is None:
            why = "neither keys nor checksum were looked at: that takes a redis-check-rdb as new as the server"
            return Loaded((PART,), (), (*HOW_TO_START, why), compared=False)
        if recorded is None:
            return Loaded((PART,), (), (*HOW_TO_START, "there are no facts to compare with"), compared=False)
        tables = {KEYS: RowCount(found.counted.keys), EXPIRING: RowCount(found.counted.expiring)}
        comparison = compare(recorded, DatabaseFacts(tables=tables))
        notes = (*HOW_TO_START, *comparison.not_compared)
        return Loaded((PART,), comparison.differences, notes, compared=not comparison.not_compared)


class _Found:
    """Looks at an RDB as it passes."""

    def __init__(self) -> None:
        self.counted: Counted | None = None

    def looked_at(self, pieces: Iterable[bytes], settings: RedisSettings) -> Iterator[bytes]:
        """The same pieces. Raises `NotWhole` at its end, and `ChildFailed`."""
        checker = None if settings.checker is None else Checker(settings.checker, settings.quiet_seconds)
        head = tail = b""
        try:
            for piece in pieces:
                head = head if len(head) >= HEAD_BYTES else (head + piece)[:HEAD_BYTES]
                tail = (tail + piece)[-_KEPT_BYTES:]
                if checker is not None:
                    checker.feed(piece)
                yield piece
            require_head(head)
            require_tail(tail)
            self.counted = checker.finish() if checker is not None else None
        finally:
            if checker is not None:
                checker.close()
