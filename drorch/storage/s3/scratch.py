"""A scratch place in a bucket: a prefix of its own below that of a repository.

The promise: what was saved there is removed with all its versions; what is locked is waited for as long as a probe
locks, and what stays all the same is named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from drorch.clock import Clock
from drorch.errors import TargetDenied, TargetError
from drorch.storage.abilities import Abilities, Leftover
from drorch.storage.s3.abilities import NOT_OFFERED, S3Abilities
from drorch.storage.s3.client import connect
from drorch.storage.s3.place import Place
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.target import REMOVED_AT_ONCE, S3Target
from drorch.storage.s3.translation import Translator, code_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_LONGEST_WAIT = timedelta(seconds=30)
_GLANCE_SECONDS = 1.0


class S3Scratch:
    """A new prefix `name` below the one in `settings`. Nothing in it gets the target's lock or storage class."""

    def __init__(self, settings: S3Settings, name: str, clock: Clock) -> None:
        """Reads the credentials; touches no service. Raises what `S3Target` raises."""
        prefix = f"{settings.prefix}/{name}" if settings.prefix else name
        own = replace(settings, prefix=prefix, object_lock=None, storage_class=None)
        place = Place.of(own)
        faults = Translator(place, clock)
        self._client = connect(own)
        self._able = S3Abilities(self._client, place, faults)
        self._sweep = _Sweep(self._client, place, faults, clock)
        self.name = place.description
        self.target = S3Target(own, clock)
        able = self._able
        self.abilities = Abilities(conditional=able, clocked=able, versioned=able, locking=able)

    def prepare(self) -> None:
        """See `ScratchPlace`. There is nothing to make: a prefix is there with the first object below it."""

    def discard(self) -> Sequence[Leftover]:
        """See `ScratchPlace`."""
        try:
            return tuple(self._left())
        except TargetError as fault:
            return (Leftover(self.name, fault.message),)
        finally:
            self.target.close()
            self._client.close()

    def _left(self) -> Iterator[Leftover]:
        try:
            yield from self._sweep.all_away()
        except TargetDenied as fault:
            versioned = self._able.says_versioned()
            self.target.remove_many([*(item.key for item in self.target.list("data")), "config"])
            if versioned is not False:
                yield Leftover(self.name, f"older versions stay hidden there: {fault.message}")


@dataclass(frozen=True, slots=True)
class _Version:
    name: str
    id: str


@dataclass(frozen=True, slots=True)
class _Sweep:
    """Removes all versions of everything below a place, delete markers included."""

    client: "S3Client"
    place: Place
    faults: Translator
    clock: Clock

    def all_away(self) -> Iterator[Leftover]:
        """What could not be removed. Raises `TargetDenied` where versions are not known here or may not be seen."""
        stubborn: dict[_Version, str] = {}
        # From the start until nothing is new: some services lose their place while what they list is removed.
        while fresh := [version for version in self._listed() if version not in stubborn]:
            stubborn |= self._remove(fresh)
        for version, reason in stubborn.items():
            if not self._pried_loose(version):
                yield Leftover(f"{version.name}, version {version.id}", reason)

    def _listed(self) -> list[_Version]:
        """All versions there are."""
        found: list[_Version] = []
        with self.faults.translated("its versions cannot be listed"):
            pages = self.client.get_paginator("list_object_versions")
            for page in pages.paginate(Bucket=self.place.bucket, Prefix=self.place.root):
                listed: list[Any] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
                found += [_Version(one["Key"], one["VersionId"]) for one in listed]
        return found

    def _remove(self, versions: Sequence[_Version]) -> dict[_Version, str]:
        """Remove versions; those that stay, with the reason."""
        refused: dict[_Version, str] = {}
        for start in range(0, len(versions), REMOVED_AT_ONCE):
            batch = versions[start : start + REMOVED_AT_ONCE]
            with self.faults.translated("its scratch objects cannot be removed"):
                answer = self.client.delete_objects(
                    Bucket=self.place.bucket,
                    Delete={"Objects": [{"Key": one.name, "VersionId": one.id} for one in batch], "Quiet": True},
                )
            for one in answer.get("Errors", ()):
                version = _Version(one.get("Key", ""), one.get("VersionId", ""))
                refused[version] = one.get("Message") or one.get("Code", "refused")
        return refused

    def _pried_loose(self, version: _Version) -> bool:
        """Remove what is locked, by right or when its time is over. Whether it is gone."""
        if self._removed(version, lift=True):
            return True
        until = self._locked_until(version)
        deadline = self.clock.now() + _LONGEST_WAIT
        if until is None or until > deadline:
            return False
        while self.clock.now() < deadline:
            if self._removed(version, lift=False):
                return True
            self.clock.sleep(_GLANCE_SECONDS)
        return False

    def _removed(self, version: _Version, *, lift: bool) -> bool:
        options: dict[str, Any] = {"BypassGovernanceRetention": True} if lift else {}
        with self.faults.translated(f"{version.name} cannot be removed"):
            try:
                self.client.delete_object(Bucket=self.place.bucket, Key=version.name, VersionId=version.id, **options)
            except ClientError as fault:
                if code_of(fault) in {"AccessDenied", "InvalidRequest", *NOT_OFFERED}:
                    return False
                raise
        return True

    def _locked_until(self, version: _Version) -> datetime | None:
        with self.faults.translated(f"the lock of {version.name} cannot be read"):
            try:
                answer = self.client.get_object_retention(
                    Bucket=self.place.bucket, Key=version.name, VersionId=version.id
                )
            except ClientError:
                return None
        return answer.get("Retention", {}).get("RetainUntilDate")
