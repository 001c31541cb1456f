"""Workers of the daemon: what they are started with, how each end of the line notices the other's, how they end."""

import os
import resource
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.process.commands import ChildFailed
from drorch.process.family import family_of, kill_family
from drorch.process.supervised import LONGEST_LINE, DaemonLine, NoSupervisor, Supervised, Terms, WorkerEnd
from tests.process.test_family import cookie, lives

CLOCK = SystemClock()
SECONDS = 60.0


@contextmanager
def worker(*argv: str, terms: Terms | None = None) -> Iterator[Supervised]:
    started = Supervised(argv, terms or Terms(cookie()))
    try:
        yield started
    finally:
        started.close()


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import os, sys\nfrom drorch.process.supervised import DaemonLine\n{code}")


def end_of(child: Supervised) -> WorkerEnd:
    assert select.select([child.pidfd], [], [], SECONDS)[0], "it did not end"
    end = child.end()
    assert end is not None
    return end


def line_of(child: Supervised) -> bytes:
    assert select.select([child.line], [], [], SECONDS)[0], "it said nothing"
    line = child.hear()
    assert line is not None
    return line


def output_of(child: Supervised) -> str:
    """All that it writes, until nobody can write any more."""
    said = b""
    while select.select([child.output], [], [], SECONDS)[0]:
        piece = child.read_output()
        if not piece:
            return said.decode()
        said += piece
    raise AssertionError("it did not end")


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 0", 0, "exited with status 0"),
        ("exit 24", 24, "exited with status 24"),
        ("kill -KILL $$", None, "was killed by SIGKILL"),
        ("kill -SEGV $$", None, "was killed by SIGSEGV"),
    ],
)
def test_how_it_ended_is_told(script: str, code: int | None, words: str) -> None:
    with worker("sh", "-c", script) as child:
        assert end_of(child) == WorkerEnd(code, words, out_of_memory=False)


def test_nothing_waits_for_a_worker_that_is_silent() -> None:
    with worker("sleep", "600") as child:
        assert child.end() is None
        assert child.hear() is None
        assert child.read_output() is None
    assert not lives(child.pid)


def test_it_leads_a_session_has_no_input_and_inherits_what_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESTIC_PASSWORD", "S3_SECRET", "WANTED"):
        monkeypatch.setenv(name, "canary")
    stray = os.memfd_create("stray")
    os.set_inheritable(stray, True)
    try:
        terms = Terms(cookie(), variables=("WANTED", "NOT_SET"))
        script = "env; cat; echo session $$ $(ps -o sid= $$); ls /proc/self/fd"
        with worker("sh", "-c", script, terms=terms) as child:
            told = output_of(child)
            assert end_of(child).code == 0
    finally:
        os.close(stray)
    assert [line for line in told.splitlines() if "canary" in line] == ["WANTED=canary"]
    assert f"DRORCH_RUN_ID={terms.cookie}" in told
    assert f"session {child.pid} {child.pid}" in " ".join(told.split())
    assert str(stray) not in told.partition("session")[2].splitlines()


def test_it_is_started_with_its_priorities_under_its_own_pid() -> None:
    terms = Terms(cookie(), nice=7, ionice=("-c", "3"))
    with worker("sh", "-c", "echo $$; nice; ionice || echo idle", terms=terms) as child:
        pid, nice, disk = output_of(child).split("\n")[:3]
        assert int(pid) == child.pid
        assert int(nice) == min(7 + os.nice(0), 19)
        assert disk == "idle"
        assert child.complaints == []


def test_that_disks_cannot_be_shared_is_told_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for program in ("nice", "true"):
        (tmp_path / program).symlink_to(f"/usr/bin/{program}")
    monkeypatch.setenv("PATH", str(tmp_path))
    with worker("true", terms=Terms(cookie(), nice=1, ionice=("-c", "3"))) as child:
        assert end_of(child).code == 0
        assert ["ionice" in complaint for complaint in child.complaints] == [True]


def test_one_that_cannot_be_started_leaves_nothing_open() -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    with pytest.raises(ChildFailed, match="could not be started"), worker("/no/such/program"):
        pass
    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)


