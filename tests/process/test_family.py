"""A family is found and killed whole: in sessions of their own, without its cookie, while it forks."""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from drorch.clock import SystemClock
from drorch.process.family import family_of, kill_family, strike

CLOCK = SystemClock()


@contextmanager
def member(cookie: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(
        argv, env={**os.environ, "DRORCH_RUN_ID": cookie}, stdout=subprocess.PIPE, start_new_session=True
    )
    with child:
        try:
            yield child
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)


def said_pids(child: subprocess.Popen[bytes]) -> list[int]:
    assert child.stdout is not None
    return [int(word) for word in child.stdout.readline().split()]


def lives(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def cookie() -> str:
    return uuid.uuid4().hex


def test_a_family_is_found_in_whatever_session_and_no_other_is() -> None:
    ours, other = cookie(), cookie()
    with (
        member(ours, "sh", "-c", "setsid sleep 600 & echo $$ $!; wait") as child,
        member(other, "sh", "-c", "echo $$; exec sleep 600") as stranger,
    ):
        pids = said_pids(child)
        assert {found.pid for found in family_of(ours)} >= set(pids)
        assert [found.pid for found in family_of(other)] == said_pids(stranger)
        assert kill_family(ours, 30)
        assert not any(map(lives, pids))
        assert lives(stranger.pid)
        assert family_of(ours) == []
        assert len(family_of(other)) == 1


def test_a_descendant_that_lost_its_cookie_is_killed_too() -> None:
    name = cookie()
    with member(name, "sh", "-c", "env -i setsid sleep 600 & echo $!; wait") as child:
        (pid,) = said_pids(child)
        assert lives(pid)
        assert kill_family(name, 30)
        assert not lives(pid)


def test_whoever_kills_and_who_is_spared_stay_alive() -> None:
    name = cookie()
    code = (
        "import os, subprocess, sys\n"
        "from drorch.process.family import kill_family\n"
        "spared = subprocess.Popen(['sleep', '600'])\n"
        "other = subprocess.Popen(['sleep', '600'])\n"
        "print(kill_family(sys.argv[1], 30, [spared.pid]), spared.poll(), other.wait(), flush=True)\n"
        "spared.kill()\n"
    )
    with member(name, sys.executable, "-c", code, name) as child:
        assert child.stdout is not None
        assert child.stdout.read().split() == [b"True", b"None", b"-9"]
        assert child.wait(60) == 0


def test_a_family_that_forks_all_the_time_is_killed_whole() -> None:
    name = cookie()
    forking = "while :; do (sleep 600 & sleep 600 &) & (exec setsid sleep 601 &); sleep 0.01; done"
    with member(name, "sh", "-c", forking):
        end = CLOCK.monotonic() + 30
        while (seen := len(family_of(name))) < 20 and CLOCK.monotonic() < end:
            CLOCK.sleep(0.02)
        assert seen >= 20
        assert kill_family(name, 60)
        CLOCK.sleep(0.2)
        assert family_of(name) == []


def test_one_strike_waits_for_nobody_and_says_how_many_it_hit() -> None:
    name = cookie()
    with member(name, "sleep", "600") as child:
        assert strike(name) == 1
        assert child.wait(30) == -signal.SIGKILL
    assert strike(name) == 0


def test_a_process_that_has_ended_and_is_not_reaped_is_none_of_a_family() -> None:
    name = cookie()
    with member(name, "true") as child:
        end = CLOCK.monotonic() + 30
        while lives(child.pid) and CLOCK.monotonic() < end:
            CLOCK.sleep(0.01)
        assert family_of(name) == []
        assert kill_family(name, 5)


def test_what_a_process_starts_for_itself_ends_with_it_and_so_does_what_an_earlier_one_left() -> None:
    name = cookie()
    code = (
        "import os, subprocess, sys\n"
        "from drorch.process.family import belonging_to\n"
        "with belonging_to(sys.argv[1], 30):\n"
        "    mine = subprocess.Popen(['setsid', 'sleep', '600'])\n"
        "    another = {**os.environ, 'DRORCH_RUN_ID': 'of another family'}\n"
        "    other = subprocess.Popen(['sleep', '600'], env=another)\n"
        "print(mine.wait(), other.poll(), os.environ.get('DRORCH_RUN_ID'), flush=True)\n"
        "other.kill()\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "DRORCH_RUN_ID"}
    with member(name, "sleep", "600") as left:
        done = subprocess.run([sys.executable, "-c", code, name], env=environment, stdout=subprocess.PIPE, check=True)
        assert done.stdout.split() == [b"-9", b"None", b"None"]
        assert left.wait(30) == -signal.SIGKILL
