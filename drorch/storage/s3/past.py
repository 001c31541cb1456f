"""A bucket as it was: what object lock and versions protect can also be read, whatever happened to it since.

Promise: of each key what was there at the moment, by the service's clock, is listed and loaded, and nothing is written.
"""

import threading
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from drorch.clock import Clock
from drorch.errors import ObjectMissing, TargetDenied
from drorch.storage.keys import check_key, check_prefix, check_range
from drorch.storage.s3.client import connect
from drorch.storage.s3.place import Place
from drorch.storage.s3.reading import Reader
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.translation import Translator
from drorch.storage.s3.versions import Version, Versions, state_at
from drorch.storage.target import Buffer, StoredObject, TargetProperties

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


class S3TargetAt:
    """Objects of one bucket below one prefix at one moment; `create`, `save` and `remove` raise `TargetDenied`.

    Versions are looked up by folders, once each: the past does not change. Reading raises `TargetDenied` where the
    bucket keeps no versions.
    """

    def __init__(self, settings: S3Settings, moment: datetime, clock: Clock) -> None:
        """Reads the credentials; touches no service. `moment` has a time zone.

        Raises `SecretMissing` and `TargetDenied`.
        """
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone")
        self._moment = moment
        self._place = Place.of(settings)
        self._client: S3Client = connect(settings)
        faults = Translator(self._place, clock)
        self._reader = Reader(self._client, self._place, faults)
        self._versions = Versions(self._client, self._place, faults)
        self._guard = threading.Lock()
        self._seen: dict[str, Mapping[str, Version]] = {}
        self._properties = TargetProperties(
            f"{self._place.description} as of {moment:%Y-%m-%d %H:%M:%S %Z}", settings.connections
        )

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._properties

    def create(self) -> None:
        """Raises `TargetDenied`."""
        raise self._refusal("its bucket is not made")

    def save(self, key: str, data: Buffer) -> None:  # noqa: ARG002
        """Raises `TargetDenied`."""
        raise self._refusal(f"{check_key(key)} is not saved")

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`. Raises `ObjectFrozen` where the version must be thawed before."""
        check_key(key)
        check_range(offset, length)
        return self._reader.load(key, offset, length, self._find(key).id)

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        return StoredObject(check_key(key), self._find(key).size or 0)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`."""
        check_prefix(prefix)
        return self._walk(prefix)

    def remove(self, key: str) -> None:
        """Raises `TargetDenied`, also where there is no such object."""
        raise self._refusal(f"{check_key(key)} is not removed")

    def close(self) -> None:
        """See `Target`."""
        self._client.close()

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        start = f"{prefix}/"
        for key, version in self._states(start).items():
            if key.startswith(start):
                yield StoredObject(key, version.size or 0)

    def _find(self, key: str) -> Version:
        folder = key.rpartition("/")[0]
        version = self._states(f"{folder}/" if folder else key).get(key)
        if version is None:
            raise ObjectMissing(f"target {self._properties.description}: there was no {key}")
        return version

    def _states(self, start: str) -> Mapping[str, Version]:
        """At least what was there of all keys that begin so: the whole of `data` answers for each of its folders."""
        with self._guard:
            wider = start.partition("/")[0] + "/"
            known = self._seen.get(start) or self._seen.get(wider)
            first = not self._seen
        if known is not None:
            return known
        if first:
            self._versions.require()
        histories = self._versions.histories(start)
        found = {key: state_at(history, self._moment) for key, history in histories.items()}
        states = {key: version for key, version in found.items() if version is not None}
        with self._guard:
            self._seen[start] = states
        return states

    def _refusal(self, consequence: str) -> TargetDenied:
        return TargetDenied(
            f"target {self._properties.description} is the past: {consequence}", hint="run the command without --at"
        )
