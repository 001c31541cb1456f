"""A bucket as it was, and what it hides brought back: after a thief, or a tool gone wild, has removed everything."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.commandline import drorch
from tests.cli.places import Elsewhere, in_bucket, install, make_repository
from tests.servers.seaweedfs import SeaweedFS

# What a bucket tells of times is as fine as whole seconds.
_A_SECOND = 1.1


@pytest.fixture
def bucket(seaweedfs: SeaweedFS) -> str:
    return seaweedfs.new_versioned_bucket("past")


@pytest.fixture
def place(seaweedfs: SeaweedFS, bucket: str) -> Elsewhere:
    return in_bucket(seaweedfs, bucket, "web1")


def test_what_was_removed_is_read_as_it_was_and_brought_back(
    tmp_path: Path, seaweedfs: SeaweedFS, bucket: str, place: Elsewhere
) -> None:
    file = install(tmp_path, {"away": place})

    def run(*arguments: str | Path, status: int = 0) -> str:
        done = drorch("-c", file, *arguments, status=status, env=place.environment, password=None)
        return (done.stdout if "--json" in arguments else done.stdout + done.stderr).decode()

    make_repository(file, "away", place)
    run("backup", "-t", "away", tmp_path / "source")
    time.sleep(_A_SECOND)
    before = datetime.now(UTC).isoformat(timespec="seconds")
    time.sleep(_A_SECOND)
    for item in seaweedfs.client.list_objects_v2(Bucket=bucket)["Contents"]:
        seaweedfs.client.delete_object(Bucket=bucket, Key=item["Key"])
    run("snapshots", "-t", "away", status=10)

    past = json.loads(run("snapshots", "-t", "away", "--at", before, "--json"))
    assert [one["paths"] for one in past] == [[str(tmp_path / "source")]]
    run("restore", "latest", "-t", "away", "--at", before, "--to", tmp_path / "back")
    restored = tmp_path / "back" / str(tmp_path / "source").lstrip("/")
    assert {path.name for path in restored.iterdir()} == {path.name for path in (tmp_path / "source").iterdir()}
    assert "no errors were found" in run("check", "-t", "away", "--at", before, "--read-data")
    assert "lock" in run("backup", "-t", "away", "--at", before, tmp_path / "source", status=64)

    planned = run("target", "undelete", "away")
    assert "deleted" in planned
    assert "would come back" in planned
    run("snapshots", "-t", "away", status=10)
    assert "are back" in run("target", "undelete", "away", "--yes")
    assert "nothing is hidden" in run("target", "undelete", "away")
    assert "no errors were found" in run("check", "-t", "away", "--read-data")
    assert len(json.loads(run("snapshots", "-t", "away", "--json"))) == 1


def test_what_keeps_no_past_says_so(tmp_path: Path, seaweedfs: SeaweedFS) -> None:
    plain = in_bucket(seaweedfs, seaweedfs.new_bucket("plain"), "web1")
    file = install(tmp_path, {"away": plain})
    make_repository(file, "away", plain)
    for arguments in (("snapshots", "-t", "away", "--at", "2026-01-01"), ("target", "undelete", "away")):
        done = drorch("-c", file, *arguments, status=21, env=plain.environment, password=None)
        assert b"versions" in done.stderr
    done = drorch("--repo", tmp_path / "here", "snapshots", "--at", "2026-01-01", status=64)
    assert b"only a bucket with versions" in done.stderr
    done = drorch("--repo", tmp_path / "here", "snapshots", "--at", "yesterday", status=64)
    assert b"write for instance" in done.stderr
