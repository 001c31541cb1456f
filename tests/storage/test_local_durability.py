"""A save is whole or not there: the order of its system calls, and what a SIGKILL in the middle leaves."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from drorch.storage.local import LocalTarget
from drorch.units import MIB
from tests.storage.contract import PACK
from tests.storage.privileges import need, run_quietly

SAVE_ONCE = """
import sys
from pathlib import Path
from drorch.storage.local import LocalTarget
LocalTarget(Path(sys.argv[1])).save(sys.argv[2], b"x" * 100_000)
"""

SAVE_FOR_EVER = """
import sys
from pathlib import Path
from drorch.storage.local import LocalTarget
target = LocalTarget(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    for letter in (b"a", b"b"):
        target.save(sys.argv[2], letter * int(sys.argv[3]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    target = LocalTarget(tmp_path / "repository")
    target.create()
    target.save("config", b"x")
    return target.root


def calls_of_save(root: Path, key: str, trace: Path) -> list[str]:
    """What a save does to the disk, each call in one word; descriptors are told apart as file and folder."""
    traced = "openat,write,fchmod,fsync,mkdir,rename,unlink"
    command = ["strace", "-f", "-y", "-e", f"trace={traced}", "-o", str(trace), sys.executable, "-c", SAVE_ONCE]
    subprocess.run([*command, str(root), key], check=True)
    calls = []
    for line in trace.read_text().splitlines():
        match = re.match(r"\d+\s+(\w+)\((.*)", line)
        if match is None or str(root) not in match[2]:
            continue
        name, rest = match.groups()
        if name == "fsync":
            path = re.match(r"\d+<(.*?)>", rest)
            assert path is not None
            calls.append(f"fsync {Path(path[1]).relative_to(root)}")
        elif name != "openat":
            calls.append(name)
    return [re.sub(r"-tmp-\d+$", "-tmp", call) for call in calls]


def test_a_save_is_synced_before_it_is_renamed_and_its_folder_after(root: Path, tmp_path: Path) -> None:
    need("strace, with the right to trace", present=run_quietly("strace", "-f", "-e", "trace=none", "true") == 0)
    saved = ["write", "fchmod", f"fsync {PACK}-tmp", "rename", "fsync data/ab"]
    assert calls_of_save(root, PACK, tmp_path / "trace") == saved
    (root / PACK).unlink()
    (root / "data" / "ab").rmdir()
    assert calls_of_save(root, PACK, tmp_path / "trace") == ["mkdir", "fsync .", "mkdir", "fsync data", *saved]


def test_a_killed_save_leaves_the_old_object_or_the_new_one(root: Path) -> None:
    target = LocalTarget(root)
    size = 8 * MIB
    target.save(PACK, b"b" * size)
    left_behind = 0
    for attempt in range(12):
        command = [sys.executable, "-c", SAVE_FOR_EVER, str(root), PACK, str(size)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            time.sleep(0.01 + 0.007 * attempt)
            os.kill(child.pid, signal.SIGKILL)
        assert child.returncode == -signal.SIGKILL
        assert target.load(PACK) in (b"a" * size, b"b" * size)
        assert [item.key for item in target.list("data")] == [PACK]
        left_behind += sum(1 for _ in (root / PACK).parent.glob("*-tmp-*"))
        for abandoned in (root / PACK).parent.glob("*-tmp-*"):
            abandoned.unlink()
    assert left_behind > 0, "no kill came in the middle of a save: the test has proven nothing"
