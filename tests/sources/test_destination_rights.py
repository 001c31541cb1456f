"""A user without privileges restores what the rights allow; only what is really lost is a problem."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.destination_cases import MTIME
from tests.sources.destination_unprivileged import USER

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that the user without privileges owns; pytest's own are closed to him."""
    folder = Path(tempfile.mkdtemp())
    was_closed = folder / "was-closed"
    was_closed.mkdir()
    theirs = folder / "theirs"
    theirs.mkdir()
    theirs.chmod(0o555)
    if os.geteuid() == 0:
        os.chown(folder, USER, USER)
        os.chown(was_closed, USER, USER)
    was_closed.chmod(0o000)
    yield folder
    for closed in folder.iterdir():
        if closed.is_dir():
            closed.chmod(0o700)
    shutil.rmtree(folder)


def test_a_restore_without_privileges(home: Path) -> None:
    command = [sys.executable, "-m", "tests.sources.destination_unprivileged", str(home)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    problems = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in home.iterdir()}
    user = USER if os.geteuid() == 0 else os.geteuid()

    assert [subject for subject, _ in problems] == ["/labelled", "/disk", "/theirs/f"]
    assert "wherever else" in problems[0][1]
    assert "not restored: Operation not permitted" in problems[1]
    assert {path.lstat().st_uid for path in home.iterdir() if path.name != "theirs"} == {user}
    assert modes == {
        "closed": 0,
        "was-closed": 0o555,
        "theirs": 0o555,
        "read-only": 0o444,
        "foreign": 0o755,
        "own": 0o4755,
        "labelled": 0o644,
        "labelled-too": 0o644,
        "link": 0o777,
        "pipe": 0o600,
    }
    assert {path.lstat().st_mtime_ns for path in home.iterdir() if path.name != "theirs"} == {MTIME}
    assert os.getxattr(home / "read-only", "user.k") == b"v"
    for name in ("closed", "was-closed"):
        (home / name).chmod(0o700)
        assert (home / name / "f").read_bytes() == b"x"
    assert os.getxattr(home / "closed", "user.k") == b"v"
