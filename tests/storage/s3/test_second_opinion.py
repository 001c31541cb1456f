"""The S3 target on Ceph's gateway, which is stricter than the server of every run: `make second-opinion`."""

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from drorch.clock import SystemClock
from drorch.errors import TargetDenied, TargetMissing
from drorch.storage.s3.past import S3TargetAt
from drorch.storage.s3.settings import LockMode, ObjectLock
from drorch.storage.s3.undelete import Way
from drorch.storage.target import Target
from tests.interop.comparing import differences, of_folder
from tests.interop.hostile import make_hostile
from tests.interop.product import drorch
from tests.interop.test_s3 import keys_of, url_of
from tests.restic import Restic, each_restic, restic
from tests.servers.rgw import RGW
from tests.storage.contract import ID, OTHER_PACK, PACK, STOCK, ReadingContract, TargetContract
from tests.storage.s3.places import credentials, opened, settings_for
from tests.storage.s3.test_past import NEXT_SECOND, Bygone, made_bygone
from tests.storage.s3.test_undelete import brought_back, planned

pytestmark = pytest.mark.second_opinion

MANY = 1100
"""More than one page, and more than one batch."""


@pytest.fixture(scope="module")
def rgw() -> Iterator[RGW]:
    """The server, for all tests of this file."""
    # Not pytest's folder: paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="drorch-rgw-") as folder, RGW(Path(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def bucket(rgw: RGW) -> str:
    """A bucket where every test has a prefix of its own."""
    return rgw.new_bucket("shared")


@pytest.fixture(scope="module")
def versioned_bucket(rgw: RGW) -> str:
    return rgw.new_versioned_bucket("versioned")


@pytest.fixture(scope="module")
def locking_bucket(rgw: RGW) -> str:
    """A bucket made with object lock."""
    return rgw.new_bucket("locking", object_lock=True)


@pytest.fixture(scope="module")
def bygone(rgw: RGW, versioned_bucket: str) -> Bygone:
    return made_bygone(settings_for(rgw, versioned_bucket))


class TestS3Target(TargetContract):
    @pytest.fixture
    def target(self, rgw: RGW, bucket: str) -> Iterator[Target]:
        with opened(settings_for(rgw, bucket)) as target:
            target.create()
            yield target


class TestS3TargetAt(ReadingContract):
    @pytest.fixture
    def stocked(self, bygone: Bygone) -> Iterator[Target]:
        target = S3TargetAt(bygone.settings, bygone.moment, SystemClock())
        yield target
        target.close()


def test_lists_and_removes_more_than_a_page_has(rgw: RGW, bucket: str) -> None:
    keys = [f"data/{number % 256:02x}/{number:064x}" for number in range(MANY)]
    with opened(settings_for(rgw, bucket)) as target:
        for key in keys:
            target.save(key, b"")
        assert sorted(item.key for item in target.list("data")) == sorted(keys)
        target.remove_many(iter([*keys, PACK]))
        assert list(target.list("data")) == []


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_everything_but_locks_is_protected(rgw: RGW, locking_bucket: str, mode: LockMode) -> None:
    settings = settings_for(rgw, locking_bucket, object_lock=ObjectLock(mode, 2))
    began = datetime.now(UTC)
    with opened(settings) as target:
        target.create()
        for key in [*STOCK, f"locks/{ID}"]:
            target.save(key, b"x" * 1000)
    for key in STOCK:
        place: dict[str, Any] = {"Bucket": locking_bucket, "Key": f"{settings.prefix}/{key}"}
        version = rgw.client.head_object(**place)["VersionId"]
        told = rgw.client.get_object_retention(**place, VersionId=version)["Retention"]
        assert told["Mode"] == mode.upper()
        assert timedelta(days=1, hours=23) < told["RetainUntilDate"] - began < timedelta(days=2, hours=1)
        with pytest.raises(ClientError, match="AccessDenied"):
            rgw.client.delete_object(**place, VersionId=version)
    pack: dict[str, Any] = {"Bucket": locking_bucket, "Key": f"{settings.prefix}/{PACK}"}
    version = rgw.client.head_object(**pack)["VersionId"]
    if mode == "governance":
        rgw.client.delete_object(**pack, VersionId=version, BypassGovernanceRetention=True)
    else:
        with pytest.raises(ClientError, match="AccessDenied"):
            rgw.client.delete_object(**pack, VersionId=version, BypassGovernanceRetention=True)
    lock: dict[str, Any] = {"Bucket": locking_bucket, "Key": f"{settings.prefix}/locks/{ID}"}
    rgw.client.delete_object(**lock, VersionId=rgw.client.head_object(**lock)["VersionId"])


