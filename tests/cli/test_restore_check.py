import json
import os
import select
import subprocess
from pathlib import Path

import pytest

from tests.cli.commandline import (
    command_line,
    drorch,
    drorch_json,
    drorch_lines,
    environment,
    fault_line,
    new_repository,
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a source and a repository that holds one snapshot of it."""
    new_repository(tmp_path / "r")
    (tmp_path / "src" / "sub").mkdir(parents=True)
    (tmp_path / "src" / "a").write_text("content of a\n")
    (tmp_path / "src" / "sub" / "b\x1b[0m").write_text("content of b\n")
    drorch("-r", "r", "backup", "src", cwd=tmp_path)
    return tmp_path


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def _damage_a_data_pack(place: Path) -> str:
    """Flip a byte in the pack that holds file contents (the one with the smaller boxes); its id."""
    packs = [path for path in (place / "r" / "data").rglob("*") if path.is_file()]
    pack = min(packs, key=lambda path: path.stat().st_size)
    raw = bytearray(pack.read_bytes())
    raw[20] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(raw)
    return pack.name


def test_restore_puts_everything_back(place: Path) -> None:
    done = drorch_lines("-r", "r", "restore", "latest", "--to", "out", "--verify", cwd=place)[-1]
    assert (done["message_type"], done["files_restored"], done["files_verified"], done["num_errors"]) == (
        "summary",
        2,
        2,
        0,
    )
    assert _contents(place / "out" / "src") == _contents(place / "src")


def test_restore_of_a_folder_goes_into_the_destination(place: Path) -> None:
    drorch("-r", "r", "restore", "latest:/src/sub", "--to", "out", cwd=place)
    assert list(_contents(place / "out")) == ["b\x1b[0m"]


def test_restore_chooses_overwrites_and_deletes_as_it_is_told(place: Path) -> None:
    drorch("-r", "r", "restore", "latest:/src", "--to", "out", "-i", "/a", cwd=place)
    assert list(_contents(place / "out")) == ["a"]
    (place / "out" / "a").write_text("mine\n")
    (place / "out" / "extra").write_text("mine too\n")
    drorch("-r", "r", "restore", "latest:/src", "--to", "out", "--overwrite", "never", "-e", "sub", cwd=place)
    assert _contents(place / "out") == {"a": "mine\n", "extra": "mine too\n"}
    drorch("-r", "r", "restore", "latest:/src", "--to", "out", "--delete", cwd=place)
    assert _contents(place / "out") == _contents(place / "src")


def test_a_dry_run_shows_the_plan_and_writes_nothing(place: Path) -> None:
    shown = drorch("-r", "r", "restore", "latest:/src", "--to", "out", "-n", "-v", cwd=place).stdout.decode()
    assert r"/sub/b\x1b[0m" in shown
    would, fetch = shown.splitlines()[-2:]
    assert would.startswith("would restore 2 files")
    assert fetch.startswith("to fetch: 90 B from 1 pack in")
    assert not (place / "out").exists()
    (place / "out").mkdir()
    (place / "out" / "extra").touch()
    shown = drorch("-r", "r", "restore", "latest:/src", "--to", "out", "-n", "--delete", cwd=place).stdout.decode()
    assert shown.splitlines()[0].split() == ["delete", "/extra"]
    assert _contents(place / "out") == {"extra": ""}


def test_what_cannot_be_restored_is_named_and_the_rest_is_put_back(place: Path) -> None:
    _damage_a_data_pack(place)
    done = drorch("-r", "r", "restore", "latest", "--to", "out", status=40, cwd=place)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("restore: /src/")
    assert len(_contents(place / "out")) == 1


def test_restore_says_what_it_is_missing(place: Path) -> None:
    assert "--to" in fault_line(drorch("-r", "r", "restore", "latest", status=64, cwd=place))
    done = drorch("-r", "r", "restore", "latest:/nope", "--to", "out", status=64, cwd=place)
    assert "/nope is not in" in fault_line(done)
    drorch("-r", "r", "restore", "latest", "--host", "elsewhere", "--to", "out", status=1, cwd=place)


def test_check_is_content_with_what_is_sound(place: Path) -> None:
    assert drorch("-r", "r", "check", cwd=place).stdout == b"no errors were found\n"
    summary = drorch_json("-r", "r", "check", "--read-data", cwd=place)
    assert (summary["message_type"], summary["num_errors"], summary["packs_read"]) == ("summary", 0, summary["packs"])
    assert [(one["sound"], one["read"]) for one in summary["snapshots"]] == [(True, True)]
    for part in ("1/1", "50%", "1K"):
        assert drorch_json("-r", "r", "check", "--read-data-subset", part, cwd=place)["num_errors"] == 0


def test_check_names_what_is_damaged_and_who_needs_it(place: Path) -> None:
    pack = _damage_a_data_pack(place)
    drorch("-r", "r", "check", cwd=place)
    done = drorch("-r", "r", "check", "--read-data", status=13, cwd=place)
    shown = done.stdout.decode()
    assert pack[:16] in shown
    assert "needed by snapshot" in shown
    assert "\x1b" not in shown
    done = drorch("-r", "r", "check", "--read-data", "--json", status=13, cwd=place)
    *findings, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert summary["num_errors"] == len([one for one in findings if one["severity"] == "error"]) > 0
    assert pack in summary["broken_packs"]
    assert any(need["paths"] for one in findings for need in one["needed_by"])


@pytest.mark.parametrize("part", ["3/2", "0%", "all"])
def test_check_refuses_parts_that_are_none(place: Path, part: str) -> None:
    drorch("-r", "r", "check", "--read-data-subset", part, status=64, cwd=place)


def test_check_reads_all_or_a_part(place: Path) -> None:
    done = drorch("-r", "r", "check", "--read-data", "--read-data-subset", "1/2", status=64, cwd=place)
    assert "contradict" in fault_line(done)


@pytest.mark.parametrize(("answers", "status"), [(("one", "one"), 0), (("one", "two"), 62)])
def test_a_person_is_asked_for_a_new_password_twice(tmp_path: Path, answers: tuple[str, str], status: int) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command_line("init", "-r", tmp_path / "r"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(password=None),
        start_new_session=True,
    ) as child:
        try:
            os.close(theirs)
            for answer in answers:
                _await_prompt(child)
                os.write(ours, f"{answer}\n".encode())
            out, _ = child.communicate(timeout=30)
        finally:
            child.kill()
            os.close(ours)
    assert child.returncode == status
    assert b"one" not in out
    assert (tmp_path / "r").exists() == (status == 0)
    if status == 0:
        assert drorch("-r", tmp_path / "r", "snapshots", "--json", password="one").stdout == b"[]\n"  # noqa: S106


def _await_prompt(child: subprocess.Popen[bytes]) -> None:
    """Wait until the child asks: what is typed before is thrown away by whoever switches the echo off."""
    assert child.stderr is not None
    asked = b""
    while not asked.endswith(b": ") and select.select([child.stderr], [], [], 30)[0]:
        piece = os.read(child.stderr.fileno(), 1000)
        assert piece, asked
        asked += piece
    assert asked.endswith(b": ")
