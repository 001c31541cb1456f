"""The tool that fails on purpose fails as it was told, so that what is seen of it is what was meant."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.databases.faulty_tool import Fault, calls, stand_in

_WHOLE = b"0123456789" * 10


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A tool that says its arguments on standard error and prints 100 bytes."""
    (tmp_path / "bin").mkdir()
    tool = tmp_path / "bin" / "dump"
    tool.write_text(f'#!/bin/sh\necho "$@" >&2\nprintf %s {_WHOLE.decode()}\n')
    tool.chmod(0o755)
    return tool


@pytest.mark.parametrize(
    ("fault", "output", "status"),
    [
        (Fault(), _WHOLE, 0),
        (Fault(keep=0, end="exit 1"), b"", 1),
        (Fault(keep=0.5, end="exit 3"), _WHOLE[:50], 3),
        (Fault(keep=-1, end="signal KILL"), _WHOLE[:-1], -signal.SIGKILL),
        (Fault(keep=3, end="signal SEGV"), _WHOLE[:3], -signal.SIGSEGV),
        (Fault(prints="something else"), b"something else", 0),
    ],
)
def test_it_ends_as_told(tmp_path: Path, real: Path, fault: Fault, output: bytes, status: int) -> None:
    tool = stand_in(tmp_path / "tools", "dump", real, fault)
    done = subprocess.run([tool, "orders"], capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (output, status)
    [call] = calls(tmp_path / "tools", "dump")
    assert call.arguments == [str(tool), "orders"]
    assert call.variables["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize("end", ["hang", "close"])
def test_it_hangs_as_told_and_does_not_listen(tmp_path: Path, real: Path, end: str) -> None:
    tool = stand_in(tmp_path / "tools", "dump", real, Fault(keep=10, end=end, says="Oh!"))
    with subprocess.Popen([tool], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.read(-1 if end == "close" else 10) == _WHOLE[:10]
        child.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.5)
        child.kill()


def test_what_is_no_dump_is_the_real_tools(tmp_path: Path, real: Path) -> None:
    tool = stand_in(tmp_path / "tools", "dump", real, Fault(keep=0, end="exit 1"), marks="--all")
    assert subprocess.run([tool, "--one"], capture_output=True, timeout=60, check=True).stdout == _WHOLE
    assert subprocess.run([tool, "--all=orders"], capture_output=True, timeout=60, check=False).returncode == 1


def test_what_it_leaves_behind_has_its_output_and_its_session(tmp_path: Path, real: Path) -> None:
    tool = stand_in(tmp_path / "tools", "dump", real, Fault(heir=True, flood=1 << 20))
    child = subprocess.Popen([tool], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        assert child.stderr is not None
        assert child.stdout is not None
        assert len(child.stderr.read((1 << 20) + 1)) == (1 << 20) + 1
        assert child.stdout.read(100) == _WHOLE
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        os.set_blocking(child.stdout.fileno(), False)
        with pytest.raises(BlockingIOError):
            os.read(child.stdout.fileno(), 1)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
