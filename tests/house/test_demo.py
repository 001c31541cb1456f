"""The demo proves what it says: it succeeds on what is sound, and one flipped byte between its steps ends it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.project import ROOT

FLIP = """\
import os, pathlib, sys
packs = sorted((path.stat().st_size, path) for path in pathlib.Path(sys.argv[1]).glob("data/*/*"))
pack = packs[-1][1]
os.chmod(pack, 0o600)
content = bytearray(pack.read_bytes())
content[len(content) // 2] ^= 1
pack.write_bytes(content)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where the demo makes its files."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def demo(place: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the demo with the environment the tests run in; nothing is installed."""
    environment = {**os.environ, "DRORCH_READY": "1", "TMPDIR": str(place), **variables}
    environment["DRORCH_BIN"] = str(Path(sys.executable).with_name("drorch"))
    command = ["sh", str(ROOT / "scripts" / "demo.sh")]
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )


def test_the_demo_proves_a_restore_and_cleans_up(place: Path) -> None:
    done = demo(place)
    assert done.returncode == 0, done.stdout + done.stderr
    proven = done.stdout.partition("PROVEN in ")[2]
    assert "every stored byte was read back" in proven
    assert "the restored tree equals the original" in proven
    assert "agrees with the facts recorded at backup: 1 table, 30,000 rows" in done.stdout + done.stderr
    assert "the restored database agrees with the facts" in proven
    assert list(place.iterdir()) == []


def test_one_flipped_byte_between_the_steps_fails_the_demo(place: Path, tmp_path: Path) -> None:
    flip = tmp_path / "flip.py"
    flip.write_text(FLIP)
    done = demo(place, DRORCH_DEMO_PAUSE=f"{sys.executable} {flip}")
    assert done.returncode == 13, done.stdout + done.stderr
    assert "FAILED: drorch check" in done.stderr
    assert "PROVEN" not in done.stdout
    assert "restored" not in done.stdout
    assert "Traceback" not in done.stderr
    assert list(place.iterdir()) == []
