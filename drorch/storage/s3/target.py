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
from drorch.errors import TargetDenied
from drorch.storage.keys import check_key, check_prefix, check_range
from drorch.storage.s3.body import body_of, content_md5
from drorch.storage.s3.client import connect
from drorch.storage.s3.locking import Locking
from drorch.storage.s3.options import options_of
from drorch.storage.s3.place import Place
from drorch.storage.s3.reading import Reader
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.translation import ABSENT, DENIED, NO_BUCKET, Translator, code_of
from drorch.storage.target import Buffer, StoredObject, TargetProperties

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

REMOVED_AT_ONCE = 1000
"""How many objects one request may remove: the protocol's limit."""

_DEFAULT_REGION = "us-east-1"
_COLD = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that must be thawed. GLACIER_IR is read like any other."""

_NO_LOCK = frozenset({"InvalidRequest", "ObjectLockConfigurationNotFoundError"})
_NO_BATCHES = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})


class S3Target:
    """Objects of one bucket below one prefix. Safe among threads, processes and restic itself.

    Each request is tried once: a wrapper tries again. A `storage_class` is put on every pack that is
    saved through it: a key does not tell packs of data from packs of trees.
    """

    def __init__(self, settings: S3Settings, clock: Clock) -> None:
        """Reads the credentials; touches no service. Raises `SecretMissing` and `TargetDenied`."""
        self._settings = settings
        self._place = Place.of(settings)
        self._client: S3Client = connect(settings)
        self._faults = Translator(self._place, clock)
        lock = settings.object_lock
        self._locking = Locking(self._client, self._place, lock, clock) if lock is not None else None
        self._reader = Reader(self._client, self._place, self._faults)
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
                if code_of(fault) not in NO_BUCKET | DENIED:
                    raise
                if code_of(fault) in NO_BUCKET:
                    self._make_bucket()

    def save(self, key: str, data: Buffer) -> None:
        """See `Target`. Raises `TargetDenied` where it was saved and the protection that was asked for is not there."""
        check_key(key)
        asked = self._locking.asked_for(key) if self._locking else None
        options = options_of(self._settings, key)
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
        return self._reader.load(key, offset, length)

    def stat(self, key: str) -> StoredObject:
        """See `Target`."""
        return StoredObject(check_key(key), self._reader.size(key))

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
            if code_of(fault) in DENIED:
                raise self._faults.no_bucket("its bucket cannot be made") from fault
            if code_of(fault) != "BucketAlreadyOwnedByYou":
                raise

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


@contextlib.contextmanager
def _absent_is_fine() -> Iterator[None]:
    try:
        yield
    except ClientError as fault:
        if code_of(fault) not in ABSENT:
            raise
