"""drorch as an operator meets it: a child process with arguments, an environment and three streams."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drorch.repository.keys import ScryptCost
from drorch.repository.repository import initialize
from drorch.storage.local import LocalTarget

PASSWORD = "geheim & <öffentlich>"  # noqa: S105
TIMEOUT_SECONDS = 60.0


def environment(extra: Mapping[str, str] | None = None, *, password: str | None = PASSWORD) -> dict[str, str]:
    """This process's environment without what would tell drorch where to look, and with a password."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RESTIC_", "DRORCH_"))}
    given = {} if password is None else {"RESTIC_PASSWORD": password}
    return {**inherited, **given, **(extra or {})}


def command_line(*arguments: str | bytes | Path) -> list[str | bytes]:
    """The argument list of a child that runs drorch."""
    return [sys.executable, "-m", "drorch", *(one if isinstance(one, bytes) else str(one) for one in arguments)]


def drorch(
    *arguments: str | bytes | Path,
    status: int = 0,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    password: str | None = PASSWORD,
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run drorch and wait. Fails the test unless it exits with `status`; no traceback is ever accepted."""
    done = subprocess.run(
        command_line(*arguments),
        stdin=subprocess.DEVNULL if stdin is None else None,
        input=stdin,
        capture_output=True,
        env=environment(env, password=password),
        cwd=cwd,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    shown = (done.stdout + b"\n" + done.stderr).decode(errors="backslashreplace")
    assert done.returncode == status, f"drorch {arguments} exited with {done.returncode}, not {status}:\n{shown}"
    assert "--debug" in arguments or b"Traceback" not in done.stdout + done.stderr, shown
    return done


def drorch_json(*arguments: str | bytes | Path, cwd: Path | None = None) -> Any:
    """The one document a command prints with --json."""
    return json.loads(drorch(*arguments, "--json", cwd=cwd).stdout)


def drorch_lines(*arguments: str | bytes | Path, cwd: Path | None = None) -> list[dict[str, Any]]:
    """The objects a command prints with --json, one a line."""
    return [json.loads(line) for line in drorch(*arguments, "--json", cwd=cwd).stdout.splitlines()]


def fault_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line on stderr that says what went wrong."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("drorch: ")
    return lines[0]


def new_repository(place: Path) -> Path:
    """An empty repository with the cheapest legal scrypt."""
    initialize(LocalTarget(place), PASSWORD, cost=ScryptCost(2, 1, 1))
    return place
