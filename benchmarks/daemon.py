"""Measures the daemon: `python -m benchmarks.daemon [--jobs 60] [--parallel 4] [--spread 60] [--idle 60]`.

All jobs, each the backup of what a command prints, are due in one minute and begin within `spread` seconds. Told are
how many were lost or doubled, how long it took from due and a slot being free to the child's start, and what the
daemon takes while nothing is due: PSS, and CPU seconds a second.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from drorch.catalog.migrate import upgrade
from drorch.catalog.open import CatalogPlace, open_catalog
from drorch.model.launch import Launch, LaunchState
from drorch.repository.repository import initialize
from drorch.storage.local import LocalTarget

_PASSWORD = "measured"  # noqa: S105
_HEADWAY = timedelta(seconds=20)
_LONGEST_SECONDS = 900.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Plan:
    """So many jobs, so many at a time, beginning within so many seconds; so many seconds of idleness."""

    jobs: int = 60
    parallel: int = 4
    spread: int = 60
    idle: float = 60.0


@dataclass(frozen=True, slots=True)
class Figures:
    """Launches lost, doubled, failed; seconds to a child's start, and in all; what the idle daemon needs."""

    lost: int
    doubled: int
    failed: int
    start_p50: float
    start_p99: float
    start_longest: float
    whole: float
    idle_pss_mb: float
    idle_cores: float


def measure(plan: Plan, folder: Path) -> Figures:
    """Run the plan in an empty folder."""
    folder.chmod(0o700)
    initialize(LocalTarget(folder / "target"), _PASSWORD)
    due = (datetime.now(UTC) + _HEADWAY + timedelta(minutes=1)).replace(second=0, microsecond=0)
    config = _configured(plan, folder, due)
    with _daemon(config, folder) as child:
        launches = _until_all_ended(plan, folder, due)
    delays = sorted(_delays(launches, plan.parallel))
    names = [one.work.name for one in launches]
    states = [one.state for one in launches]
    ended = max(one.ended for one in launches if one.ended)
    pss, cores = _idle(plan, folder, config)
    assert child.returncode == 0
    return Figures(
        lost=plan.jobs - len(set(names)),
        doubled=len(names) - len(set(names)),
        failed=len(states) - states.count(LaunchState.OK),
        start_p50=delays[len(delays) // 2],
        start_p99=delays[min(len(delays) - 1, int(len(delays) * 0.99))],
        start_longest=delays[-1],
        whole=(ended - due).total_seconds(),
        idle_pss_mb=pss,
        idle_cores=cores,
    )


def _configured(plan: Plan, folder: Path, due: datetime) -> Path:
    (folder / "password").write_text(_PASSWORD)
    (folder / "password").chmod(0o600)
    job = f"""
        source = {{ type = "command", dump = ["date"], filename = "date" }}
        targets = ["target"]
        schedule = "{due.minute} {due.hour} {due.day} {due.month} *"
        jitter = "{plan.spread}s"
        """
    jobs = "".join(f"\n[jobs.job-{number}]{job}" for number in range(plan.jobs))
    config = folder / "jobs.toml"
    config.write_text(
        f"""
        [drorch]
        state_dir = "{folder}/state"
        timezone = "UTC"
        max_parallel_runs = {plan.parallel}
        [targets.target]
        type = "local"
        path = "{folder}/target"
        password = {{ file = "{folder}/password" }}
        {jobs}
        """
    )
    config.chmod(0o600)
    return config


@contextlib.contextmanager
def _daemon(config: Path, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "drorch", "-c", str(config), "daemon"]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield child
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(60)


def _until_all_ended(plan: Plan, folder: Path, due: datetime) -> list[Launch]:
    """Every launch of a job, when all have ended."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    with open_catalog(CatalogPlace(folder / "state"), upgrade) as catalog:
        while time.monotonic() < deadline:
            time.sleep(0.5)
            if datetime.now(UTC) > due + timedelta(seconds=plan.spread):
                found = catalog.launches.recent(10 * plan.jobs)
                if len(found) >= plan.jobs and all(one.state.is_over for one in found):
                    return found
    raise TimeoutError(f"not all jobs have ended: {(folder / 'log').read_text()[-2000:]}")


def _delays(launches: Sequence[Launch], parallel: int) -> Iterator[float]:
    """From the moment a launch was due and had a slot to its start: the k-th start needs the (k - parallel)-th end."""
    ends = sorted(one.ended for one in launches if one.ended)
    starts = sorted((one.started, one.begins) for one in launches if one.started)
    for number, (started, begins) in enumerate(starts):
        free = begins if number < parallel else max(begins, ends[number - parallel])
        yield max(0.0, (started - free).total_seconds())


def _idle(plan: Plan, folder: Path, config: Path) -> tuple[float, float]:
    """PSS in megabytes and used cores of a daemon that has nothing to do."""
    with _daemon(config, folder) as child:
        time.sleep(15)
        before, began = _cpu_seconds(child.pid), time.monotonic()
        time.sleep(plan.idle)
        used = (_cpu_seconds(child.pid) - before) / (time.monotonic() - began)
        rollup = Path(f"/proc/{child.pid}/smaps_rollup").read_text()
    pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return pss * 1024 / 1e6, used


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> int:
    """Measure as the command line says, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, value in asdict(Plan()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value)
    plan = Plan(**vars(parser.parse_args()))
    with tempfile.TemporaryDirectory(prefix="drorch-bench-") as folder:
        print(json.dumps(asdict(measure(plan, Path(folder))), indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
