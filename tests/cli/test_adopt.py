"""drorch adopt: what restic saved becomes a job's history, and a renamed job keeps its own."""

from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import fault_line
from tests.cli.installation import Installation
from tests.restic import Restic, each_restic, restic, restic_json


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation.make(tmp_path)


def saved_by_restic(which: Restic, installation: Installation, *more: str) -> None:
    restic(which, installation.place / "one", "backup", installation.place / "source", "--host", "web1", *more)


def tags_of(snapshots: list[dict[str, Any]]) -> list[list[str]]:
    return [snapshot.get("tags") or [] for snapshot in snapshots]


@each_restic
def test_what_restic_saved_becomes_a_jobs_history(which: Restic, installation: Installation) -> None:
    one = installation.place / "one"
    saved_by_restic(which, installation, "--tag", "weekly")
    saved_by_restic(which, installation)
    restic(which, one, "backup", installation.config, "--host", "web1")
    saved_by_restic(which, installation, "--host", "elsewhere")
    before = restic_json(which, one, "snapshots")
    assert len(installation.said("adopt", "homes", "-t", "one")[0]["snapshots"]) == 2
    assert restic_json(which, one, "snapshots") == before
    [done] = installation.said("adopt", "homes", "-t", "one", "--yes")
    after = restic_json(which, one, "snapshots")
    assert sorted(tags_of(after)) == [[], [], ["drorch:job=homes"], ["weekly", "drorch:job=homes"]]
    was = {snapshot["id"]: snapshot["was"] for snapshot in done["snapshots"]}
    adopted = {snapshot["id"]: snapshot.get("original") for snapshot in after if snapshot.get("tags")}
    assert adopted == was
    restic(which, one, "check")
    assert b"alarm" not in installation.run("run", "homes").stderr
    assert installation.rows("select count(*) from finding") == [(0,)]


def test_adopting_what_the_catalog_knows_raises_no_alarm_and_keeps_proof(installation: Installation) -> None:
    saved_by_restic(Restic.DEBIAN, installation)
    installation.run("run", "homes", "-t", "one")
    known = "select hex(snapshot) from known_snapshot where job = ''"
    [(old,)] = installation.rows(known)
    [done] = installation.said("adopt", "homes", "-t", "one", "--yes")
    assert [snapshot["was"] for snapshot in done["snapshots"]] == [old.lower()]
    assert installation.rows(known) == []
    new = done["snapshots"][0]["id"]
    assert (new, 0) in installation.rows("select lower(hex(snapshot)), level from proof")
    assert b"alarm" not in installation.run("run", "homes", "-t", "one").stderr
    assert installation.rows("select count(*) from finding") == [(0,)]
    assert installation.rows("select count(*) from audit where action = 'adopt'") == [(1,)]


def test_a_renamed_job_keeps_its_history(installation: Installation) -> None:
    installation.run("run", "homes")
    installation.configure("people")
    installation.run("adopt", "people", "--from-job", "homes", "--yes")
    for target in ("one", "two"):
        assert len(installation.snapshots(target, "drorch:job=people")) == 1
        assert installation.snapshots(target, "drorch:job=homes") == []
    assert {job for job, _, _ in installation.runs()} == {"people"}
    actions = [action for (action,) in installation.rows("select action from audit order by seq")]
    assert actions == ["run", "run", "configuration changed", "adopt", "adopt"]
    assert b"alarm" not in installation.run("run", "people").stderr
    assert installation.rows("select count(*) from finding") == [(0,)]


def test_an_adoption_that_died_before_the_old_file_went_is_finished(installation: Installation) -> None:
    saved_by_restic(Restic.DEBIAN, installation)
    snapshots = installation.place / "one" / "snapshots"
    [old] = snapshots.iterdir()
    content = old.read_bytes()
    installation.run("adopt", "homes", "-t", "one", "--yes")
    old.write_bytes(content)
    assert len(list(snapshots.iterdir())) == 2
    installation.run("adopt", "homes", "-t", "one", "--yes")
    [left] = installation.snapshots("one", "drorch:job=homes")
    assert [path.name for path in snapshots.iterdir()] == [left["id"]]


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (("nothing",), 4, 'no job "nothing"'),
        (("homes", "-t", "three"), 4, "no target three"),
        (("homes", "--from-job", "homes"), 64, "still in"),
        (("homes", "--from-job", "@state"), 64, "not the name of a job"),
    ],
)
def test_what_makes_no_sense_is_said(
    installation: Installation, arguments: tuple[str, ...], status: int, part: str
) -> None:
    assert part in fault_line(installation.run("adopt", *arguments, "--yes", status=status))
