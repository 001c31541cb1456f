"""Snapshots copied by hand: between URLs and between targets, planned, whole, and not twice."""

import json
from pathlib import Path

import pytest

from tests.cli.commandline import PASSWORD, drorch, drorch_json, new_repository
from tests.cli.installation import Installation
from tests.restic import Restic, restic


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation.make(tmp_path)
    made.run("backup", "-t", "one", tmp_path / "source")
    (tmp_path / "source" / "more").write_text("more")
    made.run("backup", "-t", "one", tmp_path / "source")
    return made


def test_all_snapshots_of_a_target_come_to_another_once(installation: Installation) -> None:
    planned = json.loads(installation.run("copy", "-t", "one", "--to", "two", "-n", "--json").stdout)
    assert (len(planned["snapshots"]), planned["present"]) == (2, 0)
    assert planned["bytes_to_fetch"] > 0
    assert drorch_json("-c", installation.config, "snapshots", "-t", "two") == []
    told = installation.run("copy", "-t", "one", "--to", "two").stdout.decode()
    assert "2 snapshots copied, 0 were there already" in told
    again = json.loads(installation.run("copy", "-t", "one", "--to", "two", "--json").stdout)
    assert (again["copied"], again["present"], again["data_added"]) == ([], 2, 0)
    restic(Restic.DEBIAN, installation.place / "two", "check", "--read-data")
    assert "copy" in installation.run("audit", "list").stdout.decode()


def test_a_copy_to_a_target_is_a_run_in_the_books_and_what_vanished_there_since_an_alarm(
    installation: Installation,
) -> None:
    copied = json.loads(installation.run("copy", "-t", "one", "--to", "two", "--json").stdout)["copied"]
    columns = "kind, target, outcome from run"
    assert installation.rows(f"select {columns}") == [("copy", "two", "ok")]
    stored = "hex(snapshot), hex(original) from known_snapshot where target = 'two'"
    known = [(one["id"].upper(), one["original"].upper()) for one in copied]
    assert sorted(installation.rows(f"select {stored}")) == sorted(known)
    assert installation.rows("select distinct level from proof where target = 'two'") == [(0,)]
    [gone, *_] = (installation.place / "two" / "snapshots").iterdir()
    gone.unlink()
    done = installation.run("copy", "-t", "one", "--to", "two", status=13)
    assert b"has vanished" in done.stderr
    assert b"1 snapshot copied, 1 were there already" in done.stdout


def test_one_snapshot_comes_to_a_repository_with_another_password(installation: Installation) -> None:
    place = installation.place
    other = place / "third"
    (place / "other-password").write_text("another")
    (place / "other-password").chmod(0o600)
    drorch("--repo", other, "--password-file", place / "other-password", "init")
    source = ("--repo", place / "one", "--password-file", place / "password")
    to = ("--to", other, "--to-password-file", place / "other-password")
    drorch(*source, "copy", "latest", *to)
    [copied] = drorch_json("--repo", other, "--password-file", place / "other-password", "snapshots")
    latest = drorch_json(*source, "snapshots")[-1]
    assert (copied["original"], copied["tree"], copied["time"]) == (latest["id"], latest["tree"], latest["time"])
    wrong = drorch(*source, "copy", "latest", "--to", other, status=12)
    assert b"wrong password" in wrong.stderr


def test_a_repository_is_not_copied_into_itself(tmp_path: Path) -> None:
    new_repository(tmp_path / "one")
    told = drorch("--repo", tmp_path / "one", "copy", "--to", tmp_path / "one", status=64, password=PASSWORD)
    assert b"source and destination" in told.stderr
