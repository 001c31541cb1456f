"""A repository in a bucket: restic opens what drorch put there, and drorch what restic did, below the same prefix."""

import contextlib
import secrets
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.repository.repository import Repository
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.target import S3Target
from tests.interop.comparing import differences, of_folder
from tests.interop.hostile import make_hostile
from tests.interop.judging import faults
from tests.interop.product import drorch, drorch_json
from tests.restic import PASSWORD, Restic, each_restic, restic
from tests.servers.buckets import S3Server
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.s3.places import settings_for


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    """A bucket where every test has a prefix of its own."""
    return seaweedfs.new_bucket("interop")


def url_of(settings: S3Settings) -> str:
    """How restic names the place."""
    return f"s3:{settings.endpoint}/{settings.bucket}/{settings.prefix}"


def keys_of(server: S3Server) -> dict[str, str]:
    """The account, as restic wants to be told."""
    return {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}


@each_restic
def test_restic_reads_what_drorch_put_into_a_bucket(
    which: Restic, seaweedfs: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    source, restored = tmp_path / "source", tmp_path / "restored"
    make_hostile(source, newer=which is Restic.CURRENT)
    (source / "large").write_bytes(secrets.token_bytes(20_000_000))
    settings, keys = settings_for(seaweedfs, bucket), keys_of(seaweedfs)
    url = url_of(settings)
    drorch(url, "init", environment=keys)
    drorch(url, "backup", source, environment=keys)
    checked = restic(which, url, "check", "--read-data", environment=keys)
    assert b"no errors were found" in checked.stdout
    restic(which, url, "restore", "latest", "--target", restored, environment=keys)
    assert differences(of_folder(source), of_folder(restored / source.relative_to("/"))) == []
    restic(which, url, "backup", source, environment=keys)
    restic(which, url, "forget", "--keep-last", "1", "--group-by", "", "--prune", environment=keys)
    with contextlib.closing(S3Target(settings, SystemClock())) as target:
        assert faults(Repository.open(target, PASSWORD)) == []
    assert drorch_json(url, "backup", source, environment=keys)["data_added"] < 10_000


@each_restic
def test_drorch_reads_what_restic_put_into_a_bucket(
    which: Restic, seaweedfs: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    source, restored = tmp_path / "source", tmp_path / "restored"
    make_hostile(source, newer=which is Restic.CURRENT)
    settings, keys = settings_for(seaweedfs, bucket), keys_of(seaweedfs)
    url = url_of(settings)
    restic(which, url, "init", environment=keys)
    restic(which, url, "backup", source, environment=keys)
    drorch(url, "check", "--read-data", environment=keys)
    drorch(url, "restore", "latest", "--to", restored, environment=keys)
    assert differences(of_folder(source), of_folder(restored / source.relative_to("/"))) == []


def test_the_default_region_and_credentials_of_the_environment_do(seaweedfs: SeaweedFS, bucket: str) -> None:
    settings = settings_for(seaweedfs, bucket)
    url = url_of(settings)
    drorch(url, "snapshots", status=10, environment=keys_of(seaweedfs))
    wrong = {**keys_of(seaweedfs), "AWS_SECRET_ACCESS_KEY": "canary-of-a-secret"}
    said = drorch(url, "snapshots", status=21, environment=wrong)
    assert b"canary" not in said.stdout + said.stderr
    missing = url.replace(settings.bucket, "no-such-bucket")
    drorch(missing, "snapshots", status=26, environment=keys_of(seaweedfs))
