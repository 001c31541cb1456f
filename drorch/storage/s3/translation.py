"""What the S3 library and the services complain of, in drorch's words: said once, with what to do about it.

Promise: no exception of botocore or urllib3 leaves the room, no message holds a secret, and only what passes by
itself is retryable.
"""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    SSLError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from drorch.clock import Clock
from drorch.errors import (
    DrorchError,
    ObjectFrozen,
    ObjectMissing,
    SecretMissing,
    TargetDenied,
    TargetError,
    TargetFull,
    TargetMissing,
    TargetUnavailable,
)
from drorch.storage.s3.place import Place
from drorch.units import rough_span

ABSENT = frozenset({"NoSuchKey", "NoSuchVersion", "404", "NotFound"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "Forbidden", "403"})
NO_BUCKET = frozenset({"NoSuchBucket"})
_PASSING = frozenset({
    "BadDigest", "ConditionalRequestConflict", "InternalError", "OperationAborted", "RequestTimeout",
    "RequestTimeoutException", "ServiceUnavailable", "SlowDown", "SlowDownRead", "SlowDownWrite", "Throttling",
    "ThrottlingException", "TooManyRequests", "TooManyRequestsException", "XAmzContentSHA256Mismatch", "429", "408",
})  # fmt: skip
_FULL = frozenset({
    "InsufficientStorage", "InsufficientStorageSpace", "QuotaExceeded", "QuotaExceededException", "StorageFull",
    "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "507",
})  # fmt: skip
_ELSEWHERE = frozenset({
    "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect", "TemporaryRedirect",
    "301", "307",
})  # fmt: skip
_RUN_OUT = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
_UNKNOWN_HERE = frozenset({"NotImplemented", "MethodNotAllowed", "501", "405"})
_RIGHTS = {
    "CreateBucket": "s3:CreateBucket",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "GetBucketVersioning": "s3:GetBucketVersioning",
    "GetObjectRetention": "s3:GetObjectRetention",
    "ListObjectsV2": "s3:ListBucket",
    "ListObjectVersions": "s3:ListBucketVersions",
    "PutObject": "s3:PutObject",
    "PutObjectRetention": "s3:PutObjectRetention",
}
"""Which right an operation needs, in the words of AWS policies; s3:GetObject where it is not here."""

_LONGEST_QUOTE = 200
_Kind = TypeVar("_Kind", bound=BaseException)


def code_of(fault: ClientError) -> str:
    """The error code a service answered with, such as "NoSuchKey"; its HTTP status where there was no more."""
    return str(fault.response.get("Error", {}).get("Code") or _status_of(fault))


