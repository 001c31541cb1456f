"""Bringing back what a bucket hides: objects under delete markers, and those that others were put on top of.

Promise: the plan is a value and changes nothing; carrying it out removes no version, so it can be undone likewise.
Locks are left hidden, and so is what was saved again with the same content.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from drorch.clock import Clock
from drorch.storage.s3.client import connect
from drorch.storage.s3.locking import Locking
from drorch.storage.s3.options import options_of
from drorch.storage.s3.place import Place
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.target import REMOVED_AT_ONCE
from drorch.storage.s3.translation import DENIED, Translator, code_of
from drorch.storage.s3.versions import History, Version, Versions, state_at

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

_ORDER = ("keys", "data", "index", "config", "snapshots")
"""Snapshots last: whoever sees one finds all it needs."""

_AT_ONCE = 500
"""Objects between one telling and the next."""


class Way(StrEnum):
    """What hides an object."""

    DELETED = "deleted"
    OVERWRITTEN = "overwritten"


@dataclass(frozen=True, slots=True)
class Hidden:
    """An object that is hidden: what would come back, of how many bytes, from when, and since when it is hidden.

    `markers` are what hides it where nothing else does; without any, the version is copied on top.
    """

    key: str
    way: Way
    version: str
    size: int
    saved: datetime
    hidden: datetime
    markers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UndeletePlan:
    """All that would come back, in the order it would: snapshots last."""

    objects: tuple[Hidden, ...]

    @property
    def size(self) -> int:
        """Bytes of all objects together."""
        return sum(one.size for one in self.objects)


class HiddenObjects:
    """What is hidden in one place, and how it comes back."""

    def __init__(self, settings: S3Settings, clock: Clock) -> None:
        """Reads the credentials; touches no service. Raises `SecretMissing` and `TargetDenied`."""
        self._settings = settings
        self._place = Place.of(settings)
        self._client: S3Client = connect(settings)
        self._faults = Translator(self._place, clock)
        lock = settings.object_lock
        self._locking = Locking(self._client, self._place, lock, clock) if lock is not None else None

    def plan(self, moment: datetime | None = None) -> UndeletePlan:
        """What would come back: the last state of each key before it was hidden, or that of a moment.

        With a moment, only what has been hidden since; what was saved since then stays. Raises `TargetDenied` where
        the bucket keeps no versions, and other `TargetError`s.
        """
        versions = Versions(self._client, self._place, self._faults)
        versions.require()
        found = (hidden_in(key, history, moment) for key, history in versions.histories("").items())
        return UndeletePlan(tuple(sorted((one for one in found if one is not None), key=_rank)))

    def bring_back(self, plan: UndeletePlan) -> Iterator[Hidden]:
        """Carry a plan out, kind by kind and many at once; each object is told of when it is back.

        What fails is raised; planning again finds what is left. Where delete markers may not be removed, their
        objects are copied on top of them.
        """
        for _, kind in groupby(plan.objects, key=lambda one: _rank(one)[0]):
            objects = iter(tuple(kind))
            while batch := tuple(islice(objects, _AT_ONCE)):
                lifted = self._lift([one for one in batch if one.markers])
                self._copy_all([one for one in batch if one.key not in lifted])
                yield from batch

    def close(self) -> None:
        """Give back connections. Closing twice is fine."""
        self._client.close()

    def _lift(self, objects: Sequence[Hidden]) -> frozenset[str]:
        """Remove the markers over objects; the keys of those that are back. Not being allowed to is no fault."""
        markers: list[ObjectIdentifierTypeDef] = [
            {"Key": self._place.name_of(one.key), "VersionId": marker} for one in objects for marker in one.markers
        ]
        left: set[str | None] = set()
        for start in range(0, len(markers), REMOVED_AT_ONCE):
            batch = markers[start : start + REMOVED_AT_ONCE]
            with self._faults.translated("delete markers cannot be removed"):
                try:
                    answer = self._client.delete_objects(
                        Bucket=self._place.bucket, Delete={"Objects": batch, "Quiet": True}
                    )
                except ClientError as fault:
                    if code_of(fault) not in DENIED:
                        raise
                    left.update(one["Key"] for one in batch)
                else:
                    left.update(one.get("Key") for one in answer.get("Errors", ()))
        return frozenset(one.key for one in objects if self._place.name_of(one.key) not in left)

    def _copy_all(self, objects: Sequence[Hidden]) -> None:
        if objects:
            with ThreadPoolExecutor(self._settings.connections) as pool:
                for _ in pool.map(self._copy, objects):
                    pass

    def _copy(self, one: Hidden) -> None:
        name = self._place.name_of(one.key)
        options: dict[str, Any] = options_of(self._settings, one.key)
        asked = self._locking.asked_for(one.key) if self._locking else None
        if asked is not None:
            options |= {"ObjectLockMode": asked.mode, "ObjectLockRetainUntilDate": asked.until}
        with self._faults.translated(f"{one.key} cannot be brought back", key=one.key):
            answer = self._client.copy_object(
                Bucket=self._place.bucket,
                Key=name,
                CopySource={"Bucket": self._place.bucket, "Key": name, "VersionId": one.version},
                MetadataDirective="COPY",
                **options,
            )
            if asked is not None and self._locking is not None:
                self._locking.confirm(one.key, asked, answer)


def hidden_in(key: str, history: History, moment: datetime | None = None) -> Hidden | None:
    """What one key hides, by its history, newest first; None where nothing would come back."""
    if key.startswith("locks/"):
        return None
    if moment is not None:
        wanted = state_at(history, moment)
    else:
        digest = history[0].digest
        wanted = next((one for one in history if one.size is not None and one.digest != digest), None)
    now = history[0]
    if wanted is None or (wanted.size, wanted.digest) == (now.size, now.digest):
        return None
    above = _above(history, wanted)
    way = Way.DELETED if now.size is None else Way.OVERWRITTEN
    markers = tuple(one.id for one in above) if all(one.size is None for one in above) else ()
    since = min(one.modified for one in above)
    return Hidden(key, way, wanted.id, wanted.size or 0, wanted.modified, since, markers)


def _above(history: History, wanted: Version) -> Sequence[Version]:
    """What lies on top of a version; every marker of the same second may, and to remove one too many is harmless."""
    place = next(place for place, one in enumerate(history) if one is wanted)
    beside = [one for one in history[place:] if one.size is None and one.modified >= wanted.modified]
    return [*history[:place], *beside]


def _rank(one: Hidden) -> tuple[int, str]:
    folder = one.key.partition("/")[0]
    return (_ORDER.index(folder) if folder in _ORDER else 0, one.key)
