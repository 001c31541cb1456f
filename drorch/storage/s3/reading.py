"""How bytes come out of a bucket: ranges to the byte, of what is there now or of a version that was.

Promise: what is returned is as long as was asked for, or an error; half an answer is never taken for the whole.
"""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from drorch.errors import TargetUnavailable
from drorch.storage.s3.place import Place
from drorch.storage.s3.translation import Translator, code_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import GetObjectOutputTypeDef

_BEYOND_THE_END = frozenset({"InvalidRange", "416"})


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads objects of one place. `version` None means the present one. Safe among threads."""

    client: "S3Client"
    place: Place
    faults: Translator

    def load(self, key: str, offset: int, length: int | None, version: str | None = None) -> bytes:
        """The bytes of a range; see `Target.load`. Raises `ObjectFrozen` where the object must be thawed before."""
        if length == 0:
            return self._nothing(key, offset, version)
        try:
            data = self._get(key, offset, length, version)
        except ClientError as fault:
            if code_of(fault) not in _BEYOND_THE_END:
                raise self.faults.refusal(fault, f"{key} cannot be read", key) from fault
            if length is None:
                return self._nothing(key, offset, version)
            raise self._too_short(key, offset + length) from fault
        if length is not None and len(data) != length:
            raise self._too_short(key, offset + length)
        return data

    def size(self, key: str, version: str | None = None) -> int:
        """Bytes of an object. Raises `ObjectMissing`, and `TargetMissing` where not even the bucket is there."""
        with self.faults.translated(f"{key} cannot be looked at", key=key):
            try:
                answer = self.client.head_object(**self._named(key, version))
            except ClientError as fault:
                if code_of(fault).isdigit():
                    self._tell_why(key, version)
                raise
        return int(answer["ContentLength"])

    def _get(self, key: str, offset: int, length: int | None, version: str | None) -> bytes:
        """The bytes of a range that may end early. Raises botocore's `ClientError`, and `TargetError`s."""
        end = "" if length is None else str(offset + length - 1)
        ranged: dict[str, Any] = {} if offset == 0 and length is None else {"Range": f"bytes={offset}-{end}"}
        refused: ClientError | None = None
        with self.faults.translated(f"{key} cannot be read"):
            try:
                answer = self.client.get_object(**self._named(key, version), **ranged)
            except ClientError as fault:
                refused = fault
            else:
                with contextlib.closing(answer["Body"]) as body:
                    data = body.read()
        if refused is not None:
            raise refused
        return _cut(answer, data, offset, length) if ranged else data

    def _nothing(self, key: str, offset: int, version: str | None) -> bytes:
        """No bytes, of an object that is there and reaches as far."""
        if self.size(key, version) < offset:
            raise self._too_short(key, offset)
        return b""

    def _named(self, key: str, version: str | None) -> dict[str, Any]:
        named = {"Bucket": self.place.bucket, "Key": self.place.name_of(key)}
        return named if version is None else {**named, "VersionId": version}

    def _tell_why(self, key: str, version: str | None) -> None:
        """Raises the reason: an answer without a body holds a status and nothing else."""
        try:
            self.client.get_object(**self._named(key, version), Range="bytes=0-0")["Body"].close()
        except ClientError as fault:
            if code_of(fault) not in _BEYOND_THE_END:
                raise

    def _too_short(self, key: str, wanted: int) -> TargetUnavailable:
        return TargetUnavailable(
            f"target {self.place.description}: {key} ends before byte {wanted}, up to which it was asked for",
            hint="try again; if it stays so, the object is damaged: run drorch check",
        )


def _cut(answer: "GetObjectOutputTypeDef", data: bytes, offset: int, length: int | None) -> bytes:
    """The range itself: some services ignore what was asked and send the whole."""
    if answer["ResponseMetadata"]["HTTPStatusCode"] == 206:
        return data
    return data[offset:] if length is None else data[offset : offset + length]
