"""drorch catalog rebuild: a lost catalog comes back, what does not is said, and a killed rebuild loses nothing."""

import shutil
import signal
import subprocess
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.model.launch import Launch, LaunchState, Pause, Work, WorkKind
from drorch.model.names import TargetName
from drorch.model.run import Trigger
from tests.cli.commandline import command_line, environment
from tests.cli.installation import Installation


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    """With two runs of its job, and a state on both targets."""
    made = Installation.make(tmp_path)
    made.run("run", "homes")
    (made.place / "source" / "file").write_text("other content")
    made.run("run", "homes")
    return made


def lose(installation: Installation, how: str) -> None:
    if how == "deleted":
        for path in installation.state.glob("catalog.sqlite*"):
            path.unlink()
    elif how == "emptied":
        installation.catalog.write_bytes(b"")
    elif how == "overwritten":
        installation.catalog.write_bytes(b"this is no database" * 1000)
    else:
        content = bytearray(installation.catalog.read_bytes())
        content[5000:30000] = bytes(25000)
        installation.catalog.write_bytes(content)


@pytest.mark.parametrize("how", ["deleted", "emptied", "overwritten", "damaged inside"])
def test_a_lost_catalog_is_read_back(installation: Installation, how: str) -> None:
    before = installation.runs()
    deeds = installation.rows("select seq, hash from audit")
    lose(installation, how)
    kept = installation.catalog.read_bytes() if installation.catalog.exists() else None
    [plan] = installation.said("catalog", "rebuild")
    assert plan["condition"] == ("missing" if how == "deleted" else "damaged")
    assert plan["dry_run"] is True
    [done] = installation.said("catalog", "rebuild", "--yes")
    assert installation.runs() == before
    assert set(deeds) < set(installation.rows("select seq, hash from audit"))
    assert done["state"]["snapshot_id"] == plan["state"]["snapshot_id"]
    assert any("audit log since" in lost for lost in done["lost"])
    assert done["alarms"] == []
    if kept is not None:
        assert Path(done["aside"]).read_bytes() == kept
    installation.run("run", "homes")
    assert len(installation.runs()) == len(before) + 2


def test_no_launch_is_under_way_in_a_catalog_that_was_read_back(installation: Installation) -> None:
    now = datetime.now(UTC)
    work = Work(WorkKind.JOB, "homes", "homes", (TargetName("one"),))
    queued = Launch("a" * 32, work, Trigger.HAND, now, now)
    running = replace(queued, id="b" * 32, state=LaunchState.RUNNING, started=now)
    ended = replace(running, id="c" * 32, state=LaunchState.OK, ended=now)
    paused = Pause("homes", now, "anna")
    with open_catalog(CatalogPlace(installation.state), upgrade) as catalog:
        for one in (queued, running, ended):
            catalog.launches.update(one)
        catalog.launches.pause(paused)
    installation.run("run", "homes")
    lose(installation, "deleted")
    installation.run("catalog", "rebuild", "--yes")
    with open_catalog(CatalogPlace(installation.state), upgrade) as catalog:
        found = {one.id[0]: one.state for one in catalog.launches.recent()}
        assert found == {"b": LaunchState.FAILED, "c": LaunchState.OK}
        assert catalog.launches.pauses(now) == [paused]


def test_a_configuration_that_a_rebuild_is_the_first_to_use_is_entered(installation: Installation) -> None:
    installation.configure("people")
    installation.run("catalog", "rebuild", "--yes")
    actions = [action for (action,) in installation.rows("select action from audit order by seq")]
    assert actions[-2:] == ["configuration changed", "catalog rebuild"]


def test_runs_after_the_last_state_are_said_to_be_lost(installation: Installation) -> None:
    installation.run("run", "homes")
    for path in installation.state.glob("catalog.sqlite*"):
        path.unlink()
    for target in ("one", "two"):
        newest = installation.snapshots(target, "drorch:job=@state")[-1]["id"]
        (installation.place / target / "snapshots" / newest).unlink()
    [done] = installation.said("catalog", "rebuild", "--yes")
    assert any(lost.startswith("2 snapshots are of later runs") for lost in done["lost"])


