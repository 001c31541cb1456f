"""drorch run as an administrator meets it: a configuration, jobs, targets, and the worst exit code."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.cli.commandline import drorch, new_repository


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A configuration with a job on two targets, and one whose source is missing."""
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("content")
    (tmp_path / "password").write_text("geheim & <öffentlich>")
    (tmp_path / "password").chmod(0o600)
    for name in ("one", "two"):
        new_repository(tmp_path / name)
    (tmp_path / "jobs.toml").write_text(
        f"""
        [drorch]
        state_dir = "{tmp_path}/state"
        host = "web1"
        [targets.one]
        type = "local"
        path = "{tmp_path}/one"
        password = {{ file = "{tmp_path}/password" }}
        [targets.two]
        type = "local"
        path = "{tmp_path}/two"
        password = {{ file = "{tmp_path}/password" }}
        [jobs.homes]
        source = {{ type = "files", paths = ["{tmp_path}/source"] }}
        targets = ["one", "two"]
        [jobs.gone]
        source = {{ type = "files", paths = ["{tmp_path}/gone"] }}
        targets = ["one"]
        """
    )
    tmp_path.chmod(0o700)
    return tmp_path


def test_a_job_is_saved_to_all_its_targets_with_its_tag_and_host(place: Path) -> None:
    said = drorch("-c", place / "jobs.toml", "run", "homes").stdout.decode()
    assert said.count("homes@one: ok") == said.count("homes@two: ok") == 1
    for target in ("one", "two"):
        shown = drorch("-c", place / "jobs.toml", "snapshots", "-t", target, "--json").stdout
        snapshot, _state = json.loads(shown)
        assert (snapshot["hostname"], snapshot["tags"]) == ("web1", ["drorch:job=homes"])


def test_one_target_may_be_named(place: Path) -> None:
    said = drorch("-c", place / "jobs.toml", "run", "homes", "-t", "two").stdout.decode()
    assert "homes@one" not in said
    assert "homes@two: ok" in said


def test_several_jobs_exit_with_the_worst(place: Path) -> None:
    done = drorch("-c", place / "jobs.toml", "run", "homes", "gone", status=32)
    assert "gone@one" in done.stderr.decode()
    assert "homes@one: ok" in done.stdout.decode()


def test_a_damaged_catalog_fails_no_run(place: Path) -> None:
    drorch("-c", place / "jobs.toml", "run", "homes")
    (place / "state" / "catalog.sqlite").write_bytes(b"this is no database" * 1000)
    done = drorch("-c", place / "jobs.toml", "run", "homes", "-t", "one")
    assert "spool" in done.stderr.decode()
    jobs = [json.loads(path.read_text())["run"]["job"] for path in (place / "state" / "spool").glob("*.json")]
    assert sorted(jobs) == ["@state", "homes"]


def test_runs_by_hand_are_in_the_audit_log(place: Path) -> None:
    drorch("-c", place / "jobs.toml", "run", "homes", "-t", "one")
    with sqlite3.connect(place / "state" / "catalog.sqlite") as catalog:
        deeds = catalog.execute("select action, detail from audit order by seq").fetchall()
    catalog.close()
    assert any(action == "run" and '"homes"' in detail for action, detail in deeds)


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (("run", "nothing"), 4, 'no job "nothing"'),
        (("run", "homes", "-t", "three"), 4, "no target three"),
        (("run",), 64, "JOB"),
        (("snapshots", "-t", "three"), 4, 'no target "three"'),
        (("snapshots", "-t", "one", "--repo", "x"), 64, "contradict"),
    ],
)
def test_what_does_not_exist_is_said(place: Path, arguments: tuple[str, ...], status: int, part: str) -> None:
    done = drorch("-c", place / "jobs.toml", *arguments, status=status)
    assert part in done.stderr.decode()
    assert len(done.stderr.decode().splitlines()) == 1


def test_a_target_without_a_repository_says_how_to_make_one(place: Path) -> None:
    shutil.rmtree(place / "two")
    line = drorch("-c", place / "jobs.toml", "run", "homes", status=24).stderr.decode().strip()
    assert line.count("\n") == 0 and line.endswith("type: drorch init -t two")
    drorch("-c", place / "jobs.toml", *line.rpartition("drorch ")[2].split())
    drorch("-c", place / "jobs.toml", "run", "homes")


def test_a_repository_that_lost_its_keys_is_damaged_and_not_to_be_made_anew(place: Path) -> None:
    shutil.rmtree(place / "two" / "keys")
    done = drorch("-c", place / "jobs.toml", "-t", "two", "snapshots", status=13)
    assert b"keys folder" in done.stderr and b"init" not in done.stderr
