"""What was removed or overwritten in a bucket with versions comes back, by a plan that is shown first."""

import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest

from drorch.clock import SystemClock
from drorch.errors import TargetDenied
from drorch.storage.s3.settings import ObjectLock, S3Settings
from drorch.storage.s3.undelete import Hidden, HiddenObjects, UndeletePlan, Way, hidden_in
from drorch.storage.s3.versions import Version
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.contract import ID, OTHER_PACK, PACK, STOCK
from tests.storage.s3.places import opened, settings_for
from tests.storage.s3.pretender import Answer, Pretender, Request, refusal
from tests.storage.s3.test_past import NEXT_SECOND
from tests.storage.s3.test_target import fill

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def locked_bucket(seaweedfs: SeaweedFS) -> str:
    """A bucket with versions and object lock."""
    return seaweedfs.new_bucket("undelete", object_lock=True)


def planned(settings: S3Settings, moment: datetime | None = None) -> UndeletePlan:
    with contextlib.closing(HiddenObjects(settings, SystemClock())) as hidden:
        return hidden.plan(moment)


def brought_back(settings: S3Settings, moment: datetime | None = None) -> list[Hidden]:
    with contextlib.closing(HiddenObjects(settings, SystemClock())) as hidden:
        return list(hidden.bring_back(hidden.plan(moment)))


def test_all_that_is_hidden_comes_back(seaweedfs: SeaweedFS, locked_bucket: str) -> None:
    settings = settings_for(seaweedfs, locked_bucket, object_lock=ObjectLock("governance", 1))
    with opened(settings) as target:
        for key, data in STOCK.items():
            target.save(key, data)
        target.save(f"locks/{ID}", b"a lock")
        target.save(OTHER_PACK, STOCK[OTHER_PACK])
        assert planned(settings).objects == ()
        target.remove_many([*(key for key in STOCK if key != PACK and key != OTHER_PACK), f"locks/{ID}"])
        target.remove(f"keys/{ID}")
        time.sleep(NEXT_SECOND)
        target.save(PACK, b"encrypted by somebody else")
        plan = planned(settings)
        assert {one.key: one.way for one in plan.objects} == {
            key: Way.OVERWRITTEN if key == PACK else Way.DELETED for key in STOCK if key != OTHER_PACK
        }
        assert plan.objects[-1].key == f"snapshots/{ID}"
        assert plan.size == sum(len(data) for key, data in STOCK.items() if key != OTHER_PACK)
        assert list(target.list("index")) == []
        assert brought_back(settings) == list(plan.objects)
        assert {key: target.load(key) for key in STOCK} == STOCK
        assert list(target.list("locks")) == []
    name = f"{settings.prefix}/{PACK}"
    told = seaweedfs.client.head_object(Bucket=locked_bucket, Key=name)
    assert told["ObjectLockMode"] == "GOVERNANCE"


def test_a_bucket_goes_back_to_a_moment(seaweedfs: SeaweedFS, locked_bucket: str) -> None:
    settings = settings_for(seaweedfs, locked_bucket)
    with opened(settings) as target:
        target.save(f"snapshots/{ID}", b"forgotten before")
        target.remove(f"snapshots/{ID}")
        target.save(PACK, b"as it was")
        target.save(OTHER_PACK, b"as it is still")
        time.sleep(NEXT_SECOND)
        moment = datetime.now(UTC)
        time.sleep(NEXT_SECOND)
        target.save(PACK, b"first damage")
        target.save(PACK, b"second damage")
        target.save(f"index/{ID}", b"younger")
        plan = planned(settings, moment)
        assert [(one.key, one.way) for one in plan.objects] == [(PACK, Way.OVERWRITTEN)]
        assert plan.objects[0].hidden > moment
        brought_back(settings, moment)
        assert target.load(PACK) == b"as it was"
        assert target.load(f"index/{ID}") == b"younger"
        assert list(target.list("snapshots")) == []
        assert planned(settings, moment).objects == ()


def test_more_than_a_batch_comes_back(seaweedfs: SeaweedFS, locked_bucket: str) -> None:
    settings = settings_for(seaweedfs, locked_bucket)
    keys = fill(seaweedfs, settings, 520)
    with opened(settings) as target:
        target.remove_many(keys)
        assert len(brought_back(settings)) == len(keys)
        assert {item.key for item in target.list("data")} == set(keys)


def test_a_bucket_without_versions_hides_nothing(seaweedfs: SeaweedFS, bucket: str) -> None:
    with pytest.raises(TargetDenied, match="keeps no versions"):
        planned(settings_for(seaweedfs, bucket))


def test_where_markers_may_not_be_removed_objects_are_copied() -> None:
    hidden = Hidden(PACK, Way.DELETED, "v1", 10, BEGIN, BEGIN, ("m1",))

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return refusal(403, "AccessDenied")
        return Answer(body=b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")

    with Pretender(answer) as service:
        settings = service.settings(storage_class="STANDARD_IA")
        with contextlib.closing(HiddenObjects(settings, SystemClock())) as objects:
            assert list(objects.bring_back(UndeletePlan((hidden,)))) == [hidden]
        copied = service.requests[-1]
    assert copied.method == "PUT"
    assert copied.headers["x-amz-copy-source"] == f"bucket/p/{PACK}?versionId=v1"
    assert copied.headers["x-amz-storage-class"] == "STANDARD_IA"


def state(number: int, content: str | None, minute: int) -> Version:
    size = None if content is None else len(content)
    return Version(f"v{number}", BEGIN + timedelta(minutes=minute), size, content or "")


@pytest.mark.parametrize(
    ("history", "minute", "expected"),
    [
        ([state(1, "a", 0)], None, None),
        ([state(2, None, 5), state(1, "a", 0)], None, ("v1", ("v2",))),
        ([state(3, None, 6), state(2, None, 5), state(1, "a", 0)], None, ("v1", ("v3", "v2"))),
        ([state(3, None, 0), state(1, "a", 0), state(2, None, 0)], None, ("v1", ("v3", "v2"))),
        ([state(2, "b", 5), state(1, "a", 0)], None, ("v1", ())),
        ([state(2, "a", 5), state(1, "a", 0)], None, None),
        ([state(3, "b", 6), state(2, None, 5), state(1, "a", 0)], None, ("v1", ())),
        ([state(1, None, 5)], None, None),
        ([state(2, None, 5), state(1, "a", 0)], 3, ("v1", ("v2",))),
        ([state(2, None, 5), state(1, "a", 0)], 5, None),
        ([state(3, "c", 9), state(2, "b", 5), state(1, "a", 0)], 3, ("v1", ())),
        ([state(3, "a", 9), state(2, None, 5), state(1, "a", 0)], 3, None),
        ([state(1, "a", 5)], 3, None),
    ],
)
def test_what_a_key_hides(
    history: list[Version], minute: int | None, expected: tuple[str, tuple[str, ...]] | None
) -> None:
    moment = None if minute is None else BEGIN + timedelta(minutes=minute)
    found = hidden_in(PACK, history, moment)
    assert (None if found is None else (found.version, found.markers)) == expected
    assert hidden_in(f"locks/{ID}", history, moment) is None
