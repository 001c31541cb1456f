"""A target that is tried again: passing errors cost time, not the run.

Promise: nothing is tried beyond the deadline, and a wait ends when the target is closed or the process is asked to
stop. Every operation of a target may be repeated: a save replaces, a remove of what is gone is fine.
"""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential, wait_random_exponential

from drorch.clock import Clock
from drorch.errors import TargetError
from drorch.storage.keys import check_key, check_prefix, check_range
from drorch.storage.target import Buffer, StoredObject, Target, TargetProperties
from drorch.units import format_duration

_PORTION = 1000

Result = TypeVar("Result")
Tell = Callable[[str], None]
"""Is told, from any thread, of each failure that is followed by another try."""


def _tell_nobody(_: str) -> None:
    """For those who do not want to know."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a target is. All in seconds.

    One operation is given up once its next try would begin later than `deadline` after its first. What follows is
    tried once, until the target answers again: who cleans up after a failure does not wait as long once more. Waits
    double from `first_wait` to `longest_wait`; up to half of each is left to chance, so that clients do not come back
    together. How long a single try may take is the target's own affair.
    """

    deadline: float = 15 * 60.0
    first_wait: float = 0.5
    longest_wait: float = 60.0


DEFAULT_POLICY = RetryPolicy()


class RetryingTarget:
    """Repeats what failed with a retryable error; other errors are raised at once.

    A read that failed is repeated only where the object is as long as it was thought to be: too few bytes of a whole
    object have come by accident, and of a truncated one there are no more.
    """

    def __init__(
        self, target: Target, clock: Clock, policy: RetryPolicy = DEFAULT_POLICY, on_retry: Tell = _tell_nobody
    ) -> None:
        self._target = target
        self._clock = clock
        self._policy = policy
        self._on_retry = on_retry
        self._closed = threading.Event()
        self._is_given_up = False

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._target.properties

    def create(self) -> None:
        """See `Target`."""
        self._persist(self._target.create)

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`."""
        self._persist(lambda: self._target.save(key, data))

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`."""
        check_key(key)
        check_range(offset, length)
        loading = _Loading(self._target, key, offset, length)
        return self._persist(loading.load, loading.is_in_vain)

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        return self._persist(lambda: self._target.stat(key))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`. A listing that breaks off is begun anew, and what was given already is left out."""
        check_prefix(prefix)
        return self._all_below(prefix)

    def remove(self, key: str) -> None:
        """See `Target`."""
        self._persist(lambda: self._target.remove(key))

    def close(self) -> None:
        """See `Target`. Whoever waits for another try stops waiting, and raises what the last one failed with."""
        self._closed.set()
        self._target.close()

    def _all_below(self, prefix: str) -> Iterator[StoredObject]:
        listing = _Listing(self._target, prefix)
        while portion := self._persist(listing.portion):
            yield from portion

    def _persist(self, call: Callable[[], Result], is_in_vain: Callable[[], bool] = lambda: False) -> Result:
        """What the call returns, at its first success. `is_in_vain` is asked after a failure."""
        began = self._clock.monotonic()

        def is_passing(fault: BaseException) -> bool:
            passing = isinstance(fault, TargetError) and fault.retryable and not is_in_vain()
            self._is_given_up = self._is_given_up and passing
            return passing

        def would_be_late(state: RetryCallState) -> bool:
            late = self._clock.monotonic() - began + state.upcoming_sleep > self._policy.deadline
            self._is_given_up = self._is_given_up or late
            return self._is_given_up

        def give_up(state: RetryCallState) -> Result:
            fault = _fault_of(state)
            if state.attempt_number == 1:
                raise fault
            elapsed = format_duration(self._clock.monotonic() - began)
            message = f"{fault.message} (tried {state.attempt_number} times in {elapsed})"
            raise type(fault)(message, hint=fault.hint, context=fault.context) from fault

        def pause(state: RetryCallState) -> None:
            fault, wait = _fault_of(state), format_duration(state.upcoming_sleep)
            _let_go(fault)
            self._on_retry(f"{fault.message}; trying again in {wait} (try {state.attempt_number + 1})")
            if self._clock.wait(state.upcoming_sleep, self._closed):
                give_up(state)

        first, longest = self._policy.first_wait / 2, self._policy.longest_wait / 2
        retrying = Retrying(
            retry=retry_if_exception(is_passing),
            wait=wait_exponential(first, longest) + wait_random_exponential(first, longest),
            stop=would_be_late,
            before_sleep=pause,
            sleep=lambda _: None,
            retry_error_callback=give_up,
        )
        result = retrying(call)
        self._is_given_up = False
        return result


def _fault_of(state: RetryCallState) -> TargetError:
    fault = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(fault, TargetError), "only these are tried again"
    return fault


def _let_go(fault: BaseException | None) -> None:
    """Forget where a fault was raised: those frames hold views of what was to be saved, and it could not be freed."""
    while fault is not None:
        fault.__traceback__ = None
        fault = fault.__cause__ or fault.__context__


class _Loading:
    """One read, which is looked into once it has failed: is the object as long as it was thought to be?"""

    def __init__(self, target: Target, key: str, offset: int, length: int | None) -> None:
        self._target = target
        self._key = key
        self._offset = offset
        self._length = length
        self._fault: TargetError | None = None
        self._is_in_vain = False

    def load(self) -> bytes:
        """The bytes. Raises `TargetError`."""
        if self._fault is not None and self._target.stat(self._key).size < self._offset + (self._length or 0):
            self._is_in_vain = True
            raise self._fault
        try:
            return self._target.load(self._key, self._offset, self._length)
        except TargetError as fault:
            self._fault = fault
            raise

    def is_in_vain(self) -> bool:
        """Whether the object was found to be too short."""
        return self._is_in_vain


class _Listing:
    """One listing, in portions; after a failure the next portion begins the listing anew."""

    def __init__(self, target: Target, prefix: str) -> None:
        self._target = target
        self._prefix = prefix
        self._stream: Iterator[StoredObject] | None = None
        self._seen: set[str] = set()
        self._gathered: list[StoredObject] = []

    def portion(self) -> list[StoredObject]:
        """The next objects, in a portion of their own; none at the end. Raises `TargetError`, and loses nothing."""
        if self._stream is None:
            self._stream = iter(self._target.list(self._prefix))
        try:
            for item in self._stream:
                if item.key not in self._seen:
                    self._seen.add(item.key)
                    self._gathered.append(item)
                    if len(self._gathered) == _PORTION:
                        break
        except TargetError:
            self._stream = None
            raise
        portion, self._gathered = self._gathered, []
        return portion
