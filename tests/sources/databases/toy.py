"""A kind of database that is nothing but shell scripts: what a dump is to its neighbours."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from drorch.errors import DumpFailed, RestoreError, SourceUnavailable
from drorch.process.commands import ChildFailed, describe_status
from drorch.process.streams import ReadChild, StreamCommand, start_reading
from drorch.sources.databases.contract import DumpStream, Loaded, Objection, Part, RestoreWish, StoredParts
from drorch.sources.databases.facts import DatabaseFacts, Facts, RowCount

FACTS = Facts(
    "sqlite", "3.40.1", "toy 1", "2026-01-02T03:04:05+00:00", {"orders": DatabaseFacts(tables={"t": RowCount(3)})}
)


class ScriptStream:
    """The output of a shell script as a part."""

    def __init__(self, script: str, quiet_seconds: float) -> None:
        try:
            self._child: ReadChild = start_reading(
                StreamCommand(["/bin/sh", "-c", script], quiet_seconds=quiet_seconds)
            )
        except ChildFailed as fault:
            raise DumpFailed(fault.message) from fault
        self._ended = False

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer."""
        try:
            count = self._child.readinto(buffer)
        except ChildFailed as fault:
            raise DumpFailed(fault.message) from fault
        self._ended = count == 0
        return count

    def close(self) -> None:
        """The script must have ended well."""
        with self._child:
            if not self._ended:
                return
            try:
                ended = self._child.finish()
            except ChildFailed as fault:
                raise DumpFailed(fault.message) from fault
            if ended.status != 0:
                raise DumpFailed(f"the script {describe_status(ended.status)}: {ended.said.strip()}")


@dataclass
class Toy:
    """Parts by name with their scripts, in order. `events` tells what was done with it."""

    scripts: dict[str, str]
    objections: Sequence[Objection] = ()
    found: Facts | Exception = FACTS
    blob_bytes: int | None = None
    quiet_seconds: float = 120.0
    unavailable: bool = False
    events: list[str] = field(default_factory=list)
    kind: str = "sqlite"

    def preflight(self) -> Sequence[Objection]:
        """The objections."""
        self.events.append("preflight")
        return self.objections

    @contextmanager
    def dump(self) -> "Iterator[Toy]":
        """Itself as a session."""
        if self.unavailable:
            raise SourceUnavailable("the toy does not answer", hint="Wind it up.")
        self.events.append("begin")
        try:
            yield self
        finally:
            self.events.append("end")

    def parts(self) -> Sequence[Part]:
        """A part for each script."""
        return [Part(name, self._opener(name, script), self.blob_bytes) for name, script in self.scripts.items()]

    def _opener(self, name: str, script: str) -> Callable[[], DumpStream]:
        def opened() -> DumpStream:
            self.events.append(f"open {name}")
            return _Watched(ScriptStream(script, self.quiet_seconds), name, self.events)

        return opened

    def facts(self) -> Facts:
        """What was found."""
        self.events.append("facts")
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def restore_preflight(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Sequence[Objection]:  # noqa: ARG002
        """Nothing stands in its way."""
        return []

    def restore(self, wish: RestoreWish, parts: StoredParts, facts: Facts | None) -> Loaded:  # noqa: ARG002
        """A toy goes one way only."""
        raise RestoreError("a toy cannot be restored")


class _Watched:
    def __init__(self, stream: DumpStream, name: str, events: list[str]) -> None:
        self._stream = stream
        self._name = name
        self._events = events

    def readinto(self, buffer: memoryview) -> int:
        """As the stream."""
        return self._stream.readinto(buffer)

    def close(self) -> None:
        """As the stream."""
        self._events.append(f"close {self._name}")
        self._stream.close()
