"""drorch as a user runs it, beside restic: the same repository, the same password, a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from drorch.repository.keys import ScryptCost
from drorch.repository.repository import initialize
from drorch.storage.local import LocalTarget
from tests.restic import PASSWORD

TIMEOUT_SECONDS = 120.0


def make_repository(place: Path, version: int = 2) -> None:
    """A new repository whose key costs nothing to try: both clients open it in a moment."""
    initialize(LocalTarget(place), PASSWORD, version=version, cost=ScryptCost(2, 1, 1))


def drorch(
    repository: Path | str,
    *arguments: str | Path,
    status: int = 0,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run drorch on a repository, a folder or a URL, and wait. Fails the test unless it exits with `status`."""
    done = subprocess.run(
        command(repository, *arguments),
        input=stdin,
        capture_output=True,
        env=surroundings(environment),
        cwd=cwd,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if done.returncode != status:
        shown = (done.stdout + b"\n" + done.stderr).decode(errors="backslashreplace")
        pytest.fail(f"drorch {' '.join(map(str, arguments))} exited with {done.returncode}, not {status}:\n{shown}")
    return done


def drorch_json(
    repository: Path | str,
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Any:
    """The last JSON document a command prints."""
    done = drorch(repository, *arguments, "--json", environment=environment, cwd=cwd)
    return json.loads(done.stdout.splitlines()[-1])


def command(repository: Path | str, *arguments: str | Path) -> list[str]:
    """The command line."""
    verb, *rest = map(str, arguments)
    return [sys.executable, "-m", "drorch", verb, "--repo", str(repository), *rest]


def surroundings(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment it runs in."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RESTIC_", "AWS_"))}
    return {**inherited, "RESTIC_PASSWORD": PASSWORD, **(extra or {})}
