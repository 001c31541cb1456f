"""`drorch target probe` as an administrator meets it: a table or JSON lines, the target's own fault, its exit codes."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import PASSWORD, TIMEOUT_SECONDS, command_line, drorch, drorch_lines, environment, fault_line
from tests.cli.scheduled import install
from tests.servers.ports import free_ports
from tests.servers.rclone import RcloneS3


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    return install(tmp_path)


def of_type(lines: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [line for line in lines if line["message_type"] == kind]


def bucket_target(folder: Path, endpoint: str, bucket: str, keys: tuple[str, str]) -> Path:
    """A configuration whose only target is a bucket."""
    for name, text in (("access", keys[0]), ("secret", keys[1]), ("password", PASSWORD)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o600)
    file = folder / "jobs.toml"
    file.write_text(
        f"""
        [drorch]
        state_dir = "{folder}/state"
        [targets.offsite]
        type = "s3"
        endpoint = "{endpoint}"
        bucket = "{bucket}"
        prefix = "web1"
        access_key = {{ file = "{folder}/access" }}
        secret_key = {{ file = "{folder}/secret" }}
        password = {{ file = "{folder}/password" }}
        """
    )
    file.chmod(0o600)
    return file


def test_facts_and_the_position_in_json(jobs: Path) -> None:
    before = sorted(path.name for path in (jobs.parent / "one").iterdir())
    lines = drorch_lines("-c", jobs, "target", "probe", "one")
    facts = {line["name"]: line for line in of_type(lines, "fact")}
    assert {"write", "read", "range", "atomic", "lock", "upload", "space"} <= set(facts)
    assert {fact["broken"] for fact in facts.values()} == {False}
    assert facts["upload"]["figures"]["bytes_per_second"] > 0
    assert all(fact["meaning"] and fact["done"] and fact["title"] for fact in facts.values())
    position = of_type(lines, "position")
    assert [one["digit"] for one in position] == [3, 2, 1, 1, 0]
    assert [one["answer"] for one in position] == ["yes", "no", "no", "no", "unknown"]
    (summary,) = of_type(lines, "summary")
    assert (summary["target"], summary["broken"], summary["not_removed"]) == ("one", [], [])
    assert sorted(path.name for path in (jobs.parent / "one").iterdir()) == before


def test_a_database_in_a_file_lies_on_a_disk_as_files_do(jobs: Path) -> None:
    database = jobs.parent / "app.db"
    database.touch()
    tables = jobs.read_text().partition("[jobs.")[0]
    source = f'source = {{ type = "sqlite", path = "{database}" }}'
    jobs.write_text(f'{tables}\n[jobs.app]\n{source}\ntargets = ["one"]\n')
    position = of_type(drorch_lines("-c", jobs, "target", "probe", "one"), "position")
    assert "same file system as the source of app" in position[1]["meaning"]


def test_a_table_for_people(jobs: Path) -> None:
    done = drorch("-c", jobs, "-t", "two", "target", "probe")
    text = done.stdout.decode()
    assert text.splitlines()[0].split() == ["What", "Done", "Answer", "Meaning"]
    assert "Replaces in one step" in text
    assert "1 immutable or offline" in text
    assert text.splitlines()[-1] == "target two keeps everything that drorch relies on"
    assert done.stderr.decode().splitlines() == ["probing target two, which takes about a minute"]


def test_a_server_that_breaks_promises_does_not_pass(tmp_path: Path) -> None:
    with RcloneS3(tmp_path / "server") as server:
        bucket = server.new_bucket()
        file = bucket_target(tmp_path, server.endpoint, bucket, (server.access_key, server.secret_key))
        done = drorch("-c", file, "target", "probe", "offsite", status=27)
        left = [path for path in server.folder_of(bucket).rglob("*") if path.is_file()]
    rows = {line[:22].strip(): line for line in done.stdout.decode().splitlines()}
    assert rows["Gives parts"].split("  ")[-2:] != []
    assert " NO " in rows["Gives parts"]
    assert " no " in rows["Conditional save"]
    assert " no " in rows["Object lock"]
    assert "pretends" in rows["Object lock"]
    assert "will not do: gives parts" in done.stdout.decode().splitlines()[-1]
    assert left == []


def test_a_target_that_cannot_be_reached_ends_with_its_own_fault(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    file = bucket_target(tmp_path, f"http://127.0.0.1:{port}", "bucket", ("AK", "secret"))
    done = drorch("-c", file, "target", "probe", "offsite", "--json", status=20)
    assert json.loads(done.stderr)["code"] == 20
    assert done.stdout == b""


def test_a_folder_that_is_not_there_is_not_made(jobs: Path) -> None:
    (jobs.parent / "one").rename(jobs.parent / "unmounted")
    done = drorch("-c", jobs, "-q", "target", "probe", "one", status=26)
    assert "mount its disk" in fault_line(done).lower()
    assert not (jobs.parent / "one").exists()


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 64, "no target is named"),
        (("one", "-t", "two"), 64, "two targets are named"),
        (("three",), 4, 'there is no target "three"'),
    ],
)
def test_which_target_is_meant_must_be_clear(jobs: Path, words: tuple[str, ...], status: int, said: str) -> None:
    assert said in fault_line(drorch("-c", jobs, "-q", "target", "probe", *words, status=status))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_takes_the_scratch_place_away(jobs: Path, number: signal.Signals) -> None:
    place = jobs.parent / "one"
    child = subprocess.Popen(
        command_line("-c", jobs, "target", "probe", "one"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    try:
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not list(place.glob("drorch-probe-*/data")):
            assert child.poll() is None, "the probe was over before it could be interrupted"
            assert time.monotonic() < deadline
        child.send_signal(number)
        out, err = child.communicate(timeout=TIMEOUT_SECONDS)
    finally:
        child.kill()
        child.wait()
    assert (child.returncode, out) == (130, b"")
    assert b"interrupted" in err
    assert list(place.glob("drorch-probe-*")) == []