def test_lines_go_there_and_back_whole() -> None:
    code = "line = DaemonLine()\nfor _ in range(3): line.say(line.wait_for_line(60).strip())"
    with worker(*python(code)) as child:
        for text in ("one", "two-" * 1000, "x" * (LONGEST_LINE - 1)):
            assert child.say(text)
            assert line_of(child) == text.encode() + b"\n"
        assert end_of(child).code == 0
        assert line_of(child) == b""
        assert not child.say("nobody listens")


def test_a_child_of_the_worker_does_not_hold_the_line() -> None:
    code = (
        "import subprocess\nline = DaemonLine()\nassert 'DRORCH_LINE' not in os.environ\n"
        "subprocess.Popen(['sleep', '600'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False)\n"
    )
    terms = Terms(cookie())
    with worker(*python(code), terms=terms) as child:
        assert end_of(child).code == 0
        assert line_of(child) == b""
        assert len(family_of(terms.cookie)) == 1
        assert kill_family(terms.cookie, 30)


def test_lines_that_may_not_wait_are_dropped_where_nobody_listens() -> None:
    code = (
        "line = DaemonLine()\n"
        "for _ in range(2000): line.say('x' * 8000, may_wait=False)\n"
        "print('went on', flush=True)\nline.wait_for_line(60)"
    )
    with worker(*python(code)) as child:
        assert select.select([child.output], [], [], SECONDS)[0]
        assert child.read_output() == b"went on\n"
        child.say("end")
        assert end_of(child).code == 0


def test_who_was_not_started_by_a_daemon_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, "", "x", "99999"):
        monkeypatch.delenv("DRORCH_LINE", raising=False)
        if value is not None:
            monkeypatch.setenv("DRORCH_LINE", value)
        with pytest.raises(NoSupervisor, match="only the daemon starts a worker"):
            DaemonLine()


def test_a_daemon_that_says_nothing_is_not_waited_for_for_ever() -> None:
    with worker(*python("DaemonLine().wait_for_line(0.2)")) as child:
        assert "the daemon did not say what to do" in output_of(child)
        assert end_of(child).code == 1


def test_a_worker_whose_daemon_hangs_up_ends_with_its_family() -> None:
    code = (
        "import subprocess, threading\n"
        "line = DaemonLine()\n"
        "line.attend(print)\n"
        "child = subprocess.Popen(['setsid', 'sleep', '600'])\n"
        "line.say(str(child.pid))\n"
        "threading.Event().wait()\n"
    )
    with worker(*python(code)) as child:
        grandchild = int(line_of(child))
        assert lives(grandchild)
        child.line.close()
        assert end_of(child).code == 1
        assert not lives(grandchild)


def test_a_worker_whose_daemon_is_killed_ends_with_its_family() -> None:
    inner = (
        "import subprocess, threading\n"
        "from drorch.process.supervised import DaemonLine\n"
        "line = DaemonLine()\n"
        "line.attend(print)\n"
        "line.say(str(subprocess.Popen(['setsid', 'sleep', '600']).pid))\n"
        "threading.Event().wait()\n"
    )
    outer = (
        "import select, sys, threading\n"
        "from drorch.process.supervised import Supervised, Terms\n"
        f"child = Supervised([sys.executable, '-c', {inner!r}], Terms({cookie()!r}))\n"
        "select.select([child.line], [], [], 60)\n"
        "print(child.pid, int(child.hear()), flush=True)\n"
        "threading.Event().wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        pids = [int(word) for word in daemon.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(lives, pids))
        daemon.kill()
        end = CLOCK.monotonic() + SECONDS
        while any(map(lives, pids)) and CLOCK.monotonic() < end:
            CLOCK.sleep(0.02)
        assert not any(map(lives, pids))


def test_who_has_no_descriptor_left_is_told_so_and_nothing_is_left_behind() -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    mine, refused = cookie(), 0
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, before[1]))
    try:
        for free in range(12):
            with _all_descriptors_taken_but(free):
                try:
                    Supervised(("sleep", "600"), Terms(mine)).close()
                except ChildFailed:
                    refused += 1
                still_free = [os.open("/dev/null", os.O_RDONLY) for _ in range(free)]
                for one in still_free:
                    os.close(one)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert 3 < refused < 12
    assert family_of(mine) == []


@contextmanager
def _all_descriptors_taken_but(free: int) -> Iterator[None]:
    taken: list[int] = []
    try:
        while True:
            taken.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for _ in range(free):
        os.close(taken.pop())
    try:
        yield
    finally:
        for one in taken:
            os.close(one)