@dataclass(frozen=True, slots=True)
class Translator:
    """Names faults of one target. The clock is compared with the service's where that refuses because of it."""

    place: Place
    clock: Clock

    @contextlib.contextmanager
    def translated(self, consequence: str, *, key: str | None = None) -> Iterator[None]:
        """Foreign errors become drorch's. `key` is the object that is asked for, and missing where there is none."""
        try:
            yield
        except ClientError as fault:
            raise self.refusal(fault, consequence, key) from fault
        except (BotoCoreError, HTTPError, ResponseParserError) as fault:
            raise self._failure(fault, consequence) from fault

    def refusal(self, fault: ClientError, consequence: str, key: str | None = None) -> TargetError:
        """What an answer of the service means."""
        code = code_of(fault)
        if key is not None and code in ABSENT:
            return ObjectMissing(f"target {self.place.description}: there is no {key}")
        if code in NO_BUCKET:
            return self.no_bucket(consequence)
        if code == "InvalidObjectState":
            return self._frozen(consequence, key)
        if code in _FULL or _status_of(fault) == 507:
            return TargetFull(
                self._message(consequence, "there is no room left"),
                hint="raise the quota, or free space at the service",
            )
        if code in _UNKNOWN_HERE or _status_of(fault) == 501:
            reason = f"the service cannot do this ({fault.operation_name}: {code})"
            return TargetDenied(self._message(consequence, reason), hint="see what it can do: drorch target probe")
        if code in _PASSING or _status_of(fault) >= 500:
            reason = f"{self.place.endpoint} answered {code}{_quote(fault)}"
            return TargetUnavailable(self._message(consequence, reason), hint="try again later")
        return self._denied(fault, consequence)

    def no_bucket(self, consequence: str) -> TargetMissing:
        """The fault of a bucket that does not exist."""
        reason = f"there is no bucket {self.place.bucket} at {self.place.endpoint}"
        hint = f"check bucket and endpoint, or make it: aws s3api create-bucket --bucket {self.place.bucket}"
        return TargetMissing(self._message(consequence, reason), hint=hint + self._endpoint_option)

    def no_service(self, consequence: str) -> TargetUnavailable:
        """The fault of an answer that is none: the half of one, or a web page's."""
        return TargetUnavailable(
            self._message(consequence, f"{self.place.endpoint} does not answer as an S3 service does"),
            hint="try again; if it stays so, check endpoint: the service's address is not that of its web page",
        )

    def no_lock(self, fault: ClientError, consequence: str) -> TargetDenied:
        """The fault of a request for protection that was refused as a whole."""
        reason = f"the service refuses object lock in bucket {self.place.bucket} ({code_of(fault)}){_quote(fault)}"
        hint = "object lock is switched on when a bucket is made: use such a bucket, or leave out object_lock"
        return TargetDenied(self._message(consequence, reason), hint=hint)

    def _denied(self, fault: ClientError, consequence: str) -> TargetDenied:
        code = code_of(fault)
        if code == "InvalidAccessKeyId":
            reason, hint = "the service does not know this access key", "check access_key and endpoint of the target"
        elif code == "SignatureDoesNotMatch":
            reason = "the secret key is not that of the access key"
            hint = "check secret_key of the target, and its region where the service has several"
        elif code in _RUN_OUT:
            reason, hint = "the temporary credentials have run out", "get new ones, or use keys that last"
        elif code == "RequestTimeTooSkewed":
            reason, hint = self._skew(fault), "set this machine's clock: timedatectl set-ntp true"
        elif code in _ELSEWHERE:
            region = fault.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
            reason = f"the bucket is in another region{f': {region}' if region else _quote(fault)}"
            hint = f'set region = "{region or "..."}" for the target'
        elif code in DENIED:
            right = _RIGHTS.get(fault.operation_name, "s3:GetObject")
            reason = f"the service refuses {fault.operation_name} ({code})"
            hint = f"check access_key and secret_key; their policy must allow {right} on {self._resource(right)}"
        else:
            reason = f"the service refuses {fault.operation_name} ({code}){_quote(fault)}"
            hint = "check endpoint, bucket and region of the target"
        return TargetDenied(self._message(consequence, reason), hint=hint)

    def _failure(self, fault: Exception, consequence: str) -> DrorchError:
        """What it means that there was no answer, or half of one."""
        if isinstance(fault, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError):
            return SecretMissing(
                self._message(consequence, "no credentials were found in the environment, the files and the instance"),
                hint="set access_key and secret_key of the target, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        if isinstance(fault, ParamValidationError):
            return TargetDenied(self._message(consequence, _first_line(str(fault))), hint="check bucket and prefix")
        if isinstance(fault, ResponseParserError):
            return self.no_service(consequence)
        secure = _cause(fault, ssl.SSLError)
        if isinstance(fault, SSLError) and secure is not None and not isinstance(secure, ssl.SSLEOFError):
            return self._insecure(secure, consequence)
        if _cause(fault, socket.gaierror) is not None:
            return TargetUnavailable(
                self._message(consequence, f"the name {self.place.host} cannot be resolved"),
                hint=f"check endpoint and the machine's DNS: getent hosts {self.place.host}",
            )
        if isinstance(fault, ConnectTimeoutError | ReadTimeoutError):
            return TargetUnavailable(
                self._message(consequence, f"{self.place.endpoint} does not answer in time"), hint=self._reach
            )
        if isinstance(fault, EndpointConnectionError):
            reason = f"{self.place.endpoint} cannot be reached: {_reason(fault)}"
            return TargetUnavailable(self._message(consequence, reason), hint=self._reach)
        if isinstance(fault, HTTPClientError | IncompleteReadError | HTTPError):
            reason = f"{self.place.endpoint} ended the conversation early: {_reason(fault)}"
            return TargetUnavailable(self._message(consequence, reason), hint=self._reach)
        return TargetDenied(
            self._message(consequence, _first_line(str(fault))), hint="check endpoint and the target's other settings"
        )

    @property
    def _reach(self) -> str:
        return f"check that the service runs and is reachable: curl -sI {self.place.endpoint}"

    def _insecure(self, fault: ssl.SSLError, consequence: str) -> TargetDenied:
        if isinstance(fault, ssl.SSLCertVerificationError):
            reason = f"the certificate of {self.place.endpoint} is not trusted: {fault.verify_message.lower()}"
            return TargetDenied(
                self._message(consequence, reason),
                hint='if it is signed by an authority of your own, set ca_file = "/path/to/its.pem" for the target',
            )
        reason = f"no secure connection with {self.place.endpoint}: {(fault.reason or str(fault)).lower()}"
        return TargetDenied(self._message(consequence, reason), hint="check that endpoint is to be reached by https")

    def _skew(self, fault: ClientError) -> str:
        told = fault.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        try:
            theirs = parsedate_to_datetime(told or "")
        except ValueError:
            return "this machine's clock and the service's differ by too much"
        if theirs.tzinfo is None:
            return "this machine's clock and the service's differ by too much"
        return f"this machine's clock and the service's differ by {rough_span(abs(self.clock.now() - theirs))}"

    def _frozen(self, consequence: str, key: str | None) -> ObjectFrozen:
        name = self.place.name_of(key or "KEY")
        thaw = f"aws s3api restore-object --bucket {self.place.bucket} --key {name} --restore-request Days=7"
        return ObjectFrozen(
            self._message(consequence, "it is in a cold storage class and must be thawed before it can be read"),
            hint=f"thaw it, which takes minutes to hours and costs: {thaw}{self._endpoint_option}",
        )

    def _resource(self, right: str) -> str:
        bucket = f"arn:aws:s3:::{self.place.bucket}"
        return bucket if right.endswith(("Bucket", "Versions", "Versioning")) else f"{bucket}/{self.place.root}*"

    @property
    def _endpoint_option(self) -> str:
        return "" if self.place.host.endswith("amazonaws.com") else f" --endpoint-url {self.place.endpoint}"

    def _message(self, consequence: str, reason: str) -> str:
        return f"target {self.place.description}: {consequence}: {reason}"


def _status_of(fault: ClientError) -> int:
    return int(fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _words(fault: ClientError) -> str:
    answer: dict[str, Any] = dict(fault.response.get("Error", {}))
    return " ".join(str(answer.get("Message") or "").split())


def _quote(fault: ClientError) -> str:
    """What the service says, as the end of a sentence: bounded, for whoever wrote it."""
    words = _words(fault)
    return f": {words[:_LONGEST_QUOTE]}" if words else ""


def _first_line(text: str) -> str:
    return " ".join(text.split())[:_LONGEST_QUOTE]


def _reason(fault: Exception) -> str:
    """The system's own word where there is one."""
    system = _cause(fault, OSError)
    if system is not None and system.strerror:
        return system.strerror.lower()
    return _first_line(str(fault.__cause__ or fault.__context__ or fault)).lower()


def _cause(fault: BaseException, kind: type[_Kind]) -> _Kind | None:
    """The first of this kind among a fault and what led to it."""
    seen: list[BaseException] = []
    waiting: list[object] = [fault]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in seen:
            continue
        if isinstance(one, kind):
            return one
        seen.append(one)
        # urllib3 keeps what led to it in `reason` or among its arguments, botocore in `kwargs`.
        waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        waiting += getattr(one, "kwargs", {}).values()
    return None
