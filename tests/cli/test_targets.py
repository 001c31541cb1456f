"""Repositories in a bucket, as an operator uses them; and what is said where something is wrong."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import drorch, fault_line
from tests.cli.places import (
    Elsewhere,
    in_bucket,
    install,
    keeps_what_every_command_reads,
    make_repository,
    run,
    same_files,
    saves_checks_and_brings_back,
)
from tests.house.project import ROOT
from tests.servers.seaweedfs import SeaweedFS


@pytest.fixture(scope="module")
def bucket(seaweedfs: SeaweedFS) -> str:
    """A bucket where each test has a prefix of its own."""
    return seaweedfs.new_bucket("cli")


def test_a_job_is_saved_there_checked_and_brought_back(tmp_path: Path, seaweedfs: SeaweedFS, bucket: str) -> None:
    saves_checks_and_brings_back(tmp_path, in_bucket(seaweedfs, bucket, "job"))


def test_what_every_command_reads_is_kept_here(tmp_path: Path, seaweedfs: SeaweedFS, bucket: str) -> None:
    keeps_what_every_command_reads(tmp_path, in_bucket(seaweedfs, bucket, "kept"))


def test_one_is_made_like_another_by_its_name(tmp_path: Path, seaweedfs: SeaweedFS, bucket: str) -> None:
    place, other = in_bucket(seaweedfs, bucket, "model"), in_bucket(seaweedfs, bucket, "copy")
    file = install(tmp_path, {"away": place, "copy": other})
    assert b"created repository" in run(file, place, "init", "-t", "away").stdout
    run(file, place, "init", "-t", "copy", "--like", "away")
    told = run(file, place, "doctor").stdout
    assert b"nothing would fail" in told, told


def test_a_bucket_is_named_by_a_url_and_the_keys_by_the_environment(
    tmp_path: Path, seaweedfs: SeaweedFS, bucket: str
) -> None:
    (tmp_path / "notes.txt").write_text("first")
    repository = ("--repo", f"s3:{seaweedfs.endpoint}/{bucket}/by/url")
    keys = {"AWS_ACCESS_KEY_ID": seaweedfs.access_key, "AWS_SECRET_ACCESS_KEY": seaweedfs.secret_key}
    keys["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    drorch(*repository, "init", env=keys)
    drorch(*repository, "backup", tmp_path / "notes.txt", env=keys)
    assert drorch(*repository, "dump", f"latest:{tmp_path}/notes.txt", env=keys).stdout == b"first"
    assert (tmp_path / "cache" / "drorch").is_dir()
    names = [item["Key"] for item in seaweedfs.client.list_objects_v2(Bucket=bucket, Prefix="by/url/")["Contents"]]
    assert "by/url/config" in names
    assert {name.split("/")[2] for name in names} >= {"config", "data", "index", "keys", "snapshots"}


NO_AWS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, seaweedfs: SeaweedFS, bucket: str) -> tuple[Path, Elsewhere]:
    """A configuration whose target in a bucket holds a snapshot."""
    folder = tmp_path_factory.mktemp("saved")
    place = in_bucket(seaweedfs, bucket, "saved")
    file = install(folder, {"away": place})
    make_repository(file, "away", place)
    run(file, place, "backup", "-t", "away", folder / "source")
    return file, place


@pytest.mark.parametrize(
    ("changes", "status", "told", "hint"),
    [
        ({"secret_key": '{ env = "WRONG" }'}, 21, "the secret key is not that", "secret_key"),
        ({"access_key": '{ env = "WRONG" }'}, 21, "does not know this access key", "access_key"),
        ({"access_key": "", "secret_key": ""}, 62, "no credentials were found", "AWS_ACCESS_KEY_ID"),
        ({"access_key": '{ env = "UNSET" }'}, 62, "UNSET is not set", "Set UNSET"),
        ({"bucket": '"no-such-bucket"'}, 26, "there is no bucket no-such-bucket", "create-bucket"),
        ({"prefix": '"elsewhere"'}, 10, "no repository", "drorch init"),
        ({"endpoint": '"http://nowhere.invalid"'}, 20, "nowhere.invalid cannot be resolved", "getent hosts"),
        ({"object_lock": '{ mode = "governance", days = 1 }'}, 21, "cannot be saved", "Object lock is switched on"),
    ],
)
def test_what_is_wrong_with_a_bucket_is_one_line_with_a_hint(
    tmp_path: Path, saved: tuple[Path, Elsewhere], changes: dict[str, str], status: int, told: str, hint: str
) -> None:
    place = saved[1].but(changes)
    file = install(tmp_path, {"away": place})
    verb = ("backup", "-t", "away", tmp_path / "source") if "object_lock" in changes else ("snapshots", "-t", "away")
    line = fault_line(run(file, place, *verb, status=status, WRONG="geheim-und-falsch", **NO_AWS))
    assert told in line
    assert hint in line
    assert "geheim-und-falsch" not in line


def policies() -> dict[str, list[dict[str, Any]]]:
    """The statements of the three policies in docs/TARGETS.md, by the word before each."""
    text = (ROOT / "docs" / "TARGETS.md").read_text("utf-8")
    return {
        name: json.loads(policy)["Statement"]
        for name, policy in re.findall(r"\*\*(\w+)\*\*[^`]*?:\n\n```json\n(.*?)```", text, re.DOTALL)
    }


def forbid(server: SeaweedFS, bucket: str, *denied: tuple[str, str]) -> None:
    """Deny actions on what is below a prefix of the bucket, for everybody."""
    statements = [
        {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket}/{below}"}
        for action, below in denied
    ]
    policy = {"Version": "2012-10-17", "Statement": statements}
    server.client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def test_the_rights_in_the_policies_are_enough_and_what_may_only_be_read_is_not_written(
    tmp_path: Path, seaweedfs: SeaweedFS
) -> None:
    written = policies()
    assert set(written) == {"write", "maintain", "read"}
    removing = [one["Resource"] for one in written["write"] if "s3:DeleteObject" in one["Action"]]
    assert removing == ["arn:aws:s3:::backups/web1/locks/*"]
    assert not any("Put" in right or "Delete" in right for one in written["read"] for right in one["Action"])
    bucket = seaweedfs.new_bucket("rights")
    place = in_bucket(seaweedfs, bucket)
    file = install(tmp_path, {"away": place})
    folders = ("config", "data/*", "index/*", "keys/*", "snapshots/*")
    forbid(seaweedfs, bucket, *(("s3:DeleteObject", f"web1/{folder}") for folder in folders))
    try:
        run(file, place, "init", "-t", "away")
        run(file, place, "backup", "-t", "away", tmp_path / "source")
        forbid(seaweedfs, bucket, ("s3:PutObject", "*"), ("s3:DeleteObject", "*"))
        line = fault_line(run(file, place, "backup", "-t", "away", tmp_path / "source", status=21))
        assert "refuses PutObject" in line
        assert "must allow s3:PutObject" in line
        run(file, place, "restore", "-t", "away", "latest", "--to", tmp_path / "back", "--no-lock")
        assert same_files(tmp_path / "source", tmp_path / "back" / str(tmp_path / "source").lstrip("/"))
    finally:
        seaweedfs.client.delete_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("s3:https://s3.example.org", "names no bucket"),
        ("s3:https://key:geheim@s3.example.org/backups", "a password stands in"),
        ("sftp:host", "names no path"),
        ("sftp:host:~/backups", "begins with ~"),
        ("gs:bucket:/x", "gs repositories are not supported"),
    ],
)
def test_a_url_that_makes_no_sense_is_a_usage_error(url: str, told: str) -> None:
    line = fault_line(drorch("--repo", url, "snapshots", status=64))
    assert told in line
    assert "geheim" not in line


def test_the_doctor_finds_what_would_fail_there(tmp_path: Path, saved: tuple[Path, Elsewhere]) -> None:
    place = saved[1]
    targets = {
        "keyless": place.but({"secret_key": '{ env = "UNSET" }'}),
        "wrong": place.but({"secret_key": '{ env = "WRONG" }'}),
        "gone": place.but({"bucket": '"no-such-bucket"'}),
        "empty": place.but({"prefix": '"elsewhere"'}),
        "unsigned": place.but({"ca_file": '"/nonexistent/ca.pem"'}),
        "away": place.but({"endpoint": '"https://nowhere.invalid"'}),
        "sound": place,
    }
    file = install(tmp_path, targets)
    done = run(file, place, "doctor", "--json", status=1, WRONG="geheim-und-falsch")
    *symptoms, summary = [json.loads(line) for line in done.stdout.splitlines()]
    told = {one["subject"]: one for one in symptoms if one["subject"].startswith("target ")}
    assert told.keys() == {f"target {name}" for name in targets if name != "sound"}
    expected = {
        "keyless": ("environment variable UNSET is not set", "Set UNSET"),
        "wrong": ("the secret key is not that of the access key", "secret_key"),
        "gone": ("there is no bucket", "create-bucket"),
        "empty": ("repository", "drorch init -t empty"),
        "unsigned": ("ca_file /nonexistent/ca.pem cannot be read", "ca_file"),
        "away": ("nowhere.invalid", "getent hosts"),
    }
    for name, (message, mend) in expected.items():
        assert message in told[f"target {name}"]["message"], name
        assert mend in told[f"target {name}"]["mend"], name
    assert summary["errors"] >= len(expected)
    assert b"geheim" not in done.stdout
