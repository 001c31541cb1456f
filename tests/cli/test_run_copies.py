"""A job with several targets, as an administrator meets it: one goes down, is missed, and is caught up."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import PASSWORD, drorch
from tests.cli.installation import Installation
from tests.restic import Restic, restic

JOB = "drorch:job=homes"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path)


def taken(installation: Installation, target: str) -> list[str]:
    """When the job's snapshots on a target were taken."""
    return [str(one["time"]) for one in installation.snapshots(target, JOB)]


def runs(installation: Installation, *, status: int = 0) -> list[dict[str, Any]]:
    told = drorch("-c", installation.config, "run", "homes", "--json", status=status).stdout.splitlines()
    return [one for one in map(json.loads, told) if one.get("message_type") == "run"]


def down(installation: Installation, target: str) -> Path:
    """Take a target away; where it went."""
    away = installation.place / f"{target}-away"
    shutil.move(installation.place / target, away)
    return away


def test_the_source_is_read_once_and_copied_to_the_rest(installation: Installation) -> None:
    first, second = runs(installation)
    assert (first["target"], first["kind"], second["target"], second["kind"]) == ("one", "backup", "two", "copy")
    assert taken(installation, "one") == taken(installation, "two")
    [copy] = installation.snapshots("two", JOB)
    [original] = installation.snapshots("one", JOB)
    assert copy["original"] == original["id"]
    assert copy["proof"]["level"] == "L0"
    status = json.loads(installation.run("status", "--json").stdout)["jobs"]
    assert {job["target"]: job["standing"] for job in status} == {"one": "ok", "two": "ok"}
    restic(Restic.DEBIAN, installation.place / "two", "check", "--read-data")


def test_a_copy_that_is_missed_is_made_up_for(installation: Installation) -> None:
    runs(installation)
    away = down(installation, "two")
    reports = runs(installation, status=24)
    assert [one["outcome"] for one in reports] == ["ok", "failed"]
    runs(installation, status=24)
    shutil.move(away, installation.place / "two")
    assert len(taken(installation, "two")) == 1
    reports = runs(installation)
    assert reports[1]["counters"]["snapshots_copied"] == 3
    assert taken(installation, "one") == taken(installation, "two")
    assert len(taken(installation, "two")) == 4


def test_only_what_the_retention_there_would_keep_is_made_up_for(installation: Installation) -> None:
    text = installation.config.read_text()
    installation.config.write_text(f"{text}\non.two.retention = {{ last = 2 }}\n")
    runs(installation)
    away = down(installation, "two")
    for _ in range(3):
        runs(installation, status=24)
    shutil.move(away, installation.place / "two")
    runs(installation)
    assert len(taken(installation, "one")) == 5
    assert taken(installation, "two") == [taken(installation, "one")[index] for index in (0, 3, 4)]


def test_the_next_target_takes_over_while_the_first_is_down(installation: Installation) -> None:
    away = down(installation, "one")
    reports = runs(installation, status=24)
    assert [(one["target"], one["kind"], one["outcome"]) for one in reports] == [
        ("one", "backup", "failed"),
        ("two", "backup", "ok"),
    ]
    shutil.move(away, installation.place / "one")
    runs(installation)
    assert taken(installation, "one") == taken(installation, "two")
    assert len(taken(installation, "one")) == 2


def test_no_target_at_all_is_the_first_ones_fault(installation: Installation) -> None:
    down(installation, "one")
    down(installation, "two")
    reports = runs(installation, status=10)
    assert [one["exit_code"] for one in reports] == [10, 10]


def test_one_target_alone_is_backed_up_to_directly(installation: Installation) -> None:
    done = drorch("-c", installation.config, "run", "homes", "-t", "two", "--json")
    [report] = [one for one in map(json.loads, done.stdout.splitlines()) if one.get("message_type") == "run"]
    assert (report["target"], report["kind"]) == ("two", "backup")
    assert taken(installation, "one") == []


def test_a_source_that_fails_copies_nothing(installation: Installation) -> None:
    shutil.rmtree(installation.place / "source")
    reports = runs(installation, status=32)
    assert {one["outcome"] for one in reports} == {"failed"}
    assert taken(installation, "one") == taken(installation, "two") == []


def test_targets_with_other_keys_and_polynomials_hold_the_same(installation: Installation) -> None:
    other = installation.place / "two"
    shutil.rmtree(other)
    restic(Restic.DEBIAN, other, "init", password=PASSWORD)
    runs(installation)
    drorch("-c", installation.config, "restore", "-t", "two", "latest:homes", "--to", installation.place / "back")
    restored = installation.place / "back" / str(installation.place / "source").lstrip("/")
    assert (restored / "file").read_text() == "content"
