"""A probe of real servers: what they keep is told as kept, and what they only pretend as not there."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from drorch.actions.probe.facts import Answer, Probed
from drorch.actions.probe.plan import carry_out, plan
from drorch.clock import SystemClock
from drorch.errors import TargetMissing, TargetUnavailable
from drorch.storage.abilities import ScratchPlace
from drorch.storage.s3.scratch import S3Scratch
from drorch.storage.s3.settings import ObjectLock, S3Credentials, S3Settings
from tests.actions.scratch_places import CONTRACT, SMALL, Listener
from tests.servers.ports import free_ports
from tests.servers.rclone import RcloneS3
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.s3.places import credentials, settings_for


def probed(scratch: ScratchPlace, *, lock_relied_on: bool = False) -> Probed:
    return carry_out(scratch, plan(SMALL, lock_relied_on=lock_relied_on), SystemClock(), SMALL, Listener())


def answers(found: Probed) -> dict[str, Answer]:
    return {fact.name: fact.answer for fact in found.facts}


def scratch_in(server: SeaweedFS, bucket: str, **others: Any) -> S3Scratch:
    return S3Scratch(settings_for(server, bucket, **others), "drorch-probe-test", SystemClock())


def limited(server: SeaweedFS) -> S3Credentials:
    """An account that may not lift locks, and that policies bind."""
    return credentials(server.limited_access_key, server.limited_secret_key)


def stored(server: SeaweedFS, bucket: str) -> list[str]:
    """Everything in a bucket, hidden or not."""
    found = server.client.list_object_versions(Bucket=bucket)
    return [str(one.get("Key")) for one in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]]


def forbid(server: SeaweedFS, bucket: str, *actions: str) -> None:
    """Take rights away from the limited account."""
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    denial = {"Effect": "Deny", "Principal": "*", "Action": list(actions), "Resource": resources}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [denial]})
    server.client.put_bucket_policy(Bucket=bucket, Policy=policy)


def test_a_bucket_with_object_lock(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("locking", object_lock=True)
    found = probed(scratch_in(seaweedfs, bucket, object_lock=ObjectLock("governance", 30)), lock_relied_on=True)
    assert found.broken == ()
    given = answers(found)
    assert {name for name, answer in given.items() if answer is Answer.YES} == {
        *CONTRACT, "conditional", "versions", "erase", "lock", "holds", "lift", "clock",
    }  # fmt: skip
    assert found.left == ()
    assert stored(seaweedfs, bucket) == []


def test_a_bucket_without_versions(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("plain")
    found = probed(scratch_in(seaweedfs, bucket))
    assert found.broken == ()
    given = answers(found)
    assert (given["conditional"], given["versions"], given["lock"]) == (Answer.YES, Answer.NO, Answer.NO)
    assert not {"erase", "holds", "lift"} & set(given)
    assert stored(seaweedfs, bucket) == []


def test_what_lies_beside_the_scratch_place_stays(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_versioned_bucket("beside")
    settings = settings_for(seaweedfs, bucket)
    beside = [f"{settings.prefix}/config", f"{settings.prefix}/drorch-probe-test2/config", "config"]
    for name in beside:
        seaweedfs.client.put_object(Bucket=bucket, Key=name, Body=b"x")
    assert probed(S3Scratch(settings, "drorch-probe-test", SystemClock())).left == ()
    assert sorted(stored(seaweedfs, bucket)) == sorted(beside)


def test_a_lock_that_may_not_be_lifted_is_waited_for(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("strict", object_lock=True)
    found = probed(scratch_in(seaweedfs, bucket, credentials=limited(seaweedfs)), lock_relied_on=True)
    assert (answers(found)["holds"], answers(found)["lift"]) == (Answer.YES, Answer.NO)
    assert (found.broken, found.left) == ((), ())
    assert stored(seaweedfs, bucket) == []


def test_credentials_that_cannot_delete_are_good_and_what_stays_is_named(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("append")
    forbid(seaweedfs, bucket, "s3:DeleteObject", "s3:DeleteObjectVersion")
    found = probed(scratch_in(seaweedfs, bucket, credentials=limited(seaweedfs)))
    assert (found.by_name["delete"].answer, found.broken) == (Answer.NO, ())
    assert (found.by_name["many"].answer, found.by_name["upload"].answer) == (Answer.UNKNOWN, Answer.UNKNOWN)
    assert len(found.left) == len(stored(seaweedfs, bucket)) < 50


def test_the_least_rights_that_a_locked_bucket_needs_are_enough(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("least", object_lock=True)
    forbid(
        seaweedfs,
        bucket,
        *("s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions", "s3:GetBucketVersioning"),
    )
    found = probed(scratch_in(seaweedfs, bucket, credentials=limited(seaweedfs)), lock_relied_on=True)
    assert found.broken == ()
    given = answers(found)
    assert (given["lock"], given["holds"], given["lift"]) == (Answer.YES, Answer.UNKNOWN, Answer.NO)
    assert given["versions"] is Answer.NOT_RUN
    assert "says that it keeps versions" in found.by_name["versions"].finding.meaning
    assert [one.name for one in found.left] == [found.place]


def test_versions_that_cannot_be_seen_are_told_to_stay(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_versioned_bucket("hiding")
    forbid(seaweedfs, bucket, "s3:ListBucketVersions", "s3:GetBucketVersioning")
    found = probed(scratch_in(seaweedfs, bucket, credentials=limited(seaweedfs)))
    assert [one.name for one in found.left] == [found.place]
    assert "older versions stay" in found.left[0].reason
    seaweedfs.client.delete_bucket_policy(Bucket=bucket)
    assert stored(seaweedfs, bucket)
    assert "Contents" not in seaweedfs.client.list_objects_v2(Bucket=bucket)


def test_a_bucket_that_locks_everything_is_not_filled(seaweedfs: SeaweedFS) -> None:
    bucket = seaweedfs.new_bucket("vault", object_lock=True)
    seaweedfs.client.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 3}},
        },
    )
    found = probed(scratch_in(seaweedfs, bucket))
    for name in ("many", "upload"):
        assert found.by_name[name].answer is Answer.UNKNOWN
        assert "3d" in found.by_name[name].finding.meaning
    assert "download" not in found.by_name
    assert (found.broken, found.left) == ((), ())


def test_no_such_bucket_and_no_such_server(seaweedfs: SeaweedFS) -> None:
    with pytest.raises(TargetMissing):
        probed(scratch_in(seaweedfs, "there-is-none"))
    (port,) = free_ports(1)
    with pytest.raises(TargetUnavailable):
        probed(scratch_in(seaweedfs, "any", endpoint=f"http://127.0.0.1:{port}"))


@pytest.fixture(scope="module")
def pretender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RcloneS3]:
    with RcloneS3(tmp_path_factory.mktemp("rclone")) as server:
        yield server


def test_a_server_that_only_pretends_is_found_out(pretender: RcloneS3) -> None:
    bucket = pretender.new_bucket()
    settings = S3Settings(
        bucket,
        "web1",
        pretender.endpoint,
        credentials=credentials(pretender.access_key, pretender.secret_key),
    )
    found = probed(S3Scratch(settings, "drorch-probe-test", SystemClock()), lock_relied_on=True)
    given = answers(found)
    assert {given[name] for name in ("conditional", "versions", "lock")} == {Answer.NO}
    assert "ignores the condition" in found.by_name["conditional"].finding.meaning
    assert "pretends" in found.by_name["lock"].finding.meaning
    assert given["range"] is Answer.NO
    assert {"lock", "range"} <= {fact.name for fact in found.broken}
    assert {given[name] for name in ("read", "fresh", "list", "overwrite", "delete", "gone")} == {Answer.YES}
    assert found.left == ()
    assert [path for path in pretender.folder_of(bucket).rglob("*") if path.is_file()] == []
