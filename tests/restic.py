"""restic, the foreign client: Debian's package and a current build, run for real.

Debian's is `restic` on PATH; the current one is named by $DRORCH_RESTIC_CURRENT. A missing binary is a visible skip;
Debian's missing under DRORCH_REQUIRE=all is a failure.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

PASSWORD = "geheim & <öffentlich>"  # noqa: S105
CURRENT_VARIABLE = "DRORCH_RESTIC_CURRENT"
TIMEOUT_SECONDS = 120.0


class Restic(StrEnum):
    """Which restic: what Debian ships, or a current build."""

    DEBIAN = "debian"
    CURRENT = "current"

    @property
    def path(self) -> str:
        """The binary. Skips the test where it is missing, or fails it where it must not be."""
        if self is Restic.CURRENT:
            named = os.environ.get(CURRENT_VARIABLE, "")
            if not named:
                pytest.skip(f"${CURRENT_VARIABLE} names no current restic")
            assert shutil.which(named), f"${CURRENT_VARIABLE} is {named}, which cannot be run"
            return named
        found = shutil.which("restic")
        if found is None and os.environ.get("DRORCH_REQUIRE") == "all":
            pytest.fail("restic is not on PATH, and DRORCH_REQUIRE=all asks for it: apt-get install restic")
        if found is None:
            pytest.skip("restic is not on PATH: apt-get install restic")
        return found

    @property
    def version(self) -> tuple[int, ...]:
        """What it says of itself, as in (0, 18, 1)."""
        done = subprocess.run([self.path, "version"], capture_output=True, timeout=TIMEOUT_SECONDS, check=True)
        return tuple(int(part) for part in done.stdout.decode().split()[1].partition("-")[0].split("."))

    @property
    def locked_status(self) -> int:
        """How it exits where a repository is locked: with 11 since 0.17, with 1 before."""
        return 11 if self.version >= (0, 17) else 1


each_restic = pytest.mark.parametrize("which", list(Restic))
"""Runs a test once for each restic, as its argument `which`."""


def restic(
    which: Restic,
    repository: Path | str,
    *arguments: str | Path,
    status: int | None = 0,
    stdin: bytes = b"",
    password: str = PASSWORD,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run restic on a repository (folder or URL) and wait. Fails the test unless it exits with `status` (None: any)."""
    done = subprocess.run(
        _command(which, repository, arguments),
        input=stdin,
        capture_output=True,
        env=_environment(password, environment),
        cwd=cwd,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    if status is not None and done.returncode != status:
        shown = (done.stdout + b"\n" + done.stderr).decode(errors="backslashreplace")
        pytest.fail(f"restic {' '.join(map(str, arguments))} exited with {done.returncode}, not {status}:\n{shown}")
    return done


def restic_json(
    which: Restic,
    repository: Path | str,
    *arguments: str | Path,
    environment: Mapping[str, str] | None = None,
) -> Any:
    """What a restic command that prints one JSON document says with --json."""
    return json.loads(restic(which, repository, *arguments, "--json", environment=environment).stdout)


def start_restic(
    which: Restic,
    repository: Path | str,
    *arguments: str | Path,
    password: str = PASSWORD,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start restic with open pipes; to be used as a context manager, and ended within it."""
    return subprocess.Popen(
        _command(which, repository, arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(password, environment),
    )


def _command(which: Restic, repository: Path | str, arguments: tuple[str | Path, ...]) -> list[str]:
    return [which.path, "--repo", str(repository), "--no-cache", *map(str, arguments)]


def _environment(password: str, extra: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RESTIC_", "AWS_"))}
    return {**inherited, "RESTIC_PASSWORD": password, "RESTIC_PROGRESS_FPS": "0.1", **(extra or {})}
