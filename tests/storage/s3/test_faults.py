"""What an operator is told when a bucket fails: one line, a hint, the right kind, and no secret in it."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import botocore.auth
import pytest

from drorch.clock import SystemClock
from drorch.errors import (
    DrorchError,
    ObjectFrozen,
    ObjectMissing,
    TargetDenied,
    TargetError,
    TargetFull,
    TargetMissing,
    TargetUnavailable,
)
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.target import S3Target
from tests.servers.ports import free_ports
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.contract import PACK
from tests.storage.s3.places import credentials, opened, settings_for
from tests.storage.s3.pretender import Answer, Pretender, Request, refusal

SECRET = "canary-of-a-secret-key"  # noqa: S105
DEEDS: dict[str, Callable[[S3Target], object]] = {
    "create": S3Target.create,
    "save": lambda target: target.save(PACK, b"x" * 100_000),
    "load": lambda target: target.load(PACK),
    "load a range": lambda target: target.load(PACK, 1, 2),
    "stat": lambda target: target.stat(PACK),
    "list": lambda target: list(target.list("data")),
    "remove": lambda target: target.remove(PACK),
    "remove many": lambda target: target.remove_many([PACK]),
}
each_deed = pytest.mark.parametrize("deed", DEEDS.values(), ids=DEEDS)


def fault_of(settings: S3Settings, deed: Callable[[S3Target], object]) -> DrorchError:
    """What a deed raises; its message and hint are of one line each, and keep the secret."""
    with opened(settings) as target, pytest.raises(TargetError) as raised:
        deed(target)
    fault = raised.value
    for text in (fault.message, fault.hint or ""):
        assert "\n" not in text
        assert SECRET not in text
    assert settings.bucket in fault.message
    return fault


@each_deed
def test_a_wrong_secret_is_told_from_a_wrong_key(
    seaweedfs: SeaweedFS, bucket: str, deed: Callable[[S3Target], object]
) -> None:
    settings = settings_for(seaweedfs, bucket, credentials=credentials(seaweedfs.access_key, SECRET))
    fault = fault_of(settings, deed)
    assert type(fault) is TargetDenied
    assert "secret_key" in (fault.hint or "")


@each_deed
def test_an_unknown_access_key(seaweedfs: SeaweedFS, bucket: str, deed: Callable[[S3Target], object]) -> None:
    fault = fault_of(settings_for(seaweedfs, bucket, credentials=credentials("AKNOBODY", SECRET)), deed)
    assert type(fault) is TargetDenied
    assert "access_key" in (fault.hint or "")


@pytest.mark.parametrize("deed", [DEEDS[name] for name in DEEDS if name not in ("create", "remove", "remove many")])
def test_no_such_bucket(seaweedfs: SeaweedFS, deed: Callable[[S3Target], object]) -> None:
    fault = fault_of(settings_for(seaweedfs, "no-such-bucket"), deed)
    assert type(fault) is TargetMissing
    assert "aws s3api create-bucket --bucket no-such-bucket --endpoint-url http://127" in (fault.hint or "")


def test_a_bucket_that_may_not_be_made() -> None:
    def answer(request: Request) -> Answer:
        return refusal(403, "AccessDenied") if request.method == "PUT" else refusal(404, "NoSuchBucket")

    with Pretender(answer) as service:
        assert type(fault_of(service.settings(), S3Target.create)) is TargetMissing


def test_rights_for_objects_alone_are_enough_to_begin() -> None:
    with Pretender(lambda _: refusal(403, "AccessDenied")) as service, opened(service.settings()) as target:
        target.create()
        assert len(service.requests) == 1


def test_a_bucket_of_somebody_else() -> None:
    def answer(request: Request) -> Answer:
        return refusal(409, "BucketAlreadyExists") if request.method == "PUT" else refusal(404, "NoSuchBucket")

    with Pretender(answer) as service:
        fault = fault_of(service.settings(), S3Target.create)
    assert type(fault) is TargetDenied
    assert "somebody else" in fault.message


@each_deed
def test_clocks_that_differ(
    seaweedfs: SeaweedFS, bucket: str, deed: Callable[[S3Target], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's clock is set ahead: the service compares the time in its signature."""
    ahead = _Ahead()
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: ahead.now().replace(tzinfo=None))
    settings = settings_for(seaweedfs, bucket)
    with contextlib.closing(S3Target(settings, ahead)) as target, pytest.raises(TargetDenied) as raised:
        deed(target)
    assert "this machine's clock and the service's differ by 2h" in raised.value.message
    assert "timedatectl" in (raised.value.hint or "")


class _Ahead(SystemClock):
    def now(self) -> datetime:
        return super().now() + timedelta(hours=2, minutes=3)


@each_deed
def test_nobody_listens(deed: Callable[[S3Target], object]) -> None:
    (port,) = free_ports(1)
    settings = S3Settings("bucket", "p", f"http://127.0.0.1:{port}", credentials=credentials("AK", SECRET))
    fault = fault_of(settings, deed)
    assert type(fault) is TargetUnavailable
    assert "connection refused" in fault.message
    assert str(port) in (fault.hint or "")


def test_a_name_that_nobody_knows() -> None:
    settings = S3Settings("bucket", "p", "https://s3.invalid", credentials=credentials("AK", SECRET))
    fault = fault_of(settings, DEEDS["load"])
    assert type(fault) is TargetUnavailable
    assert "the name s3.invalid cannot be resolved" in fault.message
    assert "getent hosts s3.invalid" in (fault.hint or "")


