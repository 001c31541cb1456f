"""What S3-compatible services can do beside the contract, each over the client of one target.

The promise: an operation that a service does not know ends in `NotOffered`, and is told apart from one it refuses.
"""

import contextlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from drorch.errors import TargetError, TargetUnavailable
from drorch.storage.abilities import NotOffered
from drorch.storage.keys import check_key
from drorch.storage.s3.body import content_md5
from drorch.storage.s3.place import Place
from drorch.storage.s3.translation import ABSENT, Translator, code_of
from drorch.storage.target import Buffer

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

NOT_OFFERED = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
"""Codes by which services say that they do not know an operation."""

_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_NO_LOCKS_HERE = frozenset({"ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "InvalidRequest"})
_NO_VERSION = "null"
"""How services name what was saved while no versions were kept."""


class S3Abilities:
    """Conditions, versions and locks of one bucket below one prefix, and the service's clock. Safe among threads."""

    def __init__(self, client: "S3Client", place: Place, faults: Translator) -> None:
        self._client = client
        self._place = place
        self._faults = faults

    def save_new(self, key: str, data: Buffer) -> bool:
        """See `ConditionalSaving`."""
        with self._asking(f"{key} cannot be saved on a condition", also_refused=_TAKEN) as taken:
            self._client.put_object(**self._object(key, data), IfNoneMatch="*")
        return not taken

    def time_there(self) -> datetime:
        """See `Clocked`: the date of an answer, in whole seconds."""
        with self._asking("its clock cannot be read"):
            answer = self._client.list_objects_v2(Bucket=self._place.bucket, Prefix=self._place.root, MaxKeys=1)
        told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            return parsedate_to_datetime(told).replace(tzinfo=UTC)
        except ValueError as fault:
            message = f"target {self._place.description}: its clock cannot be read: its answers have no date"
            raise TargetUnavailable(message, hint="see what stands between: a proxy may take it away") from fault

    def says_versioned(self) -> bool | None:
        """See `Versioned`. Where the bucket may not be asked, an object that was saved may: `config`."""
        try:
            with self._asking("whether it keeps versions cannot be seen"):
                answer = self._client.get_bucket_versioning(Bucket=self._place.bucket)
        except NotOffered:
            return False
        except TargetError:
            found = self._look_at("config")
            return None if found is None else found.get("VersionId", _NO_VERSION) != _NO_VERSION
        return answer.get("Status") == "Enabled"

    def save_version(self, key: str, data: Buffer) -> str:
        """See `Versioned`."""
        with self._asking(f"{key} cannot be saved"):
            answer = self._client.put_object(**self._object(key, data))
        version = answer.get("VersionId", _NO_VERSION)
        return "" if version == _NO_VERSION else version

    def versions(self, key: str) -> Sequence[str]:
        """See `Versioned`. Delete markers are no versions."""
        name = self._place.name_of(check_key(key))
        with self._asking("its versions cannot be listed"):
            answer = self._client.list_object_versions(Bucket=self._place.bucket, Prefix=name)
        found = [one for one in answer.get("Versions", ()) if one.get("Key") == name]
        return [one["VersionId"] for one in found if one.get("VersionId", _NO_VERSION) != _NO_VERSION]

    def load_version(self, key: str, version: str) -> bytes:
        """See `Versioned`."""
        with self._asking(f"version {version} of {key} cannot be read"):
            answer = self._client.get_object(**self._version(key, version))
            with contextlib.closing(answer["Body"]) as body:
                return body.read()

    def remove_version(self, key: str, version: str) -> None:
        """See `Versioned`."""
        with self._asking(f"version {version} of {key} cannot be removed"):
            self._client.delete_object(**self._version(key, version))

    def default_retention(self) -> timedelta | None:
        """See `Locking`. Where the bucket does not say, an object that was saved may: `config` is asked."""
        try:
            with self._asking("its object lock cannot be asked for"):
                answer = self._client.get_object_lock_configuration(Bucket=self._place.bucket)
        except NotOffered:
            return None
        except TargetError:
            found = self._look_at("config") or {}
            until = found.get("ObjectLockRetainUntilDate")
            return None if until is None else until - found["LastModified"]
        told: dict[str, Any] = dict(
            answer.get("ObjectLockConfiguration", {}).get("Rule", {}).get("DefaultRetention", {})
        )
        days = int(told.get("Days") or 0) + 365 * int(told.get("Years") or 0)
        return timedelta(days=days) if days else None

    def save_locked(self, key: str, data: Buffer, until: datetime) -> str:
        """See `Locking`: in governance mode."""
        consequence = f"{key} cannot be saved with a lock"
        with self._asking(consequence, also_refused=_NO_LOCKS_HERE) as refused:
            answer = self._client.put_object(
                **self._object(key, data), ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until
            )
        if refused:
            raise NotOffered(f"target {self._place.description}: {consequence}: {refused[0]}")
        return answer.get("VersionId", "")

    def locked_until(self, key: str, version: str) -> datetime | None:
        """See `Locking`."""
        with self._asking(f"the lock of {key} cannot be read", also_refused=_NO_LOCKS_HERE | ABSENT) as none:
            answer = self._client.get_object_retention(**self._version(key, version))
        if none:
            return None
        return answer.get("Retention", {}).get("RetainUntilDate")

    def lift_and_remove(self, key: str, version: str) -> None:
        """See `Locking`."""
        with self._asking(f"version {version} of {key} cannot be removed"):
            self._client.delete_object(**self._version(key, version), BypassGovernanceRetention=True)

    def _look_at(self, key: str) -> dict[str, Any] | None:
        try:
            with self._asking(f"{key} cannot be looked at"):
                return dict(self._client.head_object(Bucket=self._place.bucket, Key=self._place.name_of(key)))
        except TargetError:
            return None

    def _object(self, key: str, data: Buffer) -> dict[str, Any]:
        content = bytes(data)
        name = self._place.name_of(check_key(key))
        return {"Bucket": self._place.bucket, "Key": name, "Body": content, "ContentMD5": content_md5(content)}

    def _version(self, key: str, version: str) -> dict[str, Any]:
        return {"Bucket": self._place.bucket, "Key": self._place.name_of(check_key(key)), "VersionId": version}

    @contextlib.contextmanager
    def _asking(self, consequence: str, also_refused: frozenset[str] = frozenset()) -> Iterator[list[str]]:
        """Foreign errors become drorch's. A code in `also_refused` is no error: the list then holds it."""
        refused: list[str] = []
        with self._faults.translated(consequence):
            try:
                yield refused
            except ClientError as fault:
                code = code_of(fault)
                if code in also_refused:
                    refused.append(code)
                elif code in NOT_OFFERED or (code in _NO_LOCKS_HERE and "lock" in str(fault).lower()):
                    raise NotOffered(self._faults.refusal(fault, consequence).message) from fault
                else:
                    raise
