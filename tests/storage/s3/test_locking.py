"""Object lock: what is saved is protected, and a service that only pretends is found out at the first object."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from drorch.errors import TargetDenied
from drorch.storage.s3.settings import LockMode, ObjectLock
from drorch.storage.s3.target import S3Target
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.contract import ID, OTHER_PACK, PACK
from tests.storage.s3.places import opened, settings_for
from tests.storage.s3.pretender import Answer, Pretender, Request, refusal

PROTECTED = ["config", f"keys/{ID}", f"index/{ID}", f"snapshots/{ID}", PACK, OTHER_PACK]


@pytest.fixture(scope="module")
def locking_bucket(seaweedfs: SeaweedFS) -> str:
    """A bucket made with object lock."""
    return seaweedfs.new_bucket("locking", object_lock=True)


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_everything_but_locks_is_protected(seaweedfs: SeaweedFS, locking_bucket: str, mode: LockMode) -> None:
    settings = settings_for(seaweedfs, locking_bucket, object_lock=ObjectLock(mode, 2))
    with opened(settings) as target:
        target.create()
        for key in [*PROTECTED, f"locks/{ID}"]:
            target.save(key, b"x" * 1000)
    began = datetime.now(UTC)
    for key in PROTECTED:
        name = f"{settings.prefix}/{key}"
        version = seaweedfs.client.head_object(Bucket=locking_bucket, Key=name)["VersionId"]
        told = seaweedfs.client.get_object_retention(Bucket=locking_bucket, Key=name, VersionId=version)["Retention"]
        assert told["Mode"] == mode.upper()
        assert timedelta(days=1, hours=23) < told["RetainUntilDate"] - began < timedelta(days=2, hours=1)
        with pytest.raises(ClientError):
            seaweedfs.client.delete_object(Bucket=locking_bucket, Key=name, VersionId=version)
    lock = f"{settings.prefix}/locks/{ID}"
    version = seaweedfs.client.head_object(Bucket=locking_bucket, Key=lock)["VersionId"]
    seaweedfs.client.delete_object(Bucket=locking_bucket, Key=lock, VersionId=version)


def test_what_is_protected_may_be_hidden_and_saved_anew(seaweedfs: SeaweedFS, locking_bucket: str) -> None:
    with opened(settings_for(seaweedfs, locking_bucket, object_lock=ObjectLock("governance", 1))) as target:
        target.save(PACK, b"before")
        target.remove(PACK)
        assert list(target.list("data")) == []
        target.save(PACK, b"after")
        assert target.load(PACK) == b"after"


def test_a_bucket_is_made_with_object_lock(seaweedfs: SeaweedFS) -> None:
    settings = settings_for(seaweedfs, "made-with-lock", object_lock=ObjectLock("governance", 1))
    with opened(settings) as target:
        target.create()
        target.save("config", b"x")
    told = seaweedfs.client.get_object_lock_configuration(Bucket="made-with-lock")
    assert told["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"


def test_a_bucket_without_object_lock_is_refused(seaweedfs: SeaweedFS, bucket: str) -> None:
    with opened(settings_for(seaweedfs, bucket, object_lock=ObjectLock("compliance", 1))) as target:
        with pytest.raises(TargetDenied) as refused:
            target.save(PACK, b"x")
        target.save(f"locks/{ID}", b"x")
    assert f"refuses object lock in bucket {bucket}" in refused.value.message
    assert "object_lock" in (refused.value.hint or "")


def retention(mode: str, until: datetime) -> Answer:
    """An answer to the question what protects an object."""
    text = f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{until:%Y-%m-%dT%H:%M:%SZ}</RetainUntilDate></Retention>"
    return Answer(body=text.encode())


def in_days(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


LIES: dict[str, Callable[[], Answer]] = {
    "takes the headers and locks nothing": lambda: refusal(404, "NoSuchObjectLockConfiguration"),
    "knows no retention": lambda: refusal(501, "NotImplemented"),
    "answers with nothing": Answer,
    "shortens it": lambda: retention("COMPLIANCE", in_days(5)),
    "makes governance of it": lambda: retention("GOVERNANCE", in_days(30)),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_service_that_pretends_is_found_out(lie: Callable[[], Answer]) -> None:
    def answer(request: Request) -> Answer:
        if request.method == "GET" and "retention" in request.query:
            return lie()
        return Answer(headers={"x-amz-version-id": "v1"})

    asked = ObjectLock("compliance", 30)
    with Pretender(answer) as service, opened(service.settings(object_lock=asked)) as target:
        for _ in range(2):
            with pytest.raises(TargetDenied, match="was saved and is not protected") as found_out:
                target.save(PACK, b"x")
        questions = [one for one in service.requests if one.method == "GET"]
    assert all(one.query["versionId"] == "v1" for one in questions)
    assert "object_lock" in (found_out.value.hint or "")


def test_what_is_stricter_or_longer_will_do() -> None:
    def answer(request: Request) -> Answer:
        asks = request.method == "GET"
        return retention("COMPLIANCE", in_days(60)) if asks else Answer(headers={"x-amz-version-id": "v1"})

    with Pretender(answer) as service, opened(service.settings(object_lock=ObjectLock("governance", 30))) as target:
        target.save(PACK, b"x")


def test_the_first_of_each_kind_is_asked_for() -> None:
    def answer(request: Request) -> Answer:
        asks = request.method == "GET"
        return retention("GOVERNANCE", in_days(31)) if asks else Answer(headers={"x-amz-version-id": "v1"})

    with Pretender(answer) as service, opened(service.settings(object_lock=ObjectLock("governance", 30))) as target:
        for key in [*PROTECTED, f"index/{'0' * 64}", f"locks/{ID}"]:
            target.save(key, b"x")
        asked = [one.path.removeprefix("/bucket/p/") for one in service.requests if one.method == "GET"]
        put = {one.path.removeprefix("/bucket/p/"): one.headers for one in service.requests if one.method == "PUT"}
    assert asked == PROTECTED[:5]
    assert "x-amz-object-lock-mode" not in put[f"locks/{ID}"]
    assert all(put[key]["x-amz-object-lock-mode"] == "GOVERNANCE" for key in PROTECTED)


def test_a_service_that_takes_retention_only_afterwards_is_asked_so_for_each() -> None:
    locked: set[str] = set()

    def answer(request: Request) -> Answer:
        if "retention" not in request.query:
            return Answer(headers={"x-amz-version-id": "v1"})
        if request.method == "PUT":
            locked.add(request.path)
            return Answer()
        known = request.path in locked
        return retention("GOVERNANCE", in_days(31)) if known else refusal(404, "NoSuchObjectLockConfiguration")

    with Pretender(answer) as service, opened(service.settings(object_lock=ObjectLock("governance", 30))) as target:
        for key in [PACK, OTHER_PACK, "config", f"locks/{ID}"]:
            target.save(key, b"x")
        setting = [one for one in service.requests if one.method == "PUT" and "retention" in one.query]
    assert locked == {f"/bucket/p/{key}" for key in (PACK, OTHER_PACK, "config")}
    assert all("content-md5" in one.headers for one in setting)


def test_rights_to_ask_are_needed() -> None:
    def answer(request: Request) -> Answer:
        asks = request.method == "GET"
        return refusal(403, "AccessDenied") if asks else Answer(headers={"x-amz-version-id": "v1"})

    def save(target: S3Target) -> None:
        target.save(PACK, b"x")

    with Pretender(answer) as service, opened(service.settings(object_lock=ObjectLock("governance", 30))) as target:
        with pytest.raises(TargetDenied, match=r"whether .* is protected cannot be seen") as denied:
            save(target)
        assert "s3:GetObjectRetention" in (denied.value.hint or "")
