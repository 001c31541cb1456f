"""Each command on a real repository, as people and as programs read it."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from tests.cli.commandline import drorch, drorch_json, drorch_lines, fault_line, new_repository

HOSTILE = b"\x1b[31mred\x07\xe2\x80\xae\xff\n"


@pytest.fixture
def story(tmp_path: Path) -> Path:
    """A folder with a repository `r` of two snapshots of `src`, the second tagged; a hostile name is in both."""
    new_repository(tmp_path / "r")
    source = tmp_path / "src"
    (source / "sub").mkdir(parents=True)
    (source / "a").write_text("first\n")
    (source / "sub" / "b").write_text("b\n")
    Path(bytes(source).decode() + "/" + HOSTILE.decode("utf-8", "surrogateescape")).touch()
    drorch("-r", "r", "backup", "src", "--host", "one", cwd=tmp_path)
    (source / "a").write_text("second, longer\n")
    (source / "sub" / "new").write_text("new\n")
    drorch("-r", "r", "backup", "src", "--host", "two", "--tag", "x,y", cwd=tmp_path)
    return tmp_path


def test_init_makes_a_repository_and_refuses_a_second(tmp_path: Path) -> None:
    made = drorch_json("init", "-r", tmp_path / "r")
    assert (made["message_type"], made["repository"], len(made["id"])) == ("initialized", str(tmp_path / "r"), 64)
    assert "already" in fault_line(drorch("init", "-r", tmp_path / "r", status=1))
    drorch("init", "-r", tmp_path / "old", "--repository-version", "1", "--like", tmp_path / "r")
    assert drorch_json("snapshots", "-r", tmp_path / "old") == []


def test_init_like_asks_for_the_other_ones_password(tmp_path: Path) -> None:
    new_repository(tmp_path / "model")
    wrong = tmp_path / "password"
    wrong.write_text("not it")
    wrong.chmod(0o600)
    arguments = ["init", "-r", str(tmp_path / "r"), "--like", str(tmp_path / "model")]
    drorch(*arguments, "--like-password-file", wrong, status=12)
    assert not (tmp_path / "r").exists()


def test_snapshots(story: Path) -> None:
    first, second = drorch_json("snapshots", "-r", "r", cwd=story)
    assert (first["hostname"], second["hostname"], second["tags"]) == ("one", "two", ["x", "y"])
    assert second["paths"] == [str(story / "src")]
    assert second["short_id"] == second["id"][:8]
    assert second["summary"]["total_files_processed"] == 4
    assert drorch_json("snapshots", "-r", "r", "--host", "one", cwd=story) == [first]
    assert drorch_json("snapshots", "-r", "r", "--tag", "x,y", "--path", "src", cwd=story) == [second]
    assert drorch_json("snapshots", "-r", "r", "latest", cwd=story) == [second]
    shown = drorch("snapshots", "-r", "r", cwd=story).stdout.decode()
    assert shown.splitlines()[2].startswith(first["short_id"])
    assert len(shown.splitlines()) == 4


def test_a_damaged_snapshot_hides_no_other(story: Path) -> None:
    stored = sorted((story / "r" / "snapshots").iterdir())[0]
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes()[:-1])
    done = drorch("snapshots", "-r", "r", "--json", status=13, cwd=story)
    assert len(json.loads(done.stdout)) == 1
    assert stored.name[:8].encode() in done.stderr


def test_ls(story: Path) -> None:
    shown = drorch("ls", "latest", "-r", "r", "-q", cwd=story).stdout.decode().splitlines()
    assert shown == ["/src", r"/src/\x1b[31mred\x07\u202e\xff\n", "/src/a", "/src/sub", "/src/sub/b", "/src/sub/new"]
    below = drorch("ls", "latest:/src/sub", "-r", "r", "-q", "-l", cwd=story).stdout.decode().splitlines()
    assert [line.split()[-1] for line in below] == ["/src/sub", "/src/sub/b", "/src/sub/new"]
    assert below[0].startswith("drwx")
    assert drorch("ls", "latest", "/src", "-r", "r", "-q", cwd=story).stdout.count(b"\n") == 4
    assert drorch("ls", "latest", "/src", "--recursive", "-r", "r", "-q", cwd=story).stdout.count(b"\n") == 6
    assert "/nope is not in this snapshot" in fault_line(
        drorch("ls", "latest:/nope", "-r", "r", "-q", status=64, cwd=story)
    )


def test_ls_json(story: Path) -> None:
    snapshot, *nodes = drorch_lines("ls", "latest", "-r", "r", cwd=story)
    assert (snapshot["struct_type"], snapshot["hostname"]) == ("snapshot", "two")
    node = next(node for node in nodes if node["name"] == "a")
    assert (node["path"], node["type"], node["size"], node["struct_type"]) == ("/src/a", "file", 15, "node")
    hostile = next(node for node in nodes if node["name"].startswith("\x1b"))
    assert hostile["name"].encode("utf-8", "surrogateescape") == HOSTILE


def test_diff(story: Path) -> None:
    first, second = (one["id"] for one in drorch_json("snapshots", "-r", "r", cwd=story))
    shown = drorch("diff", first, second, "-r", "r", "-q", cwd=story).stdout.decode().splitlines()
    assert shown == ["M    /src/a", "+    /src/sub/new"]
    *changes, totals = drorch_lines("diff", second, first, "-r", "r", cwd=story)
    assert [change["modifier"] for change in changes] == ["M", "-"]
    assert (totals["changed_files"], totals["removed"]["files"], totals["added"]["data_blobs"]) == (1, 1, 1)
    below = drorch("diff", f"{first}:/src/sub", "latest:/src/sub", "-r", "r", "-q", cwd=story).stdout
    assert below == b"+    /new\n"


def test_dump(story: Path) -> None:
    assert drorch("dump", "latest", "/src/a", "-r", "r", cwd=story).stdout == b"second, longer\n"
    with tarfile.open(fileobj=io.BytesIO(drorch("dump", "latest:/src", "-r", "r", cwd=story).stdout)) as archive:
        assert archive.getnames()[1:] == ["a", "sub", "sub/b", "sub/new"]


def test_stats(story: Path) -> None:
    assert drorch_json("stats", "latest", "-r", "r", cwd=story)["total_size"] == 15 + 2 + 4
    raw = drorch_json("stats", "--mode", "raw-data", "-r", "r", cwd=story)
    assert raw["snapshots_count"] == 2
    assert raw["total_uncompressed_size"] > raw["total_size"] > 0


def test_unlock(story: Path) -> None:
    (story / "r" / "locks" / ("ab" * 32)).write_bytes(b"not a lock")
    done = drorch("unlock", "-r", "r", status=11, cwd=story)
    assert "unlock --remove-all" in fault_line(done)
    assert drorch_json("unlock", "--remove-all", "-r", "r", cwd=story)["removed"] == 1
    assert drorch_json("unlock", "-r", "r", cwd=story) == {"message_type": "unlocked", "removed": 0, "kept": []}


def test_a_reader_may_do_without_a_lock(story: Path) -> None:
    (story / "r" / "locks" / ("ab" * 32)).write_bytes(b"not a lock")
    drorch("snapshots", "-r", "r", status=11, cwd=story)
    drorch("snapshots", "-r", "r", "--no-lock", cwd=story)
    assert "--no-lock" in fault_line(drorch("backup", "src", "-r", "r", "--no-lock", status=64, cwd=story))
