"""What some tests of sources need of the machine: skipped visibly where it is missing, a failure where it is required.

Both mean the machine tests run on; the product has no say in it.
"""

import os
import shutil

import pytest


def need(available: bool, what: str) -> None:
    """Skip the test unless `available`; fail instead under DRORCH_REQUIRE=all."""
    if available:
        return
    if os.environ.get("DRORCH_REQUIRE") == "all":
        pytest.fail(f"this test needs {what}, and DRORCH_REQUIRE=all is set")
    pytest.skip(f"needs {what}")


def need_root() -> None:
    """Skip the test unless it runs as root."""
    need(os.geteuid() == 0, "root")


def need_program(name: str) -> str:
    """Path of a program; skip the test where it is not installed."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    need(path is not None, name)
    assert path is not None
    return path
