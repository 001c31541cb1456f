"""Python in a process of its own: for limits, signals and time zones that must not touch the tests themselves."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


def python_child(code: str, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """What the code prints. Fails the test where the child does not exit with 0."""
    with start_python(code, *arguments, environment=environment) as child:
        try:
            out, err = child.communicate(timeout=120)
        except BaseException:
            child.kill()
            raise
    assert child.returncode == 0, f"the child exited with {child.returncode}:\n{err}"
    return out


def start_python(
    code: str, *arguments: str | Path, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start the code with open pipes; to be used as a context manager, and ended within it."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )
