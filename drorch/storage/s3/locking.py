"""Retention on what is saved, believed only when it was read back: some services take the headers and lock nothing.

Promise: with `object_lock`, the first object of each kind that a target saves is asked for its retention. A service
that only pretends is found out then, not on the day when somebody removes the backups.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError

from drorch.clock import Clock
from drorch.errors import TargetDenied
from drorch.storage.s3.place import Place
from drorch.storage.s3.settings import ObjectLock
from drorch.storage.s3.translation import ABSENT, code_of

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_NEVER = "locks"
"""Locks come and go with every command: what protects them would only fill the bucket."""

_SLACK = timedelta(seconds=2)
"""Services cut fractions off, or round them."""

_NOT_LOCKED = frozenset({"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError", "InvalidRequest"})
_NO_LOCKING = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})


@dataclass(frozen=True, slots=True)
class Retention:
    """What protects one version of one object; None where nothing does."""

    mode: str
    until: datetime

    def covers(self, asked: "Retention") -> bool:
        """Whether this is at least as strict and as long."""
        return self.mode in (asked.mode, "COMPLIANCE") and self.until >= asked.until - _SLACK


class Locking:
    """Puts retention on objects of one bucket and sees to it that it is there. Safe among threads."""

    def __init__(self, client: "S3Client", place: Place, lock: ObjectLock, clock: Clock) -> None:
        self._client = client
        self._place = place
        self._lock = lock
        self._clock = clock
        self._guard = threading.Lock()
        self._seen: set[str] = set()
        self._by_call = False

    def asked_for(self, key: str) -> Retention | None:
        """The retention a new object is to get; None for locks."""
        if _kind(key) == _NEVER:
            return None
        mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE" if self._lock.mode == "compliance" else "GOVERNANCE"
        until = self._clock.now().astimezone(UTC).replace(microsecond=0) + timedelta(days=self._lock.days, seconds=1)
        return Retention(mode, until)

    def confirm(self, key: str, asked: Retention, answer: Mapping[str, Any]) -> None:
        """See that an object just saved is protected; `answer` is the service's to the saving.

        Raises `TargetDenied` where it is not, and botocore's errors.
        """
        kind, version = _kind(key), answer.get("VersionId")
        with self._guard:
            seen, by_call = kind in self._seen, self._by_call
        if by_call:
            self._set(key, version, asked)
        if seen:
            return
        found = self._read(key, version)
        if not by_call and (found is None or not found.covers(asked)):
            # Some take no retention with an object and do take it afterwards.
            self._set(key, version, asked)
            found = self._read(key, version)
            with self._guard:
                self._by_call = True
        if found is None or not found.covers(asked):
            raise self._pretended(key, asked, found)
        with self._guard:
            self._seen.add(kind)

    def _set(self, key: str, version: str | None, asked: Retention) -> None:
        mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE" if asked.mode == "COMPLIANCE" else "GOVERNANCE"
        named: dict[str, Any] = {"VersionId": version} if version else {}
        try:
            self._client.put_object_retention(
                Bucket=self._place.bucket,
                Key=self._place.name_of(key),
                Retention={"Mode": mode, "RetainUntilDate": asked.until},
                **named,
            )
        except ClientError as fault:
            if code_of(fault) not in _NOT_LOCKED | _NO_LOCKING | ABSENT:
                raise

    def _read(self, key: str, version: str | None) -> Retention | None:
        named: dict[str, Any] = {"VersionId": version} if version else {}
        name = self._place.name_of(key)
        try:
            answer = self._client.get_object_retention(Bucket=self._place.bucket, Key=name, **named)
        except ClientError as fault:
            if code_of(fault) in _NOT_LOCKED | _NO_LOCKING | ABSENT:
                return None
            raise
        told: Mapping[str, Any] = answer.get("Retention") or {}
        mode, until = told.get("Mode"), told.get("RetainUntilDate")
        return Retention(mode, until) if mode and until else None

    def _pretended(self, key: str, asked: Retention, found: Retention | None) -> TargetDenied:
        wanted = f"{asked.mode} until {asked.until:%Y-%m-%d %H:%M}"
        got = f"{found.mode} until {found.until:%Y-%m-%d %H:%M}" if found else "nothing"
        return TargetDenied(
            f"target {self._place.description}: {key} was saved and is not protected: asked for {wanted}, got {got}",
            hint="the service does not lock objects as asked: use a bucket made with object lock, "
            "or leave out object_lock and know that nothing is immutable; see drorch target probe",
        )


def _kind(key: str) -> str:
    return key.partition("/")[0]
