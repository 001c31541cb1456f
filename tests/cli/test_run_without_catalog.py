"""A catalog that cannot be written fails no run: the snapshot is saved, a line says so, the record comes later."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.installation import Installation
from tests.storage.privileges import need, run_quietly

SPARE = Path("/var/spool/drorch")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Installation]:
    """An installation that has run once, its state_dir on a disk of 2 MiB."""
    made = Installation.make(tmp_path)
    made.state.mkdir()
    mounted = run_quietly("mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(made.state)) == 0
    need("the right to mount", present=mounted)
    spare = SPARE / hashlib.sha256(bytes(made.state)).hexdigest()[:16]
    try:
        made.run("run", "homes")
        yield made
    finally:
        subprocess.run(["umount", made.state], check=True)
        for left in spare.glob("*"):
            left.unlink()
        if spare.exists():
            spare.rmdir()


def snapshots(installation: Installation) -> int:
    """How many snapshots the job has on both targets; asked without touching the catalog."""
    return sum(len(installation.snapshots(target, "drorch:job=homes")) for target in ("one", "two"))


def fill(folder: Path) -> Path:
    """Leave no room on a disk; the file that takes it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as opened, pytest.raises(OSError, match="No space left"):
        while True:
            opened.write(bytes(4096))
    return filler


def test_a_full_disk_under_the_catalog(small_disk: Installation) -> None:
    filler = fill(small_disk.state)
    done = small_disk.run("run", "homes")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert b"spool" in done.stderr
    assert snapshots(small_disk) == 4
    filler.unlink()
    small_disk.run("run", "homes")
    assert small_disk.runs() == [("homes", "one", "ok"), ("homes", "two", "ok")] * 3
    assert small_disk.rows("pragma integrity_check") == [("ok",)]


def test_a_read_only_state_dir(small_disk: Installation) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk.state], check=True)
    done = small_disk.run("run", "homes")
    assert done.stderr
    assert snapshots(small_disk) == 4
    subprocess.run(["mount", "-o", "remount,rw", small_disk.state], check=True)
    small_disk.run("run", "homes")
    assert small_disk.runs() == [("homes", "one", "ok"), ("homes", "two", "ok")] * 3


@pytest.mark.parametrize("how", ["damaged", "deleted"])
def test_a_catalog_that_is_lost(tmp_path: Path, how: str) -> None:
    installation = Installation.make(tmp_path)
    installation.run("run", "homes")
    for path in installation.state.glob("catalog.sqlite*"):
        path.unlink()
    if how == "damaged":
        installation.catalog.write_bytes(b"this is no database" * 1000)
    done = installation.run("run", "homes")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert b"Run drorch catalog rebuild" in done.stderr
    assert snapshots(installation) == 4
    installation.run("catalog", "rebuild", "--yes")
    assert installation.runs() == [("homes", "one", "ok"), ("homes", "two", "ok")] * 2


def test_a_path_history_that_is_damaged_is_only_missed(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    installation.run("run", "homes")
    history = installation.state / "paths.sqlite"
    history.write_bytes(b"this is no database" * 1000)
    done = installation.run("run", "homes")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert b"paths.sqlite is damaged. Run drorch catalog rebuild." in done.stderr
    assert installation.runs() == [("homes", "one", "ok"), ("homes", "two", "ok")] * 2
    assert installation.said("status")[0]["spooled_records"] == 0
    asked = installation.run("history", tmp_path / "source" / "file", status=60)
    assert b"Run drorch catalog rebuild" in asked.stderr
    installation.run("catalog", "rebuild", "--yes")
    installation.run("history", tmp_path / "source" / "file")


def test_a_path_history_that_is_gone_is_begun_anew_and_that_is_said(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    for _ in range(2):
        installation.run("run", "homes", "-t", "one")
    for left in installation.state.glob("paths.sqlite*"):
        left.unlink()
    done = installation.run("run", "homes", "-t", "one")
    assert b"path history knows nothing of 2 older snapshots of homes. Run drorch catalog rebuild." in done.stderr
    assert installation.run("run", "homes", "-t", "one").stderr == b""


def test_source_faults_keep_their_exit_code_without_a_catalog(tmp_path: Path) -> None:
    installation = Installation.make(tmp_path)
    installation.run("run", "homes")
    installation.catalog.write_bytes(b"this is no database" * 1000)
    config = installation.config.read_text()
    gone = f'paths = ["{tmp_path}/source", "{tmp_path}/source/gone"]'
    installation.config.write_text(config.replace(f'paths = ["{tmp_path}/source"]', gone))
    done = installation.run("run", "homes", status=3)
    assert b"gone" in done.stderr
