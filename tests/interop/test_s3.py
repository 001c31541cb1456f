"""A repository in a bucket: restic opens what drorch put there, and drorch what restic did, below the same prefix."""

import contextlib
import secrets
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.repository.repository import Repository
from drorch.storage.keys import FOLDERS
from drorch.storage.local import LocalTarget
from drorch.storage.s3.settings import S3Settings
from drorch.storage.s3.target import S3Target
from tests.interop.comparing import differences, of_folder, of_snapshot
from tests.interop.hostile import make_hostile
from tests.interop.judging import faults
from tests.interop.product import drorch, make_repository
from tests.restic import PASSWORD, Restic, each_restic, restic, restic_json
from tests.servers.seaweedfs import SeaweedFS
from tests.storage.s3.places import settings_for


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    """A bucket where every test has a prefix of its own."""
    return seaweedfs.new_bucket("interop")


def url_of(settings: S3Settings) -> str:
    """How restic names the place."""
    return f"s3:{settings.endpoint}/{settings.bucket}/{settings.prefix}"


def keys_of(server: SeaweedFS) -> dict[str, str]:
    """The account, as restic wants to be told."""
    return {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}


@each_restic
def test_restic_reads_what_drorch_put_into_a_bucket(
    which: Restic, seaweedfs: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    local, source = tmp_path / "repository", tmp_path / "source"
    make_hostile(source, newer=which is Restic.CURRENT)
    (source / "large").write_bytes(secrets.token_bytes(20_000_000))
    make_repository(local)
    drorch(local, "backup", source)
    settings, keys = settings_for(seaweedfs, bucket), keys_of(seaweedfs)
    with contextlib.closing(S3Target(settings, SystemClock())) as target:
        target.create()
        _copy(LocalTarget(local), target)
        checked = restic(which, url_of(settings), "check", "--read-data", environment=keys)
        assert b"no errors were found" in checked.stdout
        restored = tmp_path / "restored"
        restic(which, url_of(settings), "restore", "latest", "--target", restored, environment=keys)
        assert differences(of_folder(source), of_folder(restored / source.relative_to("/"))) == []
        restic(which, url_of(settings), "backup", source, environment=keys)
        restic(which, url_of(settings), "forget", "--keep-last", "1", "--group-by", "", "--prune", environment=keys)
        assert faults(Repository.open(target, PASSWORD)) == []


@each_restic
def test_drorch_reads_what_restic_put_into_a_bucket(
    which: Restic, seaweedfs: SeaweedFS, bucket: str, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    make_hostile(source, newer=which is Restic.CURRENT)
    settings, keys = settings_for(seaweedfs, bucket), keys_of(seaweedfs)
    restic(which, url_of(settings), "init", environment=keys)
    restic(which, url_of(settings), "backup", source, environment=keys)
    (told,) = restic_json(which, url_of(settings), "snapshots", environment=keys)
    with contextlib.closing(S3Target(settings, SystemClock())) as target:
        repository = Repository.open(target, PASSWORD)
        (named,) = repository.list_snapshots().snapshots
        assert named.id.hex() == told["id"]
        folder = str(source.relative_to("/")).encode()
        assert differences(of_folder(source), of_snapshot(repository, named.snapshot.tree, folder)) == []
        assert faults(repository) == []


def _copy(origin: LocalTarget, target: S3Target) -> None:
    """Every object under its own key."""
    for key in ["config", *(item.key for folder in FOLDERS for item in origin.list(folder))]:
        target.save(key, origin.load(key))
