"""A bucket as it was: read by the contract of every target after everything in it was overwritten or removed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from drorch.clock import SystemClock
from drorch.errors import ObjectMissing, TargetDenied
from drorch.storage.s3.past import S3TargetAt
from drorch.storage.s3.settings import S3Settings
from drorch.storage.target import Target
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.contract import ID, NO_KEYS, OTHER_PACK, PACK, STOCK, ReadingContract
from tests.storage.s3.places import opened, settings_for
from tests.storage.s3.test_target import fill

NEXT_SECOND = 1.1
"""Services tell the time of a version in seconds."""


@dataclass(frozen=True, slots=True)
class Bygone:
    """A place where much has happened, and the moment before it did."""

    settings: S3Settings
    moment: datetime


@pytest.fixture(scope="module")
def versioned_bucket(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.new_versioned_bucket("versioned")


@pytest.fixture(scope="module")
def bygone(seaweedfs: SeaweedFS, versioned_bucket: str) -> Bygone:
    return made_bygone(settings_for(seaweedfs, versioned_bucket))


def made_bygone(settings: S3Settings) -> Bygone:
    """Save the stock, and overwrite or remove all of it since."""
    with opened(settings) as target:
        target.save(PACK, b"older than the one in stock")
        target.save(f"locks/{ID}", b"a lock")
        target.remove(f"locks/{ID}")
        for key, data in STOCK.items():
            target.save(key, data)
        time.sleep(NEXT_SECOND)
        moment = datetime.now(UTC)
        time.sleep(NEXT_SECOND)
        for key in STOCK:
            target.save(key, b"encrypted by somebody else")
        target.save(f"data/ef/{ID}", b"younger")
        for key in [*list(STOCK)[:3], PACK]:
            target.remove(key)
    return Bygone(settings, moment)


class TestS3TargetAt(ReadingContract):
    @pytest.fixture
    def stocked(self, bygone: Bygone) -> Iterator[Target]:
        target = S3TargetAt(bygone.settings, bygone.moment, SystemClock())
        yield target
        target.close()

    def test_it_refuses_to_write(self, stocked: Target) -> None:
        with pytest.raises(TargetDenied, match=PACK) as saving:
            stocked.save(PACK, b"x")
        with pytest.raises(TargetDenied, match=PACK):
            stocked.remove(PACK)
        with pytest.raises(TargetDenied, match="bucket"):
            stocked.create()
        assert "--at" in (saving.value.hint or "")
        for key in NO_KEYS:
            with pytest.raises(ValueError, match="not a key"):
                stocked.save(key, b"x")

    def test_listing_all_first_changes_nothing(self, stocked: Target) -> None:
        assert {item.key for item in stocked.list("data")} == {PACK, OTHER_PACK}
        assert [item.key for item in stocked.list("data/ab")] == [PACK]
        assert stocked.load(PACK) == STOCK[PACK]
        with pytest.raises(ObjectMissing):
            stocked.load(f"data/ef/{ID}")

    def test_it_says_of_when_it_is(self, stocked: Target, bygone: Bygone) -> None:
        assert f"{bygone.moment:%Y-%m-%d %H:%M:%S} UTC" in stocked.properties.description


def test_before_everything_there_was_nothing(bygone: Bygone) -> None:
    target = S3TargetAt(bygone.settings, datetime(2020, 1, 1, tzinfo=UTC), SystemClock())
    assert list(target.list("data")) == []
    with pytest.raises(ObjectMissing):
        target.load("config")
    target.close()


def test_the_present_is_the_last_of_the_past(bygone: Bygone) -> None:
    target = S3TargetAt(bygone.settings, datetime.now(UTC), SystemClock())
    with opened(bygone.settings) as now:
        for prefix in ("data", "keys", "index", "snapshots", "locks"):
            assert set(target.list(prefix)) == set(now.list(prefix))
        assert target.load(OTHER_PACK) == now.load(OTHER_PACK) == b"encrypted by somebody else"
    target.close()


def test_more_versions_than_a_page_has(seaweedfs: SeaweedFS, versioned_bucket: str) -> None:
    settings = settings_for(seaweedfs, versioned_bucket)
    keys = fill(seaweedfs, settings, 600)
    with opened(settings) as now:
        now.remove_many(keys)
    time.sleep(NEXT_SECOND)
    assert fill(seaweedfs, settings, 5) == keys[:5]
    target = S3TargetAt(settings, datetime.now(UTC), SystemClock())
    assert {item.key for item in target.list("data")} == set(keys[:5])
    target.close()


def test_a_bucket_without_versions_has_no_past(seaweedfs: SeaweedFS, bucket: str) -> None:
    target = S3TargetAt(settings_for(seaweedfs, bucket), datetime.now(UTC), SystemClock())
    with pytest.raises(TargetDenied, match="keeps no versions") as denied:
        target.load("config")
    assert "put-bucket-versioning" in (denied.value.hint or "")
    target.close()


def test_a_moment_has_a_time_zone(seaweedfs: SeaweedFS, bucket: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        S3TargetAt(settings_for(seaweedfs, bucket), datetime(2020, 1, 1), SystemClock())  # noqa: DTZ001