def test_records_in_the_spool_come_back_too(installation: Installation) -> None:
    lose(installation, "overwritten")
    installation.run("run", "homes")
    assert len(list((installation.state / "spool").glob("*.json"))) == 4
    [done] = installation.said("catalog", "rebuild", "--yes")
    assert done["replayed"] == 4
    assert len(installation.runs()) == 6


def test_a_sound_catalog_keeps_what_it_knows_and_path_history_is_derived(installation: Installation) -> None:
    (installation.state / "paths.sqlite").write_bytes(b"gone")
    before = installation.runs()
    [done] = installation.said("catalog", "rebuild", "--yes")
    # Two snapshots and their copies: paths are those of the snapshot, wherever it lies.
    assert (done["condition"], done["aside"], done["paths_of"]) == ("sound", None, 2)
    assert installation.runs() == before
    shown = installation.run("history", installation.place / "source" / "file").stdout
    assert b"7 B" in shown
    assert b"13 B" in shown


def run_ids(installation: Installation) -> set[str]:
    return {str(row[0]) for row in installation.rows("select id from run where job != '@state'")}


def test_a_catalog_that_was_begun_anew_takes_over_what_the_lost_one_knew(installation: Installation) -> None:
    before = run_ids(installation)
    shutil.rmtree(installation.state)
    done = installation.run("run", "homes")
    assert b"another catalog of web1" in done.stderr
    assert b"drorch catalog rebuild" in done.stderr
    findings = {one["kind"]: one["subject"] for one in installation.said("findings", "list")}
    assert findings["other-catalog"].startswith("@state@")
    anew = run_ids(installation)
    assert before
    assert anew
    assert not before & anew
    planned = installation.run("catalog", "rebuild").stdout
    assert b"another catalog of this host would be taken over" in planned

    installation.run("catalog", "rebuild", "--yes")
    assert before | anew <= run_ids(installation)
    assert installation.said("findings", "list") == []
    installation.run("audit", "verify")
    assert b"another catalog" not in installation.run("run", "homes").stderr
    planned = installation.run("catalog", "rebuild").stdout
    assert b"taken over" not in planned


def test_without_any_saved_state_the_rest_is_derived_and_the_loss_is_said(installation: Installation) -> None:
    for target in ("one", "two"):
        for state in installation.snapshots(target, "drorch:job=@state"):
            (installation.place / target / "snapshots" / state["id"]).unlink()
    lose(installation, "deleted")
    [done] = installation.said("catalog", "rebuild", "--yes")
    assert done["state"] is None
    assert any("no target holds a saved catalog" in lost for lost in done["lost"])
    assert len(installation.rows("select snapshot from known_snapshot")) == 4


def test_a_target_that_does_not_answer_is_said(installation: Installation) -> None:
    shutil.move(installation.place / "two", installation.place / "away")
    lose(installation, "deleted")
    [done] = installation.said("catalog", "rebuild", "--yes")
    assert "two" in done["silent"]
    assert done["state"]["target"] == "one"
    assert len(installation.rows("select snapshot from known_snapshot where target = 'two'")) > 0


@pytest.mark.parametrize("sign", ["catalog.sqlite.restored", "catalog.sqlite.*.aside", "paths.sqlite.new"])
def test_a_rebuild_that_is_killed_is_finished_by_the_next(installation: Installation, sign: str) -> None:
    before = installation.runs()
    for number in range(300):
        (installation.place / "source" / f"{number}").write_text(str(number))
    installation.run("run", "homes")
    lose(installation, "overwritten")
    with subprocess.Popen(
        command_line("-c", installation.config, "catalog", "rebuild", "--yes"),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        while child.poll() is None and not list(installation.state.glob(sign)):
            time.sleep(0.001)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert installation.catalog.exists()
    installation.run("run", "homes")
    installation.run("unlock", "-t", "one")
    installation.run("catalog", "rebuild", "--yes")
    assert installation.runs()[: len(before)] == before
    assert installation.rows("pragma integrity_check") == [("ok",)]
    assert b"content" not in installation.run("find", "file").stderr
    shown = installation.run("history", installation.place / "source" / "file").stdout
    assert b"13 B" in shown
