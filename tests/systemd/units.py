"""The units as they are shipped, and systemd's own tools as judges of them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from drorch.app.unit_files import SHIPPED_PROGRAM, shipped_folder

SHIPPED = sorted(path.name for path in shipped_folder().iterdir() if path.suffix in (".service", ".timer"))
SERVICES = [name for name in SHIPPED if name.endswith(".service")]
TIMEOUT_SECONDS = 60.0
_EXPOSURE = re.compile(r"Overall exposure level for \S+: ([0-9.]+) ")


def need_tool(name: str) -> str:
    """Path of one of systemd's tools; without it the test is skipped, or fails under DRORCH_REQUIRE=all."""
    found = shutil.which(name)
    if found is None and os.environ.get("DRORCH_REQUIRE") == "all":
        pytest.fail(f"{name} is not on PATH, and DRORCH_REQUIRE=all asks for it: apt-get install systemd")
    if found is None:
        pytest.skip(f"needs {name}")
    return found


def tool(name: str, *arguments: str | Path, search: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end; `search` is a folder of units that it looks into first."""
    environment = {**os.environ, "SYSTEMD_COLORS": "0", "SYSTEMD_EMOJI": "0", "LC_ALL": "C.UTF-8"}
    if search is not None:
        environment["SYSTEMD_UNIT_PATH"] = f"{search}:"
    return subprocess.run(
        [need_tool(name), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def version() -> int:
    """Of which systemd the tools are."""
    return int(tool("systemd-analyze", "--version").stdout.split()[1])


def startable(folder: Path) -> Path:
    """A folder with all units, their program being one that is there."""
    program = folder / "drorch"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in SHIPPED:
        text = (shipped_folder() / name).read_text()
        (folder / name).write_text(text.replace(SHIPPED_PROGRAM, str(program)))
    return folder


def complaints(folder: Path, name: str) -> str:
    """All that systemd has to say against a unit of a folder; it only warns of what it does not know."""
    done = tool("systemd-analyze", "verify", folder / name, search=folder)
    return done.stdout + done.stderr + (f"status {done.returncode}" if done.returncode else "")


def exposure(unit: Path) -> float:
    """How exposed a service is, from 0 to 10, as systemd measures it from its unit."""
    done = tool("systemd-analyze", "security", "--offline=true", "--no-pager", unit, search=unit.parent)
    found = _EXPOSURE.search(done.stdout)
    assert found is not None, done.stdout + done.stderr
    return float(found[1])


def setting(name: str, key: str) -> list[str]:
    """All values of a key in a shipped unit, in order."""
    lines = (shipped_folder() / name).read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]
