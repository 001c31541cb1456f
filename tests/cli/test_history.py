"""drorch find and history: answered from the catalog, with every target out of reach."""

import json
from pathlib import Path

import pytest

from tests.cli.commandline import drorch, drorch_json, drorch_lines, fault_line
from tests.cli.scheduled import install


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: notes.txt changes in the second and is gone in the third. Then the targets are gone, too."""
    folder = tmp_path_factory.mktemp("history")
    file = install(folder)
    notes = folder / "source" / "notes.txt"
    drorch("-c", file, "run", "homes")
    notes.write_text("second, longer")
    drorch("-c", file, "run", "homes")
    notes.unlink()
    drorch("-c", file, "run", "homes")
    for name in ("one", "two"):
        (folder / name).rename(folder / f"{name}.away")
    return file


def source(file: Path) -> Path:
    return file.parent / "source"


def test_history_tells_every_version_when_it_changed_and_when_it_was_gone(file: Path) -> None:
    [told] = drorch_json("-c", file, "history", source(file) / "notes.txt")
    first, second = told["versions"]
    assert (told["host"], told["job"], told["path"]) == ("web1", "homes", str(source(file) / "notes.txt"))
    assert [version["size"] for version in told["versions"]] == [5, 14]
    assert [version["snapshots"] for version in told["versions"]] == [1, 1]
    assert first["last"]["time"] < first["ended"] == second["first"]["time"]
    assert second["last"]["time"] < second["ended"] == told["vanished"]
    shown = drorch("-c", file, "history", source(file) / "notes.txt").stdout.decode().splitlines()
    assert shown[0] == f"{source(file) / 'notes.txt'} of homes on web1"
    assert len(shown) == 6
    assert shown[-1].startswith("gone by ")


def test_a_path_that_is_there_has_not_vanished(file: Path) -> None:
    [told] = drorch_json("-c", file, "history", f"{source(file) / 'Plan.TXT'}/", "--job", "homes", "-H", "web1")
    [version] = told["versions"]
    assert (told["vanished"], version["ended"], version["snapshots"]) == (None, None, 3)
    assert b"gone" not in drorch("-c", file, "history", source(file) / "Plan.TXT").stdout


def test_find_tells_the_newest_version_and_what_is_gone(file: Path) -> None:
    *paths, summary = drorch_lines("-c", file, "find", "*.txt", "-i")
    found = {Path(one["path"]).name: one for one in paths}
    assert (summary["message_type"], summary["paths"], summary["more"]) == ("summary", 2, False)
    assert sorted(found) == ["Plan.TXT", "notes.txt"]
    assert (found["notes.txt"]["present"], found["notes.txt"]["size"]) == (False, 14)
    assert found["Plan.TXT"]["present"]
    shown = drorch("-c", file, "find", "*.txt").stdout.decode()
    assert "notes.txt" in shown
    assert "gone by" in shown
    assert "Plan.TXT" not in shown


def test_find_can_be_narrowed(file: Path) -> None:
    def names(*arguments: str) -> list[str]:
        return [Path(one["path"]).name for one in drorch_lines("-c", file, "find", *arguments)[:-1]]

    assert names("*.t*", "-i", "--present") == ["Plan.TXT"]
    assert names("urce/pla", "-i", "--match", "substring") == ["Plan.TXT"]
    assert names("Plan.TXT", "--match", "name", "--job", "other") == []
    told = drorch("-c", file, "find", "*", "--limit", "1")
    assert b"there may be more" in told.stderr


def test_what_was_never_there_is_not_answered_with_silence(file: Path) -> None:
    told = fault_line(drorch("-c", file, "history", "/nowhere", status=64))
    assert told == "drorch: no snapshot is known to hold /nowhere. Look for it with: drorch find PATTERN"
    assert "begins with a slash" in fault_line(drorch("-c", file, "history", "nowhere", status=64))
    assert drorch("-c", file, "find", "nowhere").stderr.decode().splitlines() == ["nothing fits"]


def test_a_catalog_that_knows_no_snapshot_does_not_say_that_nothing_fits(tmp_path: Path) -> None:
    file = install(tmp_path)
    for verb in (("find", "*"), ("history", "/etc")):
        assert "knows of no snapshot yet" in fault_line(drorch("-c", file, *verb, status=60))


def test_names_are_escaped(tmp_path: Path) -> None:
    file = install(tmp_path)
    (tmp_path / "source" / "a\x1b[2Jb").write_text("x")
    drorch("-c", file, "run", "homes", "-t", "one")
    shown = drorch("-c", file, "find", "a*b").stdout
    assert b"\x1b" not in shown
    assert rb"a\x1b[2Jb" in shown
    one, _ = [json.loads(line) for line in drorch("-c", file, "find", "a*b", "--json").stdout.splitlines()]
    assert one["path"].endswith("a\x1b[2Jb")
