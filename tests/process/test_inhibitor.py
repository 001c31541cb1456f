"""The lock on sleep and shutdown: there while work is, gone with drorch, and never in anyone's way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.process.inhibitor import Inhibitor

CLOCK = SystemClock()
# What the real program does: it holds the lock while its command runs, or says why not and fails.
GRANTS = """#!/bin/sh
echo "$@" >> "$HOME/asked"
case "$*" in *"$(cat "$HOME/unknown" 2>/dev/null || echo none)"*) echo "Invalid mode" >&2; exit 1;; esac
while [ "$1" != "${1#--}" ]; do shift; done
echo $$ > "$HOME/held"
exec "$@"
"""
REFUSES = '#!/bin/sh\necho "$@" >> "$HOME/asked"\necho "Failed to connect to bus" >&2\nexit 1\n'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose programs the test writes."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def program(home: Path, text: str) -> None:
    stub = home / "bin" / "systemd-inhibit"
    stub.write_text(text)
    stub.chmod(0o755)


@contextmanager
def inhibitor(told: list[str]) -> Iterator[Inhibitor]:
    made = Inhibitor("a backup is being made", told.append)
    try:
        yield made
    finally:
        made.close()


def asked(home: Path) -> list[str]:
    """What the program was asked for, each time."""
    file = home / "asked"
    return file.read_text().splitlines() if file.exists() else []


def eventually(home: Path, made: Inhibitor, times: int) -> None:
    """Turn as a loop does until the program was asked so often."""
    deadline = CLOCK.monotonic() + 30
    while len(asked(home)) < times:
        assert CLOCK.monotonic() < deadline
        made.follow(working=True)
        CLOCK.sleep(0.02)


def held(home: Path) -> int:
    """The process that holds the lock, once there is one."""
    deadline = CLOCK.monotonic() + 30
    while not (home / "held").exists() or not (home / "held").read_text().strip():
        assert CLOCK.monotonic() < deadline
        CLOCK.sleep(0.02)
    return int((home / "held").read_text())


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_lock_is_there_while_something_works_and_no_longer(home: Path) -> None:
    program(home, GRANTS)
    told: list[str] = []
    with inhibitor(told) as made:
        made.follow(working=False)
        assert not made.holds
        for _ in range(3):
            made.follow(working=True)
        first = held(home)
        assert is_running(first)
        assert made.holds
        assert len(asked(home)) == 1
        assert "--what=sleep:shutdown" in asked(home)[0]
        assert "--who=drorch --why=a backup is being made" in asked(home)[0]
        made.follow(working=False)
        assert not is_running(first)
        made.follow(working=True)
        eventually(home, made, 2)
    assert told == []


def test_root_is_not_held_up_and_an_older_systemd_is_asked_in_its_own_words(home: Path) -> None:
    program(home, GRANTS)
    (home / "unknown").write_text("block-weak")
    told: list[str] = []
    with inhibitor(told) as made:
        eventually(home, made, 2)
        assert is_running(held(home))
        assert made.holds
    modes = [line.split()[1] for line in asked(home)]
    assert modes == ["--mode=block-weak", "--mode=block"]
    assert told == []


def test_a_machine_that_refuses_is_told_of_once(home: Path) -> None:
    program(home, REFUSES)
    told: list[str] = []
    with inhibitor(told) as made:
        for times in (2, 4):
            eventually(home, made, times)
            deadline = CLOCK.monotonic() + 30
            while made.holds or not told:
                assert CLOCK.monotonic() < deadline
                made.follow(working=True)
                CLOCK.sleep(0.02)
            for _ in range(5):
                made.follow(working=True)
            made.follow(working=False)
    assert told == ["the machine may sleep or be switched off while runs work: Failed to connect to bus"]
    assert len(asked(home)) == 4


def test_a_machine_without_the_program_is_told_of_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home / "bin"))
    told: list[str] = []
    with inhibitor(told) as made:
        for working in (True, True, False, True):
            made.follow(working=working)
        assert not made.holds
    assert told == ["the machine may sleep or be switched off while runs work: systemd-inhibit is not installed"]


def test_the_lock_ends_with_drorch_however_that_ends(home: Path) -> None:
    program(home, GRANTS)
    code = (
        "from drorch.process.inhibitor import Inhibitor; import time\n"
        "made = Inhibitor('work', print); made.follow(working=True); time.sleep(600)"
    )
    drorch = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    try:
        pid = held(home)
        assert is_running(pid)
    finally:
        drorch.send_signal(signal.SIGKILL)
        drorch.wait(30)
    deadline = CLOCK.monotonic() + 30
    while is_running(pid):
        assert CLOCK.monotonic() < deadline, "the lock outlives drorch"
        CLOCK.sleep(0.02)