@each_deed
def test_a_service_that_hangs(deed: Callable[[S3Target], object]) -> None:
    with _silent_port() as port:
        endpoint = f"http://127.0.0.1:{port}"
        settings = S3Settings("bucket", "p", endpoint, credentials=credentials("AK", SECRET), timeout_seconds=0.3)
        began = time.monotonic()
        fault = fault_of(settings, deed)
    assert type(fault) is TargetUnavailable
    assert "does not answer in time" in fault.message
    assert time.monotonic() - began < 30


@contextlib.contextmanager
def _silent_port() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@pytest.mark.parametrize("offset", [0, 5])
def test_a_body_that_ends_early(offset: int) -> None:
    whole = Answer(206 if offset else 200, b"0123456789" * 1000, cut_after=7000)
    with Pretender(lambda _: whole) as service:
        fault = fault_of(service.settings(), lambda target: target.load(PACK, offset))
    assert type(fault) is TargetUnavailable
    assert "ended the conversation early" in fault.message


@pytest.mark.parametrize("body", [b"", b"<html><p>Hello</p></html>", b"<ListBucketResult><Name>bucket</Name><Pref"])
def test_what_is_no_listing_is_not_an_empty_one(body: bytes) -> None:
    with Pretender(lambda _: Answer(200, body)) as service:
        fault = fault_of(service.settings(), DEEDS["list"])
    assert type(fault) is TargetUnavailable


KINDS: list[tuple[int, str, type[DrorchError], str]] = [
    (500, "InternalError", TargetUnavailable, "InternalError"),
    (503, "SlowDown", TargetUnavailable, "SlowDown"),
    (502, "", TargetUnavailable, "502"),
    (400, "RequestTimeout", TargetUnavailable, "RequestTimeout"),
    (400, "BadDigest", TargetUnavailable, "BadDigest"),
    (429, "TooManyRequests", TargetUnavailable, "TooManyRequests"),
    (403, "AccessDenied", TargetDenied, "AccessDenied"),
    (400, "ExpiredToken", TargetDenied, "run out"),
    (403, "RequestTimeTooSkewed", TargetDenied, "clock"),
    (400, "AuthorizationHeaderMalformed", TargetDenied, "region"),
    (400, "Unheard", TargetDenied, "Unheard"),
    (501, "NotImplemented", TargetDenied, "cannot do this"),
    (403, "QuotaExceeded", TargetFull, "no room"),
    (507, "InsufficientStorage", TargetFull, "no room"),
    (507, "", TargetFull, "no room"),
    (404, "NoSuchBucket", TargetMissing, "no bucket"),
]


@pytest.mark.parametrize(("status", "code", "kind", "words"), KINDS)
def test_what_a_service_says(status: int, code: str, kind: type[DrorchError], words: str) -> None:
    said = refusal(status, code) if code else Answer(status, b"<html>Bad Gateway</html>")
    with Pretender(lambda _: said) as service:
        for deed in (DEEDS["save"], DEEDS["load"], DEEDS["list"]):
            fault = fault_of(service.settings(), deed)
            assert type(fault) is kind
            assert words in fault.message
            assert fault.hint
            assert fault.retryable is (kind is TargetUnavailable)
        if kind is TargetUnavailable:
            assert len(service.requests) == 3


def test_a_right_that_is_missing_is_named() -> None:
    with Pretender(lambda _: refusal(403, "AccessDenied")) as service:
        hints = {
            name: fault_of(service.settings(), DEEDS[name]).hint or "" for name in ("save", "load", "list", "remove")
        }
    assert "s3:PutObject on arn:aws:s3:::bucket/p/*" in hints["save"]
    assert "s3:GetObject on arn:aws:s3:::bucket/p/*" in hints["load"]
    assert hints["list"].endswith("s3:ListBucket on arn:aws:s3:::bucket")
    assert "s3:DeleteObject on arn:aws:s3:::bucket/p/*" in hints["remove"]


def test_cold_storage_says_how_to_thaw() -> None:
    with Pretender(lambda _: refusal(403, "InvalidObjectState")) as service:
        fault = fault_of(service.settings(), DEEDS["load a range"])
    assert type(fault) is ObjectFrozen
    assert f"aws s3api restore-object --bucket bucket --key p/{PACK} --restore-request Days=7" in (fault.hint or "")


def test_a_missing_object_is_told_from_a_missing_bucket(seaweedfs: SeaweedFS, bucket: str) -> None:
    assert type(fault_of(settings_for(seaweedfs, bucket), DEEDS["stat"])) is ObjectMissing
    assert type(fault_of(settings_for(seaweedfs, "no-such-bucket"), DEEDS["stat"])) is TargetMissing


def test_words_of_a_service_are_kept_short() -> None:
    with Pretender(lambda _: refusal(400, "Unheard", "many\nwords " * 10_000)) as service:
        assert len(fault_of(service.settings(), DEEDS["load"]).message) < 500


def test_what_cannot_be_a_bucket() -> None:
    with Pretender(lambda _: Answer()) as service:
        fault = fault_of(service.settings(bucket="No Bucket!"), DEEDS["load"])
    assert type(fault) is TargetDenied
    assert "bucket" in (fault.hint or "")


@pytest.mark.parametrize("endpoint", ["s3.example.org", "http://", "http://host:port"])
def test_what_cannot_be_an_endpoint(endpoint: str) -> None:
    settings = S3Settings("bucket", "p", endpoint, credentials=credentials("AK", SECRET))
    with pytest.raises(TargetDenied) as raised:
        S3Target(settings, SystemClock()).load(PACK)
    assert "endpoint" in (raised.value.hint or "")
