"""drorch status as an administrator meets it: one screen, and exit code 70 where something is overdue."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from drorch.catalog.record import Record, to_json
from drorch.model.run import Run, RunKind
from tests.cli.commandline import drorch, drorch_json
from tests.cli.scheduled import install

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def test_a_job_from_its_first_minute_to_the_day_it_is_overdue(tmp_path: Path) -> None:
    file = install(tmp_path)
    told = drorch("-c", file, "status").stdout.decode()
    assert "homes@one: it never ran; it is due" in told
    assert told.count("unknown") == 2
    os.utime(file, (LONG_AGO, LONG_AGO))
    told = drorch("-c", file, "status", status=70).stdout.decode()
    assert told.count("OVERDUE") == 2
    assert "homes@one: it never ran, and was due" in told
    drorch("-c", file, "run", "homes")
    headers, _, one, two = drorch("-c", file, "status").stdout.decode().splitlines()
    assert headers.split()[:3] == ["Job", "Target", "Standing"]
    assert one.split()[:4] == ["homes", "one", "ok", "ok,"]
    assert two.split()[:4] == ["homes", "two", "ok", "ok,"]
    assert "rpo 26h" in one
    assert "L0 " in one


def test_an_objective_that_is_exceeded_is_overdue(tmp_path: Path) -> None:
    file = install(tmp_path, rpo="1s")
    drorch("-c", file, "run", "homes", "-t", "one")
    time.sleep(1.1)
    told = json.loads(drorch("-c", file, "status", "-t", "one", "--json", status=70).stdout)
    [homes] = told["jobs"]
    assert (told["overdue"], homes["standing"], homes["rpo_seconds"]) == (True, "overdue", 1)
    assert "older than 1s" in homes["reasons"][0]


def test_json_tells_all_of_it(tmp_path: Path) -> None:
    file = install(tmp_path)
    drorch("-c", file, "run", "homes")
    told = drorch_json("-c", file, "status")
    assert (told["message_type"], told["host"], told["overdue"]) == ("status", "web1", False)
    assert (told["open_findings"], told["holds"], told["spooled_records"]) == ([], [], 0)
    one, _ = told["jobs"]
    assert (one["job"], one["target"], one["standing"], one["reasons"]) == ("homes", "one", "ok", [])
    assert one["last_run"]["outcome"] == "ok"
    assert one["last_run"]["snapshot_id"] == one["newest_snapshot"]["id"] == one["proof"]["snapshot"]
    assert (one["proof"]["level"], one["proof"]["scope"]) == ("L0", "full")
    assert (one["schedule"], one["next_due"][4:]) == ("0 0 1 1 *", "-01-01T00:00:00+00:00")
    assert 0 <= one["newest_snapshot"]["age_seconds"] < 60


def test_a_disabled_job_is_shown_as_such(tmp_path: Path) -> None:
    file = install(tmp_path)
    file.write_text(file.read_text() + "        enabled = false\n")
    os.utime(file, (LONG_AGO, LONG_AGO))
    told = drorch("-c", file, "status").stdout.decode()
    assert told.count("disabled") == 4


def test_a_snapshot_that_vanished_is_seen_here_with_its_hold(tmp_path: Path) -> None:
    file = install(tmp_path)
    drorch("-c", file, "run", "homes")
    one, _ = drorch_json("-c", file, "status")["jobs"]
    (tmp_path / "one" / "snapshots" / one["newest_snapshot"]["id"]).unlink()
    alarmed = drorch("-c", file, "snapshots", "-t", "one", status=13)
    assert b"alarm: one: snapshot" in alarmed.stderr
    assert b"alarm" not in drorch("-c", file, "snapshots", "-t", "one").stderr
    told = drorch("-c", file, "status", "-t", "one").stdout.decode()
    assert "homes@one: no snapshot is known" in told
    assert "1 open finding: snapshot-vanished" in told
    assert "on homes of web1" in told
    assert [hold["subject"] for hold in drorch_json("-c", file, "status")["holds"]] == ["homes of web1"]


def test_records_that_wait_and_files_that_are_none_are_mentioned(tmp_path: Path) -> None:
    file = install(tmp_path)
    drorch("-c", file, "status")
    spool = tmp_path / "state" / "spool"
    spool.mkdir(mode=0o700, exist_ok=True)
    run = Run("ab" * 16, "homes", RunKind.BACKUP, "web1", datetime.now(UTC))
    (spool / "20260101T000000-ab.json").write_text(to_json(Record(run)).replace(f'"{run.id}"', "null"))
    told = drorch("-c", file, "status")
    assert "1 record of runs could not be written to the catalog yet" in told.stdout.decode()
    assert drorch_json("-c", file, "status")["spooled_records"] == 1
    (spool / "20260101T000000-ab.json").write_text("{")
    told = drorch("-c", file, "status")
    assert b"could not be written" not in told.stdout
    assert told.stderr.startswith(b"spool: ")
