"""Proof as an administrator gathers it: by checks and restores of a configured target, and by nothing else."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import drorch, drorch_json
from tests.cli.scheduled import install


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose job ran once; copied for each test."""
    file = install(tmp_path_factory.mktemp("proof"))
    drorch("-c", file, "run", "homes")
    return file


@pytest.fixture
def file(saved: Path, tmp_path: Path) -> Path:
    shutil.copytree(saved.parent, tmp_path, dirs_exist_ok=True)
    copied = tmp_path / "jobs.toml"
    copied.write_text(saved.read_text().replace(str(saved.parent), str(tmp_path)))
    tmp_path.chmod(0o700)
    return copied


def homes(file: Path, target: str = "one") -> dict[str, Any]:
    """The snapshot of job homes on a target, as listed."""
    [found] = drorch_json("-c", file, "snapshots", "-t", target, "--tag", "drorch:job=homes")
    return dict(found)


def level(file: Path, target: str = "one") -> str:
    return str(homes(file, target)["proof"]["level"])


def told(file: Path, query: str) -> list[tuple[Any, ...]]:
    catalog = sqlite3.connect(file.parent / "state" / "catalog.sqlite")
    try:
        return catalog.execute(query).fetchall()
    finally:
        catalog.close()


def test_checks_raise_the_level_of_what_they_looked_at(file: Path) -> None:
    assert level(file) == "L0"
    drorch("-c", file, "check", "-t", "one")
    assert (level(file), level(file, "two")) == ("L1", "L0")
    drorch("-c", file, "check", "-t", "one", "--read-data")
    shown = drorch("-c", file, "snapshots", "-t", "one").stdout.decode().splitlines()
    assert shown[0].split()[-1] == "Proof"
    assert all("L2 " in line for line in shown[2:])
    status = {job["target"]: job for job in drorch_json("-c", file, "status")["jobs"]}
    assert [status[target]["proof"]["level"] for target in ("one", "two")] == ["L2", "L0"]
    runs = told(file, "select kind, target, outcome from run where kind = 'check'")
    assert runs == [("check", "one", "ok")] * 2
    assert told(file, "select count(*) from audit where action = 'check'") == [(2,)]


def test_a_repository_that_no_configuration_names_is_shown_without_proof(file: Path) -> None:
    shown = drorch("-r", file.parent / "one", "snapshots").stdout.decode()
    assert "Proof" not in shown
    drorch("-r", file.parent / "one", "check")
    assert level(file) == "L0"


def test_damage_becomes_a_finding_that_a_clean_check_closes(file: Path) -> None:
    drorch("-c", file, "check", "-t", "one", "--read-data")
    pack = next(path for path in (file.parent / "one" / "data").rglob("*") if path.is_file())
    away = file.parent / "away"
    pack.rename(away)
    drorch("-c", file, "check", "-t", "one", status=13)
    [finding] = drorch_json("-c", file, "status")["open_findings"]
    assert (finding["kind"], finding["subject"]) == ("damage", "one")
    assert told(file, "select outcome from run where kind = 'check' order by started desc")[0] == ("failed",)
    away.rename(pack)
    drorch("-c", file, "check", "-t", "one")
    assert drorch_json("-c", file, "status")["open_findings"] == []


def test_a_full_restore_proves_that_all_of_a_snapshot_could_be_read(file: Path) -> None:
    restore = ("-c", file, "restore", homes(file)["id"], "-t", "one", "--to", file.parent / "back")
    drorch(*restore)
    assert level(file) == "L2"
    assert told(file, "select outcome from run where kind = 'restore'") == [("ok",)]
    [[detail]] = told(file, "select detail from audit where action = 'restore'")
    assert json.loads(detail)["to"] == str(file.parent / "back")


@pytest.mark.parametrize("part", [("--include", "notes.txt"), ("--exclude", "notes.txt"), ("--dry-run",)])
def test_a_restore_of_a_part_proves_nothing(file: Path, part: tuple[str, ...]) -> None:
    drorch("-c", file, "restore", homes(file)["id"], "-t", "one", "--to", file.parent / "back", *part)
    assert level(file) == "L0"


def test_a_restore_of_a_folder_or_over_what_is_there_proves_nothing(file: Path, saved: Path) -> None:
    snapshot, back = homes(file)["id"], file.parent / "back"
    folder = f"{snapshot}:{saved.parent / 'source'}"
    drorch("-c", file, "restore", folder, "-t", "one", "--to", file.parent / "folder")
    drorch("-r", file.parent / "one", "restore", snapshot, "--to", back)
    drorch("-c", file, "restore", snapshot, "-t", "one", "--to", back)
    assert level(file) == "L0"
    assert told(file, "select outcome from run where kind = 'restore'") == [("ok",)] * 2


def test_a_snapshot_that_vanished_fails_a_check_that_finds_nothing_else(file: Path) -> None:
    (file.parent / "one" / "snapshots" / homes(file)["id"]).unlink()
    done = drorch("-c", file, "check", "-t", "one", status=13)
    assert b"alarm: one: snapshot" in done.stderr
    assert b"no errors were found" in done.stdout
    drorch("-c", file, "check", "-t", "one")


def test_a_catalog_that_cannot_be_written_does_not_keep_a_check_from_being_made(file: Path) -> None:
    (file.parent / "state" / "catalog.sqlite").unlink()
    done = drorch("-c", file, "check", "-t", "one")
    assert b"no errors were found" in done.stdout
    assert b"warning: catalog: " in done.stderr
    assert b"Proof" in drorch("-c", file, "snapshots", "-t", "one").stdout
