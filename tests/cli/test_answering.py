"""Findings, holds and the audit log, as those meet them who answer for them."""

import os
import sqlite3
from pathlib import Path

import pytest

from drorch.app import findings as app
from drorch.app.audit import entries
from drorch.app.configuration import load
from drorch.clock import SystemClock
from drorch.model.audit import Deed
from drorch.model.hold import Lineage
from tests.cli.commandline import drorch, drorch_json, drorch_lines, fault_line
from tests.cli.homes import install


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An installation with a source that is gone, so that its runs fail."""
    config = install(tmp_path)
    (tmp_path / "source").rename(tmp_path / "elsewhere")
    return config


def failed(file: Path) -> str:
    """Let a run fail; the id of its finding."""
    drorch("-c", file, "run", "homes", "-t", "one", status=32)
    (finding,) = drorch_lines("-c", file, "findings", "list")
    return str(finding["id"])


def deeds(file: Path) -> list[Deed]:
    return [entry.deed for entry in entries(load(str(file)))]


def tamper(file: Path, statement: str) -> None:
    """Change the log as somebody would who may write the database."""
    with sqlite3.connect(file.parent / "state" / "catalog.sqlite") as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("DROP TRIGGER audit_no_delete")
        connection.execute(statement)
    connection.close()


def hold_some(file: Path, count: int) -> None:
    with app.desk(load(str(file)), SystemClock()) as desk:
        for number in range(count):
            desk.hold(Lineage("web1", "homes"), f"reason {number}")


def test_a_finding_is_answered_for_until_it_is_closed(file: Path) -> None:
    finding = failed(file)
    said = drorch("-c", file, "findings", "assign", finding[:6], "anna").stdout.decode()
    assert said.startswith(f"finding {finding[:8]}: acknowledged, answered for by anna: homes@one: ")
    drorch("-c", file, "findings", "comment", finding[:6], "looking at \x1b[2J it")
    (one,) = drorch_lines("-c", file, "findings", "list")
    assert (one["state"], one["assignee"], one["kind"]) == ("acknowledged", "anna", "run-failed")
    shown = drorch("-c", file, "findings", "list", "-v").stdout.decode()
    assert r"looking at \x1b[2J it" in shown
    closed = drorch_json("-c", file, "findings", "close", finding[:6], "mended")
    assert (closed["state"], closed["comments"][-1]["text"]) == ("closed", "mended")
    assert drorch_lines("-c", file, "findings", "list") == []
    assert [one["id"] for one in drorch_lines("-c", file, "findings", "list", "--all")] == [finding]
    for again in (("ack", finding), ("assign", finding, "bert"), ("close", finding)):
        assert "is closed" in fault_line(drorch("-c", file, "findings", *again, status=60))
    drorch("-c", file, "findings", "comment", finding, "and it stayed well")


def test_seeing_a_finding_and_giving_one_back(file: Path) -> None:
    finding = failed(file)
    assert drorch_json("-c", file, "findings", "ack", finding[:4])["state"] == "acknowledged"
    drorch("-c", file, "findings", "assign", finding, "anna")
    given_back = drorch_json("-c", file, "findings", "assign", finding, "")
    assert (given_back["assignee"], given_back["state"]) == (None, "open")


def test_a_finding_that_is_not_there_changes_nothing(file: Path) -> None:
    failed(file)
    before = deeds(file)
    assert "there is no finding zz" in fault_line(drorch("-c", file, "findings", "ack", "zz", status=60))
    assert deeds(file) == before


def test_what_is_done_about_findings_and_holds_is_in_the_audit_log(file: Path) -> None:
    finding = failed(file)
    drorch("-c", file, "findings", "ack", finding)
    drorch("-c", file, "findings", "assign", finding, "anna")
    drorch("-c", file, "findings", "comment", finding, "words")
    drorch("-c", file, "findings", "close", finding)
    hold = drorch_json("-c", file, "hold", "set", "--job", "homes", "--reason", "r")["id"]
    drorch("-c", file, "hold", "release", hold[:8])
    actions = [deed.action for deed in deeds(file)]
    assert actions == [
        "run", "findings ack", "findings assign", "findings comment", "findings close", "hold set", "hold release",
    ]  # fmt: skip
    assert {deed.detail.get("finding", finding) for deed in deeds(file)} == {finding}
    assert deeds(file)[-1].detail["hold"] == hold


def test_a_job_is_held_until_it_is_released(file: Path) -> None:
    held = drorch_json("-c", file, "hold", "set", "--job", "homes", "--reason", "a lawsuit")
    assert (held["job"], held["host"], held["snapshot"], held["reason"]) == ("homes", "web1", None, "a lawsuit")
    assert [one["id"] for one in drorch_lines("-c", file, "hold", "list")] == [held["id"]]
    assert b"homes of web1" in drorch("-c", file, "hold", "list").stdout
    assert drorch_json("-c", file, "hold", "release", held["id"][:6])["released"] is not None
    assert drorch_lines("-c", file, "hold", "list") == []
    assert len(drorch_lines("-c", file, "hold", "list", "--all")) == 1
    assert "was released by" in fault_line(drorch("-c", file, "hold", "release", held["id"], status=60))


def test_a_snapshot_is_held_by_the_beginning_of_its_id(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").rename(tmp_path / "source")
    drorch("-c", file, "run", "homes", "-t", "one")
    snapshot = drorch_json("-c", file, "snapshots", "-t", "one", "latest:homes")[0]["id"]
    assert drorch_json("-c", file, "hold", "set", "--snapshot", snapshot[:8], "--reason", "r")["snapshot"] == snapshot
    unknown = fault_line(drorch("-c", file, "hold", "set", "--snapshot", "0123", "--reason", "r", status=64))
    assert "'0123' is no snapshot the catalog knows" in unknown
    drorch("-c", file, "hold", "set", "--snapshot", "ab" * 32, "--reason", "of another catalog")


@pytest.mark.parametrize(
    "options",
    [
        ("--reason", "r"),
        ("--job", "homes"),
        ("--job", "homes", "--snapshot", "ab", "--reason", "r"),
        ("--snapshot", "ab", "--host", "web1", "--reason", "r"),
        ("--job", "homes", "--reason", " "),
        ("--job", "nobody-knows", "--reason", "r"),
        ("--job", "homes", "--host", "web9", "--reason", "r"),
    ],
)
def test_a_hold_that_means_nothing_is_refused(file: Path, options: tuple[str, ...]) -> None:
    drorch("-c", file, "hold", "set", *options, status=64)
    assert drorch_lines("-c", file, "hold", "list") == []
    assert deeds(file) == []


def test_what_is_done_by_hand_to_a_target_is_in_the_audit_log(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").rename(tmp_path / "source")
    (tmp_path / "one").rename(tmp_path / "old")
    drorch("-c", file, "init", "-t", "one")
    drorch("-c", file, "run", "homes", "-t", "one")
    drorch("-c", file, "check", "-t", "one")
    drorch("-c", file, "restore", "-t", "one", "latest:homes", "--to", tmp_path / "back")
    drorch("-c", file, "restore", "-t", "one", "latest:homes", "--to", tmp_path / "back", "--dry-run")
    drorch("-c", file, "unlock", "-t", "one")
    drorch("-c", file, "unlock", "-t", "one", "--remove-all")
    told = deeds(file)
    assert [deed.action for deed in told] == ["init", "run", "check", "restore", "unlock --remove-all"]
    assert {deed.detail["target"] for deed in told} == {"one"}
    assert told[3].detail["to"] == str(tmp_path / "back")
    assert len({deed.detail["configuration"] for deed in told}) == 1
    assert all(deed.user and deed.uid == os.getuid() for deed in told)


@pytest.mark.usefixtures("file")
def test_without_a_configured_target_nothing_is_written(tmp_path: Path) -> None:
    for verb in (("check",), ("unlock", "--remove-all")):
        drorch("--repo", tmp_path / "one", *verb, cwd=tmp_path)
    drorch("--repo", tmp_path / "three", "init", cwd=tmp_path)
    assert not (tmp_path / "state").exists()


def test_a_changed_configuration_is_noticed_by_its_hash_and_once(file: Path) -> None:
    unlock = ("-c", file, "unlock", "-t", "one", "--remove-all")
    drorch(*unlock)
    file.write_text(file.read_text() + "\n# only a remark\n")
    drorch(*unlock)
    file.write_text(file.read_text().replace('rpo = "26h"', 'rpo = "27h"'))
    hold_some(file, 1)
    drorch(*unlock)
    told = deeds(file)
    actions = [deed.action for deed in told]
    assert actions == [
        "unlock --remove-all", "unlock --remove-all", "configuration changed", "hold set", "unlock --remove-all",
    ]  # fmt: skip
    before, after = told[0].detail["configuration"], told[4].detail["configuration"]
    assert before != after
    assert told[2].detail == {"before": before, "configuration": after}


def test_a_deed_is_done_where_it_cannot_be_written_down_and_that_is_told(file: Path, tmp_path: Path) -> None:
    hold_some(file, 1)
    (tmp_path / "state" / "catalog.sqlite").write_bytes(b"not a database" * 1000)
    done = drorch("-c", file, "unlock", "-t", "one", "--remove-all")
    assert b"removed 0 locks" in done.stdout
    assert b"warning: catalog: " in done.stderr


def test_the_log_is_listed_since_and_by_number(file: Path) -> None:
    hold_some(file, 3)
    assert [entry["seq"] for entry in drorch_lines("-c", file, "audit", "list", "--limit", "2")] == [2, 3]
    assert drorch_lines("-c", file, "audit", "list", "--since", "2999-01-01") == []
    assert len(drorch_lines("-c", file, "audit", "list", "--since", "2001-01-01")) == 3
    shown = drorch("-c", file, "audit", "list").stdout.decode().splitlines()
    assert (len(shown), shown[0].split()) == (5, ["No", "Time", "User", "Terminal", "Action", "With"])


def test_an_unbroken_log_says_where_it_ends(file: Path) -> None:
    hold_some(file, 2)
    told = drorch_json("-c", file, "audit", "verify")
    assert (told["sound"], told["broken"], told["entries"]) == (True, None, 2)
    drorch("-c", file, "audit", "verify", "--anchor", told["head"])
    assert told["head"] in drorch("-c", file, "audit", "verify").stdout.decode()
    for wrong in ("2", "2:zz", "x:" + 64 * "0"):
        drorch("-c", file, "audit", "verify", "--anchor", wrong, status=64)


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE audit SET username = 'mallory' WHERE seq = 2", 2),
        ("UPDATE audit SET detail = '{}' WHERE seq = 3", 3),
        ("DELETE FROM audit WHERE seq = 1", 1),
    ],
)
def test_a_changed_row_is_named(file: Path, statement: str, seq: int) -> None:
    hold_some(file, 3)
    tamper(file, statement)
    told = drorch("-c", file, "audit", "verify", status=71).stdout.decode()
    assert told.startswith(f"broken at entry {seq}: ")


def test_a_row_that_cannot_be_read_breaks_the_chain(file: Path) -> None:
    hold_some(file, 2)
    tamper(file, "UPDATE audit SET detail = 'nonsense' WHERE seq = 2")
    assert drorch("-c", file, "audit", "verify", status=71).stdout == b"broken at entry 2: it cannot be read\n"
    assert "Type: drorch audit verify" in fault_line(drorch("-c", file, "audit", "list", status=60))
    hold_some(file, 1)
    assert len(drorch_lines("-c", file, "hold", "list")) == 3


def test_a_cut_off_end_is_found_by_the_end_that_was_noted(file: Path) -> None:
    hold_some(file, 3)
    anchor = drorch_json("-c", file, "audit", "verify")["head"]
    tamper(file, "DELETE FROM audit WHERE seq = 3")
    drorch("-c", file, "audit", "verify")
    told = drorch("-c", file, "audit", "verify", "--anchor", anchor, status=71).stdout.decode()
    assert told == "broken at entry 3: the log ends here, but entry 3 was noted elsewhere\n"
    contradicting = f"2:{'00' * 32}", f"2:{'11' * 32}"
    drorch("-c", file, "audit", "verify", "--anchor", contradicting[0], "--anchor", contradicting[1], status=71)


def test_a_cut_off_end_is_found_by_the_end_that_travelled_to_a_target(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").rename(tmp_path / "source")
    hold_some(file, 2)
    drorch("-c", file, "run", "homes", "-t", "one")
    (tmp_path / "two").rename(tmp_path / "away")
    done = drorch("-c", file, "audit", "verify", "--ask-targets")
    assert b"held against 1 anchor," in done.stdout
    assert b"target two: " in done.stderr
    tamper(file, "DELETE FROM audit WHERE seq >= 2")
    drorch("-c", file, "audit", "verify", "--ask-targets", status=71)
