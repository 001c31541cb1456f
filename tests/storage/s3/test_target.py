"""What a bucket adds to the contract of every target: pages, batches, checksums, classes, objects of others."""

import base64
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

from drorch.clock import SystemClock
from drorch.errors import SecretMissing, TargetDenied, TargetMissing, TargetUnavailable
from drorch.secrets import EnvSecret
from drorch.storage.s3.client import connect
from drorch.storage.s3.settings import Addressing, S3Credentials, S3Settings, ServerSideEncryption
from drorch.storage.s3.target import S3Target
from drorch.units import MIB
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.contract import ID, PACK
from tests.storage.s3.places import credentials, opened, settings_for
from tests.storage.s3.pretender import Answer, Pretender, Request, refusal

MANY = 1100
"""More than one page, and more than one batch."""


def fill(server: SeaweedFS, settings: S3Settings, count: int) -> list[str]:
    """So many keys of empty objects, put there behind drorch's back."""
    keys = [f"data/{number % 256:02x}/{number:064x}" for number in range(count)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(lambda key: server.client.put_object(Bucket=settings.bucket, Key=f"{settings.prefix}/{key}"), keys)
        )
    return keys


def test_lists_and_removes_more_than_a_page_has(seaweedfs: SeaweedFS, bucket: str) -> None:
    settings = settings_for(seaweedfs, bucket)
    keys = fill(seaweedfs, settings, MANY)
    with opened(settings) as target:
        listed = [item.key for item in target.list("data")]
        assert sorted(listed) == sorted(keys)
        target.save("config", b"stays")
        target.remove_many(iter([*keys, f"data/ff/{'f' * 64}"]))
        assert list(target.list("data")) == []
        assert target.load("config") == b"stays"


def test_removing_nothing_asks_nobody() -> None:
    with Pretender(lambda _: refusal(500, "InternalError")) as service, opened(service.settings()) as target:
        target.remove_many([])
        with pytest.raises(ValueError, match="not a key"):
            target.remove_many(["../config"])
        assert service.requests == []


def test_only_what_is_the_repositorys_is_listed(seaweedfs: SeaweedFS, bucket: str) -> None:
    settings = settings_for(seaweedfs, bucket)
    with opened(settings) as target:
        target.save(f"keys/{ID}", b"a key")
        foreign = ["keys/.hidden", "keys/a b", "keys/deeper/name", f"keys/{ID}-tmp-1", "data/notes", "data/xyz/a"]
        for name in foreign:
            seaweedfs.client.put_object(Bucket=bucket, Key=f"{settings.prefix}/{name}", Body=b"x")
        seaweedfs.client.put_object(Bucket=bucket, Key=f"{settings.prefix}-other/keys/{ID}", Body=b"x")
        assert [item.key for item in target.list("keys")] == [f"keys/{ID}"]
        assert list(target.list("data")) == []


def test_a_repository_may_have_a_bucket_to_itself(seaweedfs: SeaweedFS) -> None:
    name = f"whole-{secrets.token_hex(4)}"
    with opened(settings_for(seaweedfs, name, prefix="")) as target:
        with pytest.raises(TargetMissing, match=name):
            target.save("config", b"x")
        target.create()
        target.create()
        target.save(PACK, b"a pack")
        target.save("config", b"the config")
        assert [item.key for item in target.list("data")] == [PACK]
        assert target.properties.description.endswith(f"/{name}")
    assert {item["Key"] for item in seaweedfs.client.list_objects_v2(Bucket=name)["Contents"]} == {"config", PACK}


def test_every_upload_has_a_checksum_of_its_own() -> None:
    content = secrets.token_bytes(3 * MIB)
    with Pretender(lambda _: Answer()) as service, opened(service.settings()) as target:
        target.save(PACK, memoryview(content))
        target.save("config", b"")
        (large, small) = service.requests
    assert large.body == content
    for request in (large, small):
        assert request.headers["content-md5"] == base64.b64encode(hashlib.md5(request.body).digest()).decode()  # noqa: S324
        assert "content-md5" in request.headers["authorization"]
        assert not [name for name in request.headers if name.startswith("x-amz-checksum")]


def test_a_batch_of_removals_has_a_checksum_that_every_service_knows() -> None:
    with Pretender(lambda _: Answer(body=b"<DeleteResult/>")) as service, opened(service.settings()) as target:
        target.remove_many([PACK, "config"])
        (request,) = service.requests
    assert request.method == "POST"
    assert request.headers["content-md5"] == base64.b64encode(hashlib.md5(request.body).digest()).decode()  # noqa: S324
    assert not [name for name in request.headers if name.startswith(("x-amz-checksum", "x-amz-sdk"))]


def test_a_service_without_batches_is_asked_one_by_one() -> None:
    def answer(request: Request) -> Answer:
        return refusal(501, "NotImplemented") if request.method == "POST" else Answer(204)

    with Pretender(answer) as service, opened(service.settings()) as target:
        target.remove_many([PACK, "config"])
        assert [one.path for one in service.requests if one.method == "DELETE"] == [
            f"/bucket/p/{PACK}",
            "/bucket/p/config",
        ]


