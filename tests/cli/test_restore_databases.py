"""drorch restore of what is no file: which of its options fit together, what it needs, and what it leaves behind."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import drorch, drorch_json, drorch_lines, fault_line
from tests.cli.homes import install

DUMP = "first\nsecond\n" * 1000


_LOAD = """#!/bin/sh
cd "$(dirname "$0")"
cat > loaded
if test -e broken; then echo it is broken >&2; exit 7; fi
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose jobs ran once; job ldap has a command that loads, job wiki has no way back."""
    folder = tmp_path_factory.mktemp("databases")
    (folder / "directory").write_text(DUMP)
    (folder / "load").write_text(_LOAD)
    (folder / "load").chmod(0o755)
    dump = f'type = "command", dump = ["/bin/cat", "{folder}/directory"], filename = "directory.ldif"'
    file = install(
        folder,
        extra=f"""
        [jobs.ldap]
        source = {{ {dump}, restore = ["{folder}/load"] }}
        targets = ["one"]
        [jobs.wiki]
        source = {{ type = "command", dump = ["/bin/echo", "pages"] }}
        targets = ["one"]
        """,
    )
    drorch("-c", file, "run", "ldap", "wiki", "homes", "-t", "one")
    return file


@pytest.fixture
def file(saved: Path, tmp_path: Path) -> Path:
    """A copy of it, for one test."""
    shutil.copytree(saved.parent, tmp_path, dirs_exist_ok=True)
    copied = tmp_path / "jobs.toml"
    copied.write_text(saved.read_text().replace(str(saved.parent), str(tmp_path)))
    tmp_path.chmod(0o700)
    return copied


def rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    """What the catalog answers in plain SQL."""
    with closing(sqlite3.connect(file.parent / "state" / "catalog.sqlite")) as catalog:
        return catalog.execute(query).fetchall()


def restore(file: Path, *arguments: str, status: int = 0) -> str:
    """What `drorch restore` prints; where it is to fail, the one line that says why."""
    done = drorch("-c", file, "restore", "-t", "one", *arguments, status=status)
    return done.stdout.decode() if status == 0 else fault_line(done)


def test_what_a_command_printed_is_fed_to_the_command_that_loads_it(file: Path) -> None:
    shown = restore(file, "latest:ldap", "--in-place", "--dry-run")
    assert f"on command {file.parent}/load" in shown
    assert "directory.ldif  12.695 KiB" in shown
    assert not (file.parent / "loaded").exists()
    said = restore(file, "latest:ldap", "--in-place")
    assert (file.parent / "loaded").read_text() == DUMP
    assert "restored directory.ldif" in said
    assert "could not be compared with the facts recorded at backup:\n  nothing is known of what" in said
    assert "agrees" not in said


def test_a_restore_is_written_down(file: Path) -> None:
    restore(file, "latest:ldap", "--in-place")
    [(outcome, target, counters)] = rows(file, "select outcome, target, counters from run where kind = 'restore'")
    assert (outcome, target) == ("ok", "one")
    assert json.loads(counters)["databases_restored"] == 1
    assert json.loads(counters)["databases_compared"] == 0
    [(detail,)] = rows(file, "select detail from audit where action = 'restore'")
    assert {"job": "ldap", "kind": "command", "target": "one"}.items() <= json.loads(detail).items()


def test_a_command_that_fails_is_a_failed_restore_that_is_written_down(file: Path) -> None:
    (file.parent / "broken").touch()
    line = restore(file, "latest:ldap", "--in-place", status=40)
    assert "exited with status 7; it said: it is broken" in line
    assert rows(file, "select outcome from run where kind = 'restore'") == [("failed",)]


def test_another_part_of_the_snapshot_can_be_named(file: Path) -> None:
    restore(file, "latest:ldap:/directory.ldif", "--in-place")
    assert (file.parent / "loaded").read_text() == DUMP
    assert "not in this snapshot" in restore(file, "latest:ldap:/gone", "--in-place", status=64)


def test_the_way_back_of_another_job_can_be_taken(file: Path) -> None:
    drorch(
        *("-c", file, "backup", "-t", "one", "--stdin", "--stdin-filename", "directory.ldif", "--tag", "byhand"),
        stdin=b"by hand",
    )
    line = restore(file, "latest", "--tag", "byhand", "--in-place", status=64)
    assert "does not say whose it is" in line
    assert "--using JOB" in line
    restore(file, "latest", "--tag", "byhand", "--in-place", "--using", "ldap")
    assert (file.parent / "loaded").read_text() == "by hand"


def test_without_a_way_back_it_is_said_what_else_can_be_done(file: Path) -> None:
    line = restore(file, "latest:wiki", "--in-place", status=64)
    assert "job wiki has no command that restores" in line
    assert "--to DIR" in line


def test_the_dump_can_be_had_as_a_file_too(file: Path) -> None:
    restore(file, "latest:ldap", "--to", str(file.parent / "out"))
    assert (file.parent / "out" / "directory.ldif").read_text() == DUMP


def test_json_says_that_nothing_was_compared(file: Path) -> None:
    told = drorch_json("-c", file, "restore", "-t", "one", "latest:ldap", "--in-place", "--dry-run", "-q")
    assert told["dry_run"]
    assert told["parts"] == [{"name": "directory.ldif", "size": len(DUMP)}]
    done = drorch_lines("-c", file, "restore", "-t", "one", "latest:ldap", "--in-place")[-1]
    assert (done["kind"], done["compared"], done["agrees"]) == ("command", False, None)
    assert done["bytes_read"] == len(DUMP)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "it is not said where to restore to"),
        (["--to", "out", "--into", "shop"], "--to and --into contradict each other"),
        (["--into", "shop", "--in-place"], "--into and --in-place contradict each other"),
        (["--into", ""], "--into names no database"),
        (["--into", "shop", "--delete"], "--delete is for files, --into is not"),
        (["--in-place", "--include", "x"], "--include is for files, --in-place is not"),
        (["--to", "out", "--table", "x"], "--table is for a database, --to is not"),
        (["--to", "out", "--using", "ldap"], "--using is for a database, --to is not"),
        (["--in-place", "--overwrite", "if-newer"], "--overwrite if-newer is for files"),
        (["--in-place", "--jobs", "0"], "--jobs"),
    ],
)
def test_what_contradicts_itself_is_told_in_one_line(file: Path, arguments: list[str], said: str) -> None:
    line = restore(file, "latest:ldap", *arguments, status=64)
    assert said in line
    assert not (file.parent / "loaded").exists()


def test_files_are_not_loaded_into_a_server(file: Path) -> None:
    line = restore(file, "latest:homes", "--into", "shop", status=64)
    assert "job homes saves files, no database" in line
    assert "--to DIR" in line


def test_a_command_cannot_be_told_a_name(file: Path) -> None:
    line = restore(file, "latest:ldap", "--into", "shop", status=40)
    assert "cannot be told a name" in line
    assert "nothing was touched" in line
    done = drorch(
        "-c", file, "restore", "-t", "one", "latest:ldap", "--into", "shop", "--only", "x", "--dry-run", status=40
    )
    assert len(done.stderr.splitlines()) == 3
    assert b"2 things stand in the way" in done.stderr
    assert not (file.parent / "loaded").exists()


def test_a_job_that_is_gone_is_told(file: Path) -> None:
    assert 'no job "gone"' in restore(file, "latest:ldap", "--in-place", "--using", "gone", status=4)


def test_without_a_configuration_it_is_said_how_else(file: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    done = drorch(
        "-r", file.parent / "one", "restore", "latest", "--into", "shop", cwd=tmp_path / "elsewhere", status=4
    )
    line = fault_line(done)
    assert "there is no configuration" in line
    assert "docs/DATABASES.md" in line


def test_a_repository_that_is_named_by_its_url_is_restored_from_too(file: Path) -> None:
    drorch("-c", file, "-r", file.parent / "one", "restore", "latest:ldap", "--in-place")
    assert (file.parent / "loaded").read_text() == DUMP
    assert rows(file, "select target from run where kind = 'restore'") == [("",)]
    assert [job["job"] for job in drorch_json("-c", file, "status")["jobs"]].count("ldap") == 1
