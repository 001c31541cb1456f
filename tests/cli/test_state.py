"""What only drorch knows lies on every target after every run, without a secret in it."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.commandline import PASSWORD, drorch
from tests.cli.installation import Installation

STATE = "drorch:job=@state"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path)


def test_every_run_saves_the_state_to_the_targets_it_touched(installation: Installation, tmp_path: Path) -> None:
    installation.run("run", "homes", "-t", "one")
    assert len(installation.snapshots("one", STATE)) == 1
    assert installation.snapshots("two", STATE) == []
    [state] = installation.snapshots("one", STATE)
    assert (state["hostname"], state["paths"]) == ("web1", ["/drorch"])
    installation.run("restore", state["id"], "-t", "one", "--to", tmp_path / "out")
    out = tmp_path / "out" / "drorch"
    assert sorted(path.name for path in out.iterdir()) == ["audit-head.json", "catalog.sqlite", "jobs.toml", "spool"]
    assert (out / "jobs.toml").read_bytes() == installation.config.read_bytes()
    with closing(sqlite3.connect(out / "catalog.sqlite")) as catalog:
        assert catalog.execute("select job, outcome from run where job = 'homes'").fetchall() == [("homes", "ok")]
        seq, digest = catalog.execute("select seq, hash from audit order by seq desc limit 1").fetchone()
    assert json.loads((out / "audit-head.json").read_text()) == {"seq": seq, "hash": digest.hex()}
    assert all(PASSWORD.encode() not in path.read_bytes() for path in out.iterdir() if path.is_file())


def test_the_state_can_be_asked_for_by_name(installation: Installation) -> None:
    runs = installation.said("run", "@state")
    assert [(run["job"], run["target"], run["outcome"]) for run in runs] == [
        ("@state", "one", "ok"),
        ("@state", "two", "ok"),
    ]
    assert len(installation.snapshots("two", STATE)) == 1


def test_a_state_that_cannot_be_saved_is_told_and_fails_no_run(installation: Installation) -> None:
    installation.run("run", "homes")
    installation.catalog.write_bytes(b"this is no database" * 1000)
    done = installation.run("run", "homes")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert b"catalog rebuild" in done.stderr
    assert b"spool" in done.stderr


def test_a_target_that_was_not_reached_is_not_tried_again(installation: Installation) -> None:
    shutil.move(installation.place / "two", installation.place / "away")
    done = drorch("-c", installation.config, "run", "homes", status=24)
    assert done.stderr.decode().count("@two") == 1
    assert b"only drorch knows" not in done.stderr
    assert len(installation.snapshots("one", STATE)) == 1
