"""A target that is talked to no faster than was agreed, by all runs together.

An object is sent or fetched in one call at the speed of the line, and waited for by the next: the average holds, not
each moment (budget.py). To be put around the wrapper that retries, so that waiting here is no failed try there.
"""

import threading
from collections.abc import Callable, Iterator

from drorch.clock import Clock
from drorch.errors import TargetUnavailable
from drorch.storage.budget import Bucket, Budget
from drorch.storage.keys import check_key, check_range
from drorch.storage.limits import Limits, rate_at
from drorch.storage.target import Buffer, StoredObject, Target, TargetProperties

_LONGEST_WAIT = 15.0
_SHORTEST_WAIT = 0.001


class ThrottledTarget:
    """Saves and loads wait for their turn; what is asked and answered beside content is not counted.

    Locks are counted but never wait: one that is not renewed in time ends the run that it protects. Closing ends all
    waits, and so does being asked to stop: they raise `TargetUnavailable` then.
    """

    def __init__(self, target: Target, limits: Limits, budget: Budget, clock: Clock) -> None:
        self._target = target
        self._limits = limits
        self._budget = budget
        self._clock = clock
        self._closed = threading.Event()

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._target.properties

    def create(self) -> None:
        """See `Target`."""
        self._target.create()

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`."""
        self._await(check_key(key), memoryview(data).nbytes, self._budget.upload, self._upload_rate)
        self._target.save(key, data)

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`. What is read to its end is counted once it has come: nobody knows its size before."""
        check_range(offset, length)
        bucket = self._budget.download
        self._await(check_key(key), length or 0, bucket, self._download_rate)
        data = self._target.load(key, offset, length)
        rate = self._download_rate()
        if length is None and rate is not None:
            bucket.charge(len(data), rate, self._clock.now().timestamp())
        return data

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        return self._target.stat(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`."""
        return self._target.list(prefix)

    def remove(self, key: str) -> None:
        """See `Target`."""
        self._target.remove(key)

    def close(self) -> None:
        """See `Target`."""
        self._closed.set()
        self._target.close()

    def _upload_rate(self) -> int | None:
        return rate_at(self._limits, self._clock.now()).upload

    def _download_rate(self) -> int | None:
        return rate_at(self._limits, self._clock.now()).download

    def _await(self, key: str, size: int, bucket: Bucket, rate_now: Callable[[], int | None]) -> None:
        """Return when so many bytes may be moved. The rate is asked for anew every few seconds: windows end."""
        while (rate := rate_now()) is not None:
            instant = self._clock.now().timestamp()
            if key.startswith("locks/"):
                bucket.charge(size, rate, instant)
                return
            seconds = bucket.take(size, rate, instant)
            if seconds == 0:
                return
            if self._clock.wait(min(max(seconds, _SHORTEST_WAIT), _LONGEST_WAIT), self._closed):
                raise TargetUnavailable(
                    f"target {self.properties.description}: {key} was not moved: the wait for its turn was broken off"
                )
