"""The audit log: who did what, only ever appended to. The tables refuse changes; the chain shows those made anyway."""

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, Engine, Text, insert, select, type_coerce

from drorch.catalog import rows
from drorch.catalog.columns import Unreadable, written_by_drorch
from drorch.catalog.engine import BATCH, batches, reading, writing
from drorch.catalog.tables import AUDIT
from drorch.model.audit import (
    NOTHING,
    AuditEntry,
    AuditHead,
    BrokenLink,
    Deed,
    first_broken,
    next_entry,
    origins,
    taken_over,
)


class AuditLog:
    """The chain of entries. Every method raises `CatalogError` where the catalog fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, deed: Deed) -> AuditEntry:
        """Note what somebody did; it is on disk when this returns."""
        with writing(self._engine) as connection:
            entry = next_entry(_head(connection), deed)
            connection.execute(insert(AUDIT), [rows.of_entry(entry)])
        return entry

    def take_over(self, other: "AuditLog") -> int:
        """Append what another log of the same host holds and this one does not; answers how many entries that were.

        What follows this log's end goes in as it is, anything else as what it was in the other one
        (`model.audit.taken_over`). Doing so again adds nothing. To be called with a log that verifies.
        """
        there = set()
        for entry in self.entries():
            there.add(AuditHead(entry.seq, entry.hash))
            there.update(head for head, _ in origins(entry.deed))
        count = 0
        for batch in batches(entry for entry in other.entries() if AuditHead(entry.seq, entry.hash) not in there):
            with writing(self._engine) as connection:
                head = _head(connection)
                for entry in batch:
                    follows = (entry.seq, entry.prev_hash) == (head.seq + 1, head.hash)
                    link = entry if follows else next_entry(head, taken_over(entry))
                    connection.execute(insert(AUDIT), [rows.of_entry(link)])
                    head = AuditHead(link.seq, link.hash)
            count += len(batch)
        return count

    def holds(self, head: AuditHead) -> bool:
        """Whether an end that was noted elsewhere is in this log, or in one that was taken over into it."""
        if head.seq == 0:
            return True
        said = f"{head.seq}:{head.hash.hex()}"
        was = type_coerce(AUDIT.c.detail, Text).contains(f'": "{said}"', autoescape=True)
        with reading(self._engine) as connection:
            mine = connection.scalar(select(AUDIT.c.hash).where(AUDIT.c.seq == head.seq))
            if isinstance(mine, bytes | memoryview) and bytes(mine) == head.hash:
                return True
            return connection.scalar(select(AUDIT.c.seq).where(was).limit(1)) is not None

    def head(self) -> AuditHead:
        """The end of the chain, to be noted elsewhere."""
        with reading(self._engine) as connection:
            return _head(connection)

    def entries(self, after: int = 0) -> Iterator[AuditEntry]:
        """The entries behind number `after`, oldest first, read piece by piece.

        Raises `Unreadable` at an entry that drorch did not write as it is now, after all before it.
        """
        while batch := self._behind(after):
            yield from batch
            after = batch[-1].seq

    def _behind(self, after: int) -> list[AuditEntry]:
        try:
            return self._read(after, BATCH)
        except Unreadable:
            return self._read(after, 1)

    def _read(self, after: int, limit: int) -> list[AuditEntry]:
        query = select(AUDIT).where(AUDIT.c.seq > after).order_by(AUDIT.c.seq).limit(limit)
        with reading(self._engine) as connection:
            return [rows.to_entry(row) for row in connection.execute(query).mappings()]

    def verify(self, anchors: Iterable[AuditHead] = ()) -> BrokenLink | None:
        """The first broken link of the whole log, seen against heads noted elsewhere; None where it is as it was."""
        read = 0

        def counted() -> Iterator[AuditEntry]:
            nonlocal read
            for entry in self.entries():
                read = entry.seq
                yield entry

        try:
            return first_broken(counted(), anchors)
        except Unreadable:
            return BrokenLink(read + 1, "it cannot be read")


def _head(connection: Connection) -> AuditHead:
    last = connection.execute(select(AUDIT.c.seq, AUDIT.c.hash).order_by(AUDIT.c.seq.desc()).limit(1)).first()
    with written_by_drorch("the end of the audit log"):
        return AuditHead(int(last.seq), bytes(last.hash)) if last else AuditHead(0, NOTHING)