def test_an_object_of_a_batch_that_stays_is_a_fault() -> None:
    failed = f"<Error><Key>p/{PACK}</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
    body = f"<DeleteResult>{failed}</DeleteResult>".encode()
    with Pretender(lambda _: Answer(body=body)) as service, opened(service.settings()) as target:
        with pytest.raises(TargetDenied, match=PACK) as denied:
            target.remove_many([PACK, "config"])
        assert "s3:DeleteObject" in (denied.value.hint or "")


def test_only_packs_get_the_storage_class(seaweedfs: SeaweedFS, bucket: str) -> None:
    settings = settings_for(seaweedfs, bucket, storage_class="STANDARD_IA")
    with opened(settings) as target:
        for key in (PACK, "config", f"index/{ID}"):
            target.save(key, b"x")
    found = {
        key: seaweedfs.client.head_object(Bucket=bucket, Key=f"{settings.prefix}/{key}").get("StorageClass", "STANDARD")
        for key in (PACK, "config", f"index/{ID}")
    }
    assert found == {PACK: "STANDARD_IA", "config": "STANDARD", f"index/{ID}": "STANDARD"}


def test_the_service_is_asked_to_encrypt(seaweedfs: SeaweedFS, bucket: str) -> None:
    settings = settings_for(seaweedfs, bucket, encryption=ServerSideEncryption("AES256"))
    with opened(settings) as target:
        target.save("config", b"x")
        assert target.load("config") == b"x"
    told = seaweedfs.client.head_object(Bucket=bucket, Key=f"{settings.prefix}/config")
    assert told["ServerSideEncryption"] == "AES256"
    kms = ServerSideEncryption("aws:kms", "alias/backups")
    with Pretender(lambda _: Answer()) as service, opened(service.settings(encryption=kms)) as target:
        target.save("config", b"x")
        headers = service.requests[0].headers
    assert headers["x-amz-server-side-encryption"] == "aws:kms"
    assert headers["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/backups"


def test_a_range_that_a_service_ignores_is_cut_out() -> None:
    with Pretender(lambda _: Answer(200, b"0123456789")) as service, opened(service.settings()) as target:
        assert target.load(PACK, 3, 4) == b"3456"
        assert target.load(PACK, 3) == b"3456789"
        with pytest.raises(TargetUnavailable, match="ends before byte 12"):
            target.load(PACK, 3, 9)


def test_credentials_are_read_when_a_target_is_opened(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    monkeypatch.delenv("DRORCH_TEST_KEY", raising=False)
    settings = S3Settings(bucket, credentials=S3Credentials(EnvSecret("DRORCH_TEST_KEY"), EnvSecret("DRORCH_TEST_KEY")))
    with pytest.raises(SecretMissing, match="DRORCH_TEST_KEY"):
        S3Target(settings, SystemClock())


def test_without_credentials_the_environment_is_asked(
    monkeypatch: pytest.MonkeyPatch, seaweedfs: SeaweedFS, bucket: str
) -> None:
    for name, value in {"CONFIG_FILE": "/dev/null", "SHARED_CREDENTIALS_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    settings = settings_for(seaweedfs, bucket, credentials=None)
    with pytest.raises(SecretMissing, match="no credentials were found") as missing:
        S3Target(settings, SystemClock())
    assert "AWS_ACCESS_KEY_ID" in (missing.value.hint or "")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweedfs.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweedfs.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with opened(settings) as target:
        target.save("config", b"x")
        assert target.load("config") == b"x"


@pytest.mark.parametrize(
    ("endpoint", "addressing", "host"),
    [
        (None, "auto", "bucket.s3.amazonaws.com"),
        (None, "path", "s3.amazonaws.com"),
        ("https://s3.example.org", "auto", "s3.example.org"),
        ("https://s3.example.org", "virtual", "bucket.s3.example.org"),
        ("https://oss-eu-central-1.aliyuncs.com", "auto", "bucket.oss-eu-central-1.aliyuncs.com"),
    ],
)
def test_how_a_bucket_is_addressed(endpoint: str | None, addressing: Addressing, host: str) -> None:
    asked: list[str] = []

    class NotSent(Exception):
        pass

    def look(request: object, **_: object) -> None:
        asked.append(str(getattr(request, "url", "")))
        raise NotSent

    settings = S3Settings(
        "bucket",
        "p",
        endpoint,
        "us-east-1",
        addressing,
        credentials=credentials("a", "b"),
    )
    client = connect(settings)
    client.meta.events.register("before-send.s3", look)
    with pytest.raises(NotSent):
        client.get_object(Bucket="bucket", Key="p/config")
    client.close()
    path = "p/config" if host.startswith("bucket.") else "bucket/p/config"
    assert asked == [f"https://{host}/{path}"]
