"""What a bucket with versions remembers: of each key every version and every marker that hid it, newest first.

Source: Amazon S3 User Guide, "Working with delete markers" and "Listing objects in a versioning-enabled bucket".
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from drorch.errors import TargetDenied
from drorch.storage.s3.place import Place
from drorch.storage.s3.translation import Translator

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Version:
    """One state of a key: an object of `size` bytes, or None where it was hidden. `digest` tells contents apart."""

    id: str
    modified: datetime
    size: int | None
    digest: str = ""


History = Sequence[Version]
"""All states of one key, newest first."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Asks one place for its histories. Safe among threads."""

    client: "S3Client"
    place: Place
    faults: Translator

    def require(self) -> None:
        """See that the bucket keeps versions. Raises `TargetDenied` where it does not."""
        with self.faults.translated("whether its bucket keeps versions cannot be seen"):
            answer = self.client.get_bucket_versioning(Bucket=self.place.bucket)
        if answer.get("Status") not in ("Enabled", "Suspended"):
            raise TargetDenied(
                f"target {self.place.description}: bucket {self.place.bucket} keeps no versions: "
                "what was removed or overwritten is gone",
                hint=f"for the time to come: aws s3api put-bucket-versioning --bucket {self.place.bucket} "
                "--versioning-configuration Status=Enabled",
            )

    def histories(self, start: str) -> Mapping[str, History]:
        """The histories of all keys of the repository that begin with `start`; services may list in any order."""
        found: dict[str, list[tuple[bool, Version]]] = defaultdict(list)
        token: dict[str, Any] = {}
        while True:
            with self.faults.translated("its versions cannot be listed"):
                page = self.client.list_object_versions(
                    Bucket=self.place.bucket, Prefix=self.place.name_of(start), **token
                )
            if "Prefix" not in page and "Name" not in page:
                raise self.faults.no_service("its versions cannot be listed")
            entries: list[Any] = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            for entry in entries:
                key = self.place.key_of(entry["Key"])
                if key is not None and key.startswith(start):
                    size, digest = entry.get("Size"), entry.get("ETag", "")
                    version = Version(entry["VersionId"], entry["LastModified"], size, digest)
                    found[key].append((bool(entry.get("IsLatest")), version))
            if not page.get("IsTruncated"):
                return {key: _newest_first(told) for key, told in found.items()}
            token = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}


def state_at(history: History, moment: datetime) -> Version | None:
    """The version that was there at a moment; None where there was none, or it was hidden."""
    state = next((version for version in history if version.modified <= moment), None)
    return state if state is not None and state.size is not None else None


def _newest_first(told: Sequence[tuple[bool, Version]]) -> tuple[Version, ...]:
    """Sorted by time. Services tell it in seconds: within one, what hides comes first, so that nothing is lost."""
    ordered = sorted(told, key=lambda one: (one[0], one[1].modified, one[1].size is not None), reverse=True)
    return tuple(version for _, version in ordered)
