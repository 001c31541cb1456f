import os
from pathlib import Path

import pytest

from tests.cli.commandline import drorch, drorch_json, drorch_lines, fault_line, new_repository


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with an empty repository `r` and a source `src`."""
    new_repository(tmp_path / "r")
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "keep").write_text("keep\n")
    (tmp_path / "src" / "old.cache").write_text("cache\n")
    (tmp_path / "src" / "sub" / "big").write_bytes(bytes(5000))
    return tmp_path


def _names(place: Path) -> list[str]:
    return [node["path"] for node in drorch_lines("ls", "latest", "-r", "r", cwd=place)[1:]]


def test_a_second_backup_reads_nothing_again(place: Path) -> None:
    first = drorch_lines("backup", "src", "-r", "r", cwd=place)[-1]
    second = drorch_lines("backup", "src", "-r", "r", cwd=place)[-1]
    assert (first["message_type"], first["files_new"], first["total_files_processed"]) == ("summary", 3, 3)
    assert (second["files_unmodified"], second["data_blobs"], second["data_added"]) == (3, 0, 0)
    older, newer = drorch_json("snapshots", "-r", "r", cwd=place)
    assert (older["id"], newer["id"]) == (first["snapshot_id"], second["snapshot_id"])
    assert newer["parent"] == older["id"]
    again = drorch_lines("backup", "src", "-r", "r", "--force", cwd=place)[-1]
    assert (again["files_new"], again["data_blobs"]) == (3, 0)


def test_what_is_left_out(place: Path) -> None:
    (place / "patterns").write_text("# caches\n*.cache\n")
    drorch("backup", "src", "-r", "r", "--exclude-file", "patterns", "--exclude-larger-than", "4K", cwd=place)
    assert _names(place) == ["/src", "/src/keep", "/src/sub"]
    drorch("backup", "src", "-r", "r", "--iexclude", "*.CACHE", "-e", "/src/sub", cwd=place)
    assert "/src/old.cache" not in _names(place)


def test_a_dry_run_shows_what_is_left_out_and_saves_nothing(place: Path) -> None:
    shown = drorch("backup", "src", "-r", "r", "-n", "-v", "-e", "*.cache", cwd=place).stdout.decode().splitlines()
    assert sorted(line.split()[:2] for line in shown[:-1] if "src/" in line) == [
        ["excluded", str(place / "src" / "old.cache")],
        ["new", "/src/keep"],
        ["new", "/src/sub"],
        ["new", "/src/sub/big"],
    ]
    assert shown[-1].startswith("would save files: 2 new, 0 changed, 0 unmodified")
    assert drorch_json("snapshots", "-r", "r", cwd=place) == []
    lines = drorch_lines("backup", "src", "-r", "r", "-n", "-e", "*.cache", cwd=place)
    assert lines[-1] == {
        "message_type": "summary",
        "dry_run": True,
        "files_new": 2,
        "files_changed": 0,
        "files_unmodified": 0,
        "bytes_to_read": 5005,
    }


def test_paths_from_files(place: Path) -> None:
    (place / "list").write_bytes(b"src/keep\0src/sub\0")
    drorch("backup", "-r", "r", "--files-from-raw", "list", cwd=place)
    assert _names(place) == ["/src", "/src/keep", "/src/sub", "/src/sub/big"]
    drorch("backup", "-r", "r", "--files-from", "-", cwd=place, stdin=b"src/*.cache\n")
    assert _names(place) == ["/src", "/src/old.cache"]


def test_streams(place: Path) -> None:
    drorch("backup", "-r", "r", "--stdin", "--stdin-filename", "d/dump.sql", cwd=place, stdin=b"rows\n")
    assert drorch("dump", "latest", "/d/dump.sql", "-r", "r", cwd=place).stdout == b"rows\n"
    drorch("backup", "-r", "r", "--stdin-from-command", "--", "printf", "%s", "-x", cwd=place)
    assert drorch("dump", "latest", "/stdin", "-r", "r", cwd=place).stdout == b"-x"


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (["--stdin-from-command", "--", "sh", "-c", "echo rows; exit 3"], 31, "exited with status 3"),
        (["--stdin-from-command", "--", "/nowhere/dump"], 31, "/nowhere/dump"),
        (["--stdin-from-command"], 64, "no command"),
        (["--stdin"], 32, "the stream was empty"),
        (["empty"], 32, "is empty"),
        (["gone"], 32, "is missing"),
        (["src", "--min-files", "4"], 32, "at least 4"),
        (["src", "--min-bytes", "1M"], 32, "at least 1.000 MiB"),
        (["src", "--expect-mount", "src"], 32, "is not mounted"),
        (["src", "--parent", "abcd"], 64, "is no snapshot"),
        (["src", "--exclude", "["], 64, ""),
        (["src", "--dry-run", "--min-files", "0", "--parent", "ff"], 64, "is no snapshot"),
    ],
)
def test_what_leaves_no_snapshot(place: Path, arguments: list[str], status: int, part: str) -> None:
    (place / "empty").mkdir()
    assert part in fault_line(drorch("backup", "-r", "r", *arguments, status=status, cwd=place))
    assert drorch_json("snapshots", "-r", "r", cwd=place) == []


def test_what_cannot_be_read_is_named_and_the_rest_is_saved(place: Path) -> None:
    done = drorch("backup", "-r", "r", "src/keep", "src/gone\x1b", status=3, cwd=place)
    assert rb"src/gone\x1b" in done.stderr
    assert _names(place) == ["/src", "/src/keep"]


def test_what_the_snapshot_says_of_itself(place: Path) -> None:
    told = ["--host", "h", "--tag", "a,b", "--tag", "c", "--time", "2026-01-02T03:04:05+01:00"]
    drorch("backup", "-r", "r", "src", *told, "-e", "x", cwd=place, env={"TZ": "UTC"})
    (snapshot,) = drorch_json("snapshots", "-r", "r", cwd=place)
    assert (snapshot["hostname"], snapshot["tags"], snapshot["excludes"]) == ("h", ["a", "b", "c"], ["x"])
    assert snapshot["time"].startswith("2026-01-0")
    assert snapshot["program_version"].startswith("drorch ")
    assert snapshot.get("uid", 0) == os.getuid()


@pytest.mark.parametrize(("setting", "smaller"), [("off", False), ("auto", True), ("max", True)])
def test_data_is_compressed_as_asked(place: Path, setting: str, smaller: bool) -> None:
    (place / "src" / "text").write_text("the same line again\n" * 1000)
    summary = drorch_lines("backup", "src/text", "-r", "r", "--compression", setting, "--workers", "0", cwd=place)[-1]
    assert (summary["data_added_packed"] < 10_000) == smaller
