"""A target in a bucket: restic's layout below a prefix, one object a file (docs/FORMAT.md, "Names").

What `save` promises: one request stores an object whole or not at all, with a checksum the service compares, and
with retention that was read back where object lock is asked for.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from drorch.clock import Clock
from drorch.errors import TargetDenied, TargetUnavailable
from drorch.storage.keys import check_key, check_prefix, check_range
from drorch.storage.s3.body import body_of, content_md5
from drorch.storage.s3.client import connect
from drorch.storage.s3.locking import Locking
from drorch.storage.s3.place import Place
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.translation import ABSENT, NO_BUCKET, Translator, code_of
from drorch.storage.target import Buffer, StoredObject, TargetProperties

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef, ObjectIdentifierTypeDef

REMOVED_AT_ONCE = 1000
"""How many objects one request may remove: the protocol's limit."""

_DEFAULT_REGION = "us-east-1"
_BEYOND_THE_END = frozenset({"InvalidRange", "416"})
_DENIED = frozenset({"AccessDenied", "403", "Forbidden"})
_COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that must be thawed. GLACIER_IR is read like any other."""

_NO_LOCK = frozenset({"InvalidRequest", "ObjectLockConfigurationNotFoundError"})
_NO_BATCHES = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})


class S3Target:
    """Objects of one bucket below one prefix. Safe among threads, processes and restic itself.

    Each request is tried once: a wrapper tries again. A `storage_class` is put on all packs: a key does not tell
    packs of data from packs of trees, so classes that must be thawed before reading freeze trees, too.
    """

    def __init__(self, settings: S3Settings, clock: Clock) -> None:
        """Reads the credentials; touches no service. Raises `SecretMissing` and `TargetDenied`."""
        self._settings = settings
        self._place = Place.of(settings)
        self._client: S3Client = connect(settings)
        self._faults = Translator(self._place, clock)
        lock = settings.object_lock
        self._locking = Locking(self._client, self._place, lock, clock) if lock is not None else None
        self._properties = TargetProperties(self._place.description, settings.connections)

    @property
    def properties(self) -> TargetProperties:
        """See `Target`."""
        return self._properties

    def create(self) -> None:
        """Make the bucket where there is none, with object lock where that is asked for; one that exists stays.

        Raises `TargetMissing` where there is none and it may not be made.
        """
        with self._faults.translated("its bucket cannot be looked at"):
            try:
                self._client.list_objects_v2(Bucket=self._place.bucket, Prefix=self._place.root, MaxKeys=1)
            except ClientError as fault:
                # Rights may be for objects alone: then saving will tell.
                if code_of(fault) not in NO_BUCKET | _DENIED:
                    raise
                if code_of(fault) in NO_BUCKET:
                    self._make_bucket()

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`. Raises `TargetDenied` where it was saved and the protection that was asked for is not there."""
        check_key(key)
        asked = self._locking.asked_for(key) if self._locking else None
        options = self._options(key)
        if asked is not None:
            options |= {"ObjectLockMode": asked.mode, "ObjectLockRetainUntilDate": asked.until}
        with self._faults.translated(f"{key} cannot be saved"), memoryview(data).cast("B") as content:
            try:
                answer = self._client.put_object(
                    Bucket=self._place.bucket,
                    Key=self._place.name_of(key),
                    Body=body_of(content),  # type: ignore[arg-type]  # whatever has `read` and `seek` will do
                    ContentLength=len(content),
                    ContentMD5=content_md5(content),
                    **options,
                )
            except ClientError as fault:
                if asked is not None and code_of(fault) in _NO_LOCK:
                    raise self._faults.no_lock(fault, f"{key} cannot be saved") from fault
                raise
        if asked is not None and self._locking is not None:
            with self._faults.translated(f"whether {key} is protected cannot be seen"):
                self._locking.confirm(key, asked, answer)

    def load(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """See `Target`. Raises `ObjectFrozen` where the object must be thawed before."""
        check_key(key)
        check_range(offset, length)
        if length == 0:
            return self._nothing(key, offset)
        try:
            data = self._get(key, offset, length)
        except ClientError as fault:
            if code_of(fault) not in _BEYOND_THE_END:
                raise self._faults.refusal(fault, f"{key} cannot be read", key) from fault
            if length is None:
                return self._nothing(key, offset)
            raise self._too_short(key, offset + length) from fault
        if length is not None and len(data) != length:
            raise self._too_short(key, offset + length)
        return data

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        check_key(key)
        with self._faults.translated(f"{key} cannot be looked at", key=key):
            try:
                answer = self._client.head_object(Bucket=self._place.bucket, Key=self._place.name_of(key))
            except ClientError as fault:
                if code_of(fault) == "404":
                    self._tell_what_is_missing()
                raise
        thawed = 'ongoing-request="false"' in answer.get("Restore", "")
        return StoredObject(key, int(answer["ContentLength"]), answer.get("StorageClass") in _COLD and not thawed)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `Target`. Pages of up to 1000 are asked for as they are needed."""
        check_prefix(prefix)
        return self._walk(prefix)

    def remove(self, key: str) -> None:
        """See `Target`. In a bucket with versions it is hidden, and comes back by `drorch target undelete`."""
        check_key(key)
        with self._faults.translated(f"{key} cannot be removed"), _absent_is_fine():
            self._client.delete_object(Bucket=self._place.bucket, Key=self._place.name_of(key))

    def remove_many(self, keys: Iterable[str]) -> None:
        """Remove objects, up to 1000 a request; missing ones are fine. Raises what `remove` raises, for the first.

        Where it raises, others of the same thousand may have been removed.
        """
        waiting = iter([check_key(key) for key in keys])
        while batch := tuple(islice(waiting, REMOVED_AT_ONCE)):
            self._remove_batch(batch)

    def close(self) -> None:
        """See `Target`."""
        self._client.close()

    def _make_bucket(self) -> None:
        options: dict[str, Any] = {"ObjectLockEnabledForBucket": True} if self._locking else {}
        region = self._client.meta.region_name
        if region != _DEFAULT_REGION:
            options["CreateBucketConfiguration"] = {"LocationConstraint": region}
        try:
            self._client.create_bucket(Bucket=self._place.bucket, **options)
        except ClientError as fault:
            if code_of(fault) == "BucketAlreadyExists":
                raise TargetDenied(
                    f"target {self._place.description}: bucket {self._place.bucket} belongs to somebody else",
                    hint="choose another name for the bucket: they are shared by all who use the service",
                ) from fault
            if code_of(fault) in _DENIED:
                raise self._faults.no_bucket("its bucket cannot be made") from fault
            if code_of(fault) != "BucketAlreadyOwnedByYou":
                raise

    def _options(self, key: str) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._settings.storage_class is not None and key.startswith("data/"):
            options["StorageClass"] = self._settings.storage_class
        if self._settings.encryption is not None:
            options["ServerSideEncryption"] = self._settings.encryption.algorithm
            if self._settings.encryption.key_id is not None:
                options["SSEKMSKeyId"] = self._settings.encryption.key_id
        return options

    def _get(self, key: str, offset: int, length: int | None) -> bytes:
        """The bytes of a range that may end early. Raises botocore's `ClientError`, and `TargetError`s."""
        end = "" if length is None else str(offset + length - 1)
        ranged: dict[str, Any] = {} if offset == 0 and length is None else {"Range": f"bytes={offset}-{end}"}
        refused: ClientError | None = None
        with self._faults.translated(f"{key} cannot be read"):
            try:
                answer = self._client.get_object(Bucket=self._place.bucket, Key=self._place.name_of(key), **ranged)
            except ClientError as fault:
                refused = fault
            else:
                with contextlib.closing(answer["Body"]) as body:
                    data = body.read()
        if refused is not None:
            raise refused
        return _cut(answer, data, offset, length) if ranged else data

    def _nothing(self, key: str, offset: int) -> bytes:
        """No bytes, of an object that is there and reaches as far."""
        if self.stat(key).size < offset:
            raise self._too_short(key, offset)
        return b""

    def _walk(self, prefix: str) -> Iterator[StoredObject]:
        start = self._place.name_of(prefix) + "/"
        token: dict[str, Any] = {}
        while True:
            with self._faults.translated(f"{prefix} cannot be listed"):
                page = self._client.list_objects_v2(Bucket=self._place.bucket, Prefix=start, **token)
            # Half an answer, or a web page, would be an empty listing otherwise.
            if "Prefix" not in page and "Name" not in page:
                raise self._faults.no_service(f"{prefix} cannot be listed")
            for item in page.get("Contents", []):
                key = self._place.key_of(item["Key"])
                if key is not None and item["Key"].startswith(start):
                    yield StoredObject(key, item["Size"], item.get("StorageClass") in _COLD)
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _remove_batch(self, keys: Sequence[str]) -> None:
        named: list[ObjectIdentifierTypeDef] = [{"Key": self._place.name_of(key)} for key in keys]
        try:
            with self._faults.translated(f"{len(keys)} objects cannot be removed"):
                answer = self._client.delete_objects(
                    Bucket=self._place.bucket,
                    Delete={"Objects": named, "Quiet": True},
                )
        except TargetDenied as fault:
            if not isinstance(fault.__cause__, ClientError) or code_of(fault.__cause__) not in _NO_BATCHES:
                raise
            for key in keys:
                self.remove(key)
            return
        for failed in answer.get("Errors", []):
            if failed.get("Code") not in ("NoSuchKey", "NoSuchVersion"):
                key = self._place.key_of(failed.get("Key", "")) or "an object"
                told: Any = {"Error": {**failed}, "ResponseMetadata": {"HTTPStatusCode": 200}}
                raise self._faults.refusal(ClientError(told, "DeleteObject"), f"{key} cannot be removed")

    def _tell_what_is_missing(self) -> None:
        """An answer without a body cannot tell a missing object from a missing bucket."""
        try:
            self._client.head_bucket(Bucket=self._place.bucket)
        except ClientError as fault:
            if code_of(fault) == "404":
                raise self._faults.no_bucket("it cannot be read") from fault

    def _too_short(self, key: str, wanted: int) -> TargetUnavailable:
        return TargetUnavailable(
            f"target {self._place.description}: {key} ends before byte {wanted}, up to which it was asked for",
            hint="try again; if it stays so, the object is damaged: run drorch check",
        )


def _cut(answer: "GetObjectOutputTypeDef", data: bytes, offset: int, length: int | None) -> bytes:
    """The range itself: some services ignore what was asked and send the whole."""
    if answer["ResponseMetadata"]["HTTPStatusCode"] == 206:
        return data
    return data[offset:] if length is None else data[offset : offset + length]


@contextlib.contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except ClientError as fault:
        if code_of(fault) not in ABSENT:
            raise
