"""Doubles for the edge of the house: targets that count, fail or kill, and a clock that tests wind.

Each wraps a real target and, unless told otherwise, passes everything through: the contract suite runs over them.
"""

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Literal

from drorch.errors import TargetError, TargetUnavailable
from drorch.storage.local import LocalTarget
from drorch.storage.target import Buffer, StoredObject, Target, TargetProperties

Kind = Literal["create", "save", "load", "stat", "list", "remove"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a target: what was asked, of which key or prefix, and how many bytes were saved or loaded."""

    kind: Kind
    key: str = ""
    size: int = 0

    @property
    def is_write(self) -> bool:
        """True where an object was stored or removed."""
        return self.kind in ("save", "remove")


class CountingTarget:
    """Records every operation that succeeded, in the order in which they ended."""

    def __init__(self, inner: Target) -> None:
        self.inner = inner
        self._operations: list[Operation] = []
        self._lock = threading.Lock()

    @property
    def operations(self) -> list[Operation]:
        """All operations so far; a copy."""
        with self._lock:
            return list(self._operations)

    @property
    def writes(self) -> list[Operation]:
        """The operations so far that stored or removed an object."""
        return [operation for operation in self.operations if operation.is_write]

    def keys(self, kind: Kind) -> list[str]:
        """Keys (or prefixes) of the operations of one kind so far."""
        return [operation.key for operation in self.operations if operation.kind == kind]

    @property
    def properties(self) -> TargetProperties:
        return self.inner.properties

    def create(self) -> None:
        self.inner.create()
        self._record(Operation("create"))

    def save(self, key: str, data: Buffer) -> None:
        self.inner.save(key, data)
        self._record(Operation("save", key, memoryview(data).nbytes))

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        data = self.inner.load(key, offset, length)
        self._record(Operation("load", key, len(data)))
        return data

    def stat(self, key: str) -> StoredObject:
        found = self.inner.stat(key)
        self._record(Operation("stat", key))
        return found

    def list(self, prefix: str) -> Iterator[StoredObject]:
        found = self.inner.list(prefix)
        self._record(Operation("list", prefix))
        return found

    def remove(self, key: str) -> None:
        self.inner.remove(key)
        self._record(Operation("remove", key))

    def close(self) -> None:
        self.inner.close()

    def _record(self, operation: Operation) -> None:
        with self._lock:
            self._operations.append(operation)


class Effect(Enum):
    """What a planned fault does."""

    FAIL_BEFORE = auto()
    """The error is raised and nothing reached the target."""
    FAIL_AFTER = auto()
    """The operation took effect, and the error is raised all the same."""
    CORRUPT = auto()
    """A load returns its bytes with one bit flipped; other operations just happen."""
    DIE = auto()
    """As FAIL_BEFORE, and from then on no operation reaches the target: what a dead process would have left."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The `number`th (from 1) operation of a kind whose key starts with `prefix` goes wrong, `times` in a row."""

    kind: Kind
    number: int = 1
    effect: Effect = Effect.FAIL_BEFORE
    prefix: str = ""
    times: int = 1
    error: type[TargetError] = TargetUnavailable


class FaultyTarget:
    """A target that goes wrong as planned."""

    def __init__(self, inner: Target, plan: Sequence[Fault] = ()) -> None:
        self.inner = inner
        self._plan = tuple(plan)
        self._seen = [0] * len(self._plan)
        self._dead = False
        self._lock = threading.Lock()

    @property
    def is_dead(self) -> bool:
        """True once a fault with `Effect.DIE` has come."""
        return self._dead

    @property
    def properties(self) -> TargetProperties:
        return self.inner.properties

    def create(self) -> None:
        fault = self._begin("create", "")
        self.inner.create()
        self._end(fault, "")

    def save(self, key: str, data: Buffer) -> None:
        fault = self._begin("save", key)
        self.inner.save(key, data)
        self._end(fault, key)

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        fault = self._begin("load", key)
        data = self.inner.load(key, offset, length)
        self._end(fault, key)
        return flip_bit(data) if fault is not None else data

    def stat(self, key: str) -> StoredObject:
        fault = self._begin("stat", key)
        found = self.inner.stat(key)
        self._end(fault, key)
        return found

    def list(self, prefix: str) -> Iterator[StoredObject]:
        fault = self._begin("list", prefix)
        found = self.inner.list(prefix)
        self._end(fault, prefix)
        return found

    def remove(self, key: str) -> None:
        fault = self._begin("remove", key)
        self.inner.remove(key)
        self._end(fault, key)

    def close(self) -> None:
        self.inner.close()

    def _begin(self, kind: Kind, key: str) -> Fault | None:
        """The fault that this operation has, after raising what comes before it takes effect."""
        with self._lock:
            fault = self._due(kind, key)
            if fault is not None and fault.effect is Effect.DIE:
                self._dead = True
            if self._dead:
                raise TargetUnavailable(f"planned fault: the target died before {kind} {key}")
        if fault is not None and fault.effect is Effect.FAIL_BEFORE:
            raise fault.error(f"planned fault before {kind} {key}")
        return fault

    def _end(self, fault: Fault | None, key: str) -> None:
        if fault is not None and fault.effect is Effect.FAIL_AFTER:
            raise fault.error(f"planned fault after {fault.kind} {key}")

    def _due(self, kind: Kind, key: str) -> Fault | None:
        due = None
        for place, fault in enumerate(self._plan):
            if fault.kind == kind and key.startswith(fault.prefix):
                self._seen[place] += 1
                if due is None and 0 <= self._seen[place] - fault.number < fault.times:
                    due = fault
        return due


def flip_bit(data: bytes) -> bytes:
    """The same bytes but for one bit in the middle; no bytes stay no bytes."""
    if not data:
        return data
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


class Moment(Enum):
    """When within a write operation the process is killed."""

    BEFORE = auto()
    HALFWAY = auto()
    """A save has written its temporary file and not renamed it; for a remove the same as BEFORE."""
    AFTER = auto()


@dataclass(frozen=True, slots=True)
class KillPoint:
    """The `number`th save or remove (from 1), and the moment within it."""

    number: int
    moment: Moment


def kill_points(writes: Sequence[Operation]) -> list[KillPoint]:
    """Every point at which a process that makes these writes can be killed: three a save, two a remove."""
    return [
        KillPoint(number, moment)
        for number, operation in enumerate(writes, start=1)
        for moment in Moment
        if operation.kind == "save" or moment is not Moment.HALFWAY
    ]


class KillingTarget(CountingTarget):
    """Kills its own process with SIGKILL at a point of the work; writes are made one at a time until then."""

    def __init__(self, inner: LocalTarget, point: KillPoint | None = None) -> None:
        super().__init__(inner)
        self._root = inner.root
        self._point = point
        self._write = 0
        self._writing = threading.Lock()

    def save(self, key: str, data: Buffer) -> None:
        with self._writing:
            self._write += 1
            self._perhaps_kill(Moment.BEFORE)
            if self._point == KillPoint(self._write, Moment.HALFWAY):
                (self._root / f"{key}-tmp-4711").write_bytes(data)
                self._perhaps_kill(Moment.HALFWAY)
            super().save(key, data)
            self._perhaps_kill(Moment.AFTER)

    def remove(self, key: str) -> None:
        with self._writing:
            self._write += 1
            self._perhaps_kill(Moment.BEFORE)
            self._perhaps_kill(Moment.HALFWAY)
            super().remove(key)
            self._perhaps_kill(Moment.AFTER)

    def _perhaps_kill(self, moment: Moment) -> None:
        if self._point == KillPoint(self._write, moment):
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()


class FakeClock:
    """A clock that moves only when it is wound; sleeping winds it."""

    def __init__(self, start: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._slept: list[float] = []
        self._lock = threading.Lock()

    @property
    def slept(self) -> list[float]:
        """Seconds of every sleep so far; a copy."""
        with self._lock:
            return list(self._slept)

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._slept.append(seconds)
            self._elapsed += seconds

    def wait(self, seconds: float, ended: threading.Event) -> bool:
        if ended.is_set():
            return True
        self.sleep(seconds)
        return ended.is_set()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._elapsed += seconds

    def set_back(self, seconds: float) -> None:
        """Turn the wall clock back, as a time server may; monotonic time goes on."""
        with self._lock:
            self._start -= timedelta(seconds=seconds)