def test_a_bucket_is_made_with_object_lock(rgw: RGW) -> None:
    settings = settings_for(rgw, "made-with-lock", object_lock=ObjectLock("governance", 1))
    with opened(settings) as target:
        target.create()
        target.save("config", b"x")
    told = rgw.client.get_object_lock_configuration(Bucket="made-with-lock")
    assert told["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"


def test_a_bucket_without_object_lock_is_refused(rgw: RGW, bucket: str) -> None:
    with opened(settings_for(rgw, bucket, object_lock=ObjectLock("compliance", 1))) as target:
        with pytest.raises(TargetDenied) as refused:
            target.save(PACK, b"x")
        target.save(f"locks/{ID}", b"x")
    assert "object_lock" in (refused.value.hint or "")


def test_all_that_is_hidden_comes_back(rgw: RGW, locking_bucket: str) -> None:
    settings = settings_for(rgw, locking_bucket, object_lock=ObjectLock("governance", 1))
    with opened(settings) as target:
        for key, data in STOCK.items():
            target.save(key, data)
        target.save(f"locks/{ID}", b"a lock")
        target.save(OTHER_PACK, STOCK[OTHER_PACK])
        assert planned(settings).objects == ()
        target.remove_many([*(key for key in STOCK if key not in (PACK, OTHER_PACK)), f"locks/{ID}"])
        time.sleep(NEXT_SECOND)
        target.save(PACK, b"encrypted by somebody else")
        plan = planned(settings)
        assert {one.key: one.way for one in plan.objects} == {
            key: Way.OVERWRITTEN if key == PACK else Way.DELETED for key in STOCK if key != OTHER_PACK
        }
        assert list(target.list("index")) == []
        assert brought_back(settings) == list(plan.objects)
        assert {key: target.load(key) for key in STOCK} == STOCK
        assert list(target.list("locks")) == []
    told = rgw.client.head_object(Bucket=locking_bucket, Key=f"{settings.prefix}/{PACK}")
    assert told["ObjectLockMode"] == "GOVERNANCE"


def test_a_bucket_goes_back_to_a_moment(rgw: RGW) -> None:
    fresh = made_bygone(settings_for(rgw, rgw.new_versioned_bucket("back")))
    brought_back(fresh.settings, fresh.moment)
    with opened(fresh.settings) as target:
        assert {key: target.load(key) for key in STOCK} == STOCK
        assert planned(fresh.settings, fresh.moment).objects == ()


def test_wrong_secrets_and_missing_buckets_are_told_apart(rgw: RGW, bucket: str) -> None:
    wrong = credentials(rgw.access_key, "canary-of-a-secret")
    with opened(settings_for(rgw, bucket, credentials=wrong)) as target, pytest.raises(TargetDenied) as denied:
        target.load("config")
    assert "canary" not in f"{denied.value.message} {denied.value.hint}"
    with opened(settings_for(rgw, "no-such-bucket")) as target, pytest.raises(TargetMissing):
        target.stat("config")


@each_restic
def test_restic_reads_what_drorch_put_into_a_bucket(which: Restic, rgw: RGW, bucket: str, tmp_path: Path) -> None:
    source, restored = tmp_path / "source", tmp_path / "restored"
    make_hostile(source, newer=which is Restic.CURRENT)
    settings, keys = settings_for(rgw, bucket), keys_of(rgw)
    url = url_of(settings)
    drorch(url, "init", environment=keys)
    drorch(url, "backup", source, environment=keys)
    checked = restic(which, url, "check", "--read-data", environment=keys)
    assert b"no errors were found" in checked.stdout
    restic(which, url, "restore", "latest", "--target", restored, environment=keys)
    assert differences(of_folder(source), of_folder(restored / source.relative_to("/"))) == []
    restic(which, url, "backup", source, environment=keys)
    drorch(url, "check", "--read-data", environment=keys)
