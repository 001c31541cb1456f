"""Jobs that read from snapshots of their file system: one moment, the same tree, and nothing left, however they end."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from tests.cli.commandline import command_line, drorch, drorch_json, environment
from tests.cli.homes import install
from tests.sources.frozen.loops import btrfs, snapshots_in, subvolume

_WRITER = """
import os, sys, time
one, other = sys.argv[1:]
number = 0
while True:
    number += 1
    for path in (one, other):
        with open(path + ".new", "w") as file:
            file.write(str(number).zfill(4096) * 16)
        os.replace(path + ".new", path)
    time.sleep(0.002)
"""


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A subvolume on a btrfs."""
    with btrfs(tmp_path) as point:
        there = subvolume(point / "data")
        for number in range(200):
            (there / f"file-{number:03}").write_text(f"content {number}" * 100)
        yield there


def installed(folder: Path, data: Path, *, hooks: str = "") -> Path:
    """A job frozen of what is in `data`, and a job live that reads the same as it is."""
    place = folder / "installation"
    place.mkdir()
    return install(
        place,
        extra=f"""
        [jobs.frozen]
        source = {{ type = "files", paths = ["{data}"], snapshot = "btrfs" }}
        targets = ["one"]
        {hooks}
        [jobs.live]
        source = {{ type = "files", paths = ["{data}"] }}
        targets = ["one"]
        """,
    )


def records(file: Path) -> list[Path]:
    return list((file.parent / "state" / "frozen").glob("*"))


def listed(file: Path, job: str) -> list[dict[str, object]]:
    """What a job's newest snapshot holds; of folders not when they were changed: a snapshot within one changes it."""
    said = drorch("-c", file, "-t", "one", "ls", f"latest:{job}", "--json").stdout.splitlines()
    nodes = [json.loads(line) for line in said if b'"struct_type":"node"' in line or b'"node"' in line]
    assert len(nodes) > 1
    times = ("mtime", "ctime", "atime")
    return [{key: one[key] for key in one if one["type"] != "dir" or key not in times} for one in nodes]


def test_the_tree_is_the_same_as_without_and_nothing_is_left(data: Path, tmp_path: Path) -> None:
    file = installed(tmp_path, data)
    drorch("-c", file, "run", "live", "frozen")
    assert listed(file, "live") == listed(file, "frozen")
    assert snapshots_in(data) == []
    assert records(file) == []
    said = drorch("-c", file, "run", "frozen").stdout.decode()
    assert "frozen@one: ok" in said


def test_files_that_are_changed_together_are_of_one_moment(data: Path, tmp_path: Path) -> None:
    file = installed(tmp_path, data)
    first, last = data / "a-pair", data / "z-pair"
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, first, last])
    try:
        clock = SystemClock()
        end = clock.monotonic() + 60
        while not last.exists() and clock.monotonic() < end:
            clock.sleep(0.01)
        for _ in range(2):
            drorch("-c", file, "run", "frozen")
    finally:
        writer.kill()
        writer.wait()
    numbers = []
    for shown in drorch_json("-c", file, "snapshots", "-t", "one"):
        if "drorch:job=frozen" in shown["tags"]:
            contents = [drorch("-c", file, "dump", shown["id"], path, "-t", "one").stdout for path in (first, last)]
            values = [
                {int(content[start : start + 4096]) for start in range(0, len(content), 4096)} for content in contents
            ]
            [one], [other] = values
            assert one - other in (0, 1)
            numbers.append(one)
    assert len(set(numbers)) == 2
    assert all(len(content) == 16 * 4096 for content in contents)


def test_a_job_that_fails_leaves_no_snapshot(data: Path, tmp_path: Path) -> None:
    file = installed(tmp_path, data)
    file.write_text(file.read_text().replace('snapshot = "btrfs"', 'snapshot = "btrfs", min_files = 10000'))
    drorch("-c", file, "run", "frozen", status=32)
    assert snapshots_in(data) == []
    file.write_text(file.read_text().replace('"btrfs"', '"zfs"'))
    said = drorch("-c", file, "run", "frozen", status=30).stderr.decode()
    assert "is on btrfs, not on zfs" in said


@contextmanager
def running(file: Path, data: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """drorch in the middle of the job, its snapshot made, reading what never ends to be read."""
    child = subprocess.Popen(
        command_line("-c", file, "run", "frozen"), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        clock = SystemClock()
        end = clock.monotonic() + 60
        while not snapshots_in(data) and clock.monotonic() < end:
            assert child.poll() is None, child.stderr and child.stderr.read()
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stderr is not None
        child.stderr.close()


def make_it_long(data: Path) -> None:
    """So much to read that there is time to be stopped."""
    with (data / "large").open("wb") as file:
        file.truncate(200 << 30)


def test_a_job_that_is_stopped_removes_its_snapshot(data: Path, tmp_path: Path) -> None:
    file = installed(tmp_path, data)
    make_it_long(data)
    with running(file, data) as child:
        child.send_signal(signal.SIGTERM)
        assert child.wait(60) == 130
    assert snapshots_in(data) == []
    assert records(file) == []


def test_what_a_killed_job_leaves_is_removed_by_its_next_run(data: Path, tmp_path: Path) -> None:
    file = installed(tmp_path, data)
    make_it_long(data)
    with running(file, data) as child:
        child.kill()
        child.wait(60)
    assert len(snapshots_in(data)) == 1
    (data / "large").unlink()
    drorch("-c", file, "run", "frozen")
    assert snapshots_in(data) == []
    assert records(file) == []
