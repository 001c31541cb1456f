"""What some tests need of the machine: skipped visibly where it is missing, a failure under DRORCH_REQUIRE=all."""

import os
import subprocess

import pytest


def need(what: str, *, present: bool) -> None:
    """Go on where it is present; otherwise skip the test, or fail it where everything is required."""
    if present:
        return
    if os.environ.get("DRORCH_REQUIRE") == "all":
        pytest.fail(f"this test needs {what}, and DRORCH_REQUIRE=all is set")
    pytest.skip(f"needs {what}")


def run_quietly(*command: str) -> int:
    """Exit status of a command; 127 where there is no such program."""
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode
    except FileNotFoundError:
        return 127
