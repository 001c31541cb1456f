"""SIGKILL of the daemon, of its workers, or of both, at random moments.

Afterwards nothing of what ran is left alive, what is shown is what happened, and the next run succeeds. The seed is
printed; DRORCH_SEED repeats it, DRORCH_EXAMPLES makes it longer (make torture).
"""

import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest

from drorch.process.family import family_of
from tests.cli.commandline import drorch
from tests.cli.daemons import Daemon, command_job, daemon, install, nobody_is_left_of

ROUNDS = int(os.environ.get("DRORCH_EXAMPLES", "50")) if os.environ.get("DRORCH_TORTURE") else 10
JOBS = ("dump", "files", "slow")
LONGEST_LIFE_SECONDS = 4.0


@pytest.fixture
def config(tmp_path: Path) -> Path:
    files = f"""
        [jobs.files]
        source = {{ type = "files", paths = ["{tmp_path}/source"] }}
        targets = ["one", "two"]
        hooks = [{{ when = "before", command = ["/bin/sleep", "0.3"] }}]
        """
    jobs = command_job("dump", "date") + files + command_job("slow", "sh", "-c", "date; exec setsid sleep 2.5")
    return install(tmp_path, jobs, general="max_parallel_runs = 3", targets=("one", "two"))


@pytest.mark.timeout(3600)
def test_whatever_is_killed_the_truth_is_told_and_the_next_run_succeeds(config: Path) -> None:
    seed = int(os.environ.get("DRORCH_SEED", str(random.randrange(1 << 32))))  # noqa: S311
    sys.stdout.write(f"DRORCH_SEED={seed} DRORCH_EXAMPLES={ROUNDS}\n")
    dice = random.Random(seed)  # noqa: S311
    for _ in range(ROUNDS):
        launched = _killed_at_random(config, dice)
        with daemon(config) as after:
            nobody_is_left_of(launched)
            _says_the_truth(config, after)
    with daemon(config) as last:
        for job in JOBS:
            assert "error" not in last.ask(verb="run", jobs=[job])
        last.wait(lambda: len([one for one in last.ended() if one["state"] == "ok"]) >= len(JOBS))
    for target in ("one", "two"):
        drorch("-c", config, "-t", target, "check", "--read-data")


def _killed_at_random(config: Path, dice: random.Random) -> list[str]:
    """A daemon that runs everything until it, its workers or both are killed; the ids of what was launched."""
    with daemon(config) as victim:
        launched = [one["id"] for job in JOBS for one in victim.ask(verb="run", jobs=[job])["run"]]
        time.sleep(dice.uniform(0.0, LONGEST_LIFE_SECONDS))
        whom = dice.choice(("daemon", "workers", "both"))
        workers = [one.pid for launch in launched for one in family_of(launch)]
        doomed = ([victim.pid] if whom != "workers" else []) + (workers if whom != "daemon" else [])
        dice.shuffle(doomed)
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if whom == "workers":
            victim.wait(lambda: not victim.running())
            victim.process.kill()
        victim.process.wait(30)
    return launched


def _says_the_truth(config: Path, after: Daemon) -> None:
    """Nothing is said to be running that is not, and every launch that began has ended or runs."""
    alive = set(after.running())
    with contextlib.closing(sqlite3.connect(config.parent / "state" / "catalog.sqlite")) as catalog:
        running = {launch for (launch,) in catalog.execute("select id from launch where state = 'running'")}
        unended = {launch for (launch,) in catalog.execute("select launch from run where outcome = 'running'")}
    assert running <= alive
    assert unended <= alive
    shown = json.loads(drorch("-c", config, "status", "--json").stdout)
    for job in shown["jobs"]:
        last = job["last_run"]
        assert last is None or last["outcome"] != "running" or alive, job
