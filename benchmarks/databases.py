"""Measures dumps of databases: `python -m benchmarks.databases --kind postgresql [--size-mb 1000] [--passes 3]`.

In alternating passes: the kind's own tool into a pipe that discards, the same dump as drorch reads it (parts read and
discarded, facts found), the tool into `restic backup --stdin`, and the whole of `drorch run`. Then what second backups
store after 1 % of the rows changed, one after the other and scattered, and the most memory that runs of two sizes take.
"""

import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.dumped import KINDS, Dumped
from benchmarks.machine import this_machine
from benchmarks.measure import BenchmarkFailed, Command, Measurement, measured
from benchmarks.report import update_results
from benchmarks.tools import REFERENCES, Restic, find
from drorch.app.databases.sources import kind_of
from drorch.clock import SystemClock
from drorch.repository.repository import initialize
from drorch.storage.local import LocalTarget

_PASSWORD = "measured"  # noqa: S105
_PIECE = 1 << 20
_RESULTS = Path(__file__).with_name("RESULTS.md")
_MOST_OF_BARE, _MOST_STORED = 1.15, 0.10
_MEMORY_GROWTH = 1.25


@dataclass(frozen=True, slots=True)
class Plan:
    """A kind of database, so many MB of rows in it, so many passes."""

    kind: str
    size_mb: int = 1000
    passes: int = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured: medians in seconds and MB; `stored_...` are shares of what the first backup stored."""

    tool: str
    dump_mb: float
    bare_seconds: float
    session_seconds: float
    run_seconds: float
    restic: str
    restic_seconds: float
    peak_mb: float
    quarter_peak_mb: float
    first_mb: float
    stored_contiguous: float
    stored_scattered: float

    @property
    def session_ratio(self) -> float:
        """The dump as drorch reads it against the bare tool."""
        return self.session_seconds / self.bare_seconds

    @property
    def run_ratio(self) -> float:
        """The whole run against the bare tool."""
        return self.run_seconds / self.bare_seconds

    @property
    def restic_ratio(self) -> float:
        """The tool into restic against the bare tool."""
        return self.restic_seconds / self.bare_seconds


class Installation:
    """A job of the database in a folder; its repository is made anew for each first backup."""

    def __init__(self, folder: Path, source: str) -> None:
        self._folder = folder
        self._repository = folder / "repository"
        (folder / "password").write_text(_PASSWORD)
        (folder / "password").chmod(0o600)
        self._file = folder / "jobs.toml"
        self._file.write_text(
            f"""
            [drorch]
            state_dir = "{folder}/state"
            [targets.here]
            type = "local"
            path = "{self._repository}"
            password = {{ file = "{folder}/password" }}
            [jobs.orders]
            source = {source}
            targets = ["here"]
            """
        )

    def begin(self) -> None:
        """An empty repository, in place of what was there."""
        subprocess.run(["rm", "-rf", self._repository], check=True)
        initialize(LocalTarget(self._repository), _PASSWORD)

    def run(self) -> Measurement:
        """Run the job."""
        argv = [sys.executable, "-m", "drorch", "-c", str(self._file), "run", "orders"]
        return measured(Command(argv, dict(os.environ), self._folder), self._folder / "log")

    @property
    def stored(self) -> int:
        """Bytes of packs."""
        return sum(path.stat().st_size for path in (self._repository / "data").rglob("*") if path.is_file())


class Peer:
    """restic, the newest that is here, fed by the tool; it keeps no facts, and its repository is made anew."""

    def __init__(self, folder: Path) -> None:
        found = next((one for name in reversed(REFERENCES) if not isinstance(one := find(name), str)), None)
        if found is None or not isinstance(found.tool, Restic):
            raise BenchmarkFailed("restic was not found")
        self.version = f"restic {found.version}"
        self._program = shlex.quote(str(found.tool.program))
        self._folder = folder
        self._repository = folder / "repository"
        (folder / "password").write_text(_PASSWORD)

    def run(self, dumped: Dumped) -> Measurement:
        """Pipe the tool's output into a first backup."""
        given = {
            "RESTIC_REPOSITORY": str(self._repository),
            "RESTIC_PASSWORD_FILE": str(self._folder / "password"),
            "RESTIC_CACHE_DIR": str(self._folder / "cache"),
        }
        environment = {**os.environ, **given, **dumped.variables}
        subprocess.run(["rm", "-rf", self._repository], check=True)
        self._do(f"{self._program} init", environment)
        return self._do(f"{shlex.join(dumped.bare)} | {self._program} backup --stdin", environment)

    def _do(self, line: str, environment: dict[str, str]) -> Measurement:
        return measured(
            Command(["bash", "-o", "pipefail", "-c", line], environment, self._folder), self._folder / "log"
        )


def measure(plan: Plan, folder: Path) -> Figures:
    """Make the database, and measure, in an empty folder."""
    peer = Peer(_made(folder / "peer"))
    with ExitStack() as exits:
        small = exits.enter_context(KINDS[plan.kind]())
        small.fill(folder, max(1, plan.size_mb // 4))
        installation = Installation(_made(folder / "small"), small.toml)
        installation.begin()
        quarter_peak = installation.run().peak_pss_bytes
        small.grow(plan.size_mb)
        installation = Installation(_made(folder / "whole"), small.toml)
        bare, session, piped, runs, size = [], [], [], [], 0
        for _ in range(plan.passes):
            seconds, size = _bare(small)
            bare.append(seconds)
            session.append(_session(small))
            piped.append(peer.run(small).wall_seconds)
            installation.begin()
            runs.append(installation.run())
        first = installation.stored
        small.change_contiguous()
        installation.run()
        second = installation.stored
        small.change_scattered()
        installation.run()
        third = installation.stored
    return Figures(
        tool=small.tool,
        dump_mb=size / 1e6,
        bare_seconds=statistics.median(bare),
        session_seconds=statistics.median(session),
        run_seconds=statistics.median(one.wall_seconds for one in runs),
        restic=peer.version,
        restic_seconds=statistics.median(piped),
        peak_mb=max(one.peak_pss_bytes for one in runs) / 1e6,
        quarter_peak_mb=quarter_peak / 1e6,
        first_mb=first / 1e6,
        stored_contiguous=(second - first) / first,
        stored_scattered=(third - second) / first,
    )


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _bare(dumped: Dumped) -> tuple[float, int]:
    """Seconds and bytes of the kind's own tool, what it prints being discarded."""
    buffer = memoryview(bytearray(_PIECE))
    size = 0
    began = time.perf_counter()
    with subprocess.Popen(
        dumped.bare, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env={**os.environ, **dumped.variables}, bufsize=0
    ) as tool:
        assert tool.stdout is not None
        while count := os.readv(tool.stdout.fileno(), [buffer]):
            size += count
    seconds = time.perf_counter() - began
    if tool.returncode != 0:
        raise BenchmarkFailed(f"{dumped.bare[0]} exited with status {tool.returncode}")
    return seconds, size


def _session(dumped: Dumped) -> float:
    """Seconds of the dump as a run reads it, its parts being discarded and its facts found."""
    buffer = memoryview(bytearray(_PIECE))
    kind = kind_of(dumped.spec, SystemClock())
    began = time.perf_counter()
    with kind.dump() as session:
        for part in session.parts():
            stream = part.open()
            while stream.readinto(buffer):
                pass
            stream.close()
        session.facts()
    return time.perf_counter() - began


def section(plan: Plan, figures: Figures, machine: str) -> str:
    """The figures as a section of the results."""
    rows = [
        (f"{figures.tool} into a pipe that discards, s", f"{figures.bare_seconds:.2f}"),
        ("the same read by drorch, facts found, s", f"{figures.session_seconds:.2f} ({figures.session_ratio:.2f})"),
        ("`drorch run`, s", f"{figures.run_seconds:.2f} ({figures.run_ratio:.2f})"),
        (
            f"the tool into `{figures.restic} backup --stdin`, s",
            f"{figures.restic_seconds:.2f} ({figures.restic_ratio:.2f})",
        ),
        ("peak PSS of the run, MB", f"{figures.peak_mb:.0f}"),
        ("peak PSS of a run on a quarter of the size, MB", f"{figures.quarter_peak_mb:.0f}"),
        ("stored by the first backup, MB", f"{figures.first_mb:.1f}"),
        ("stored after 1 % of the rows changed, one after the other", f"{figures.stored_contiguous:.1%}"),
        ("stored after 1 % of the rows changed, scattered", f"{figures.stored_scattered:.1%}"),
    ]
    verdicts = [
        (figures.session_ratio <= _MOST_OF_BARE, f"read by drorch, at most {_MOST_OF_BARE} of the bare tool"),
        (figures.run_ratio <= _MOST_OF_BARE, f"`drorch run`, at most {_MOST_OF_BARE} of the bare tool"),
        (
            figures.run_seconds <= figures.restic_seconds,
            f"`drorch run`, at most what the tool into {figures.restic} takes",
        ),
        (figures.stored_contiguous <= _MOST_STORED, f"contiguous changes, at most {_MOST_STORED:.0%} of the first"),
        (
            figures.peak_mb <= _MEMORY_GROWTH * figures.quarter_peak_mb,
            f"peak PSS, at most {_MEMORY_GROWTH} of that on a quarter of the size",
        ),
    ]
    passes = f"{plan.passes} {'pass' if plan.passes == 1 else 'passes'}"
    lines = [
        f"## {plan.kind}",
        "",
        f"One table, a dump of {figures.dump_mb:.0f} MB; `python -m benchmarks.databases --kind {plan.kind} "
        f"--size-mb {plan.size_mb}`.",
        f"{datetime.now(UTC):%Y-%m-%d}, {machine}.",
        f"Medians of {passes}; in parentheses the ratio to the bare tool, shares of the first backup's size.",
        "",
        "| figure | |",
        "| --- | ---: |",
        *(f"| {name} | {value} |" for name, value in rows),
        "",
        *(f"- {'met' if met else 'MISSED'}: {bar}" for met, bar in verdicts),
        "",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str]) -> None:
    """Measure, tell the figures as JSON, and write them into the results where that is asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.databases", description=__doc__)
    parser.add_argument("--kind", choices=sorted(KINDS), required=True)
    parser.add_argument("--size-mb", type=int, default=1000)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--results", type=Path, help=f"the file to update, such as {_RESULTS.name}")
    given = parser.parse_args(argv)
    plan = Plan(given.kind, given.size_mb, given.passes)
    with tempfile.TemporaryDirectory(prefix="drorch-bench-") as folder:
        machine = this_machine(Path(folder)).line
        figures = measure(plan, Path(folder))
    print(json.dumps(asdict(plan) | asdict(figures)))
    if given.results:
        update_results(given.results, plan.kind, section(plan, figures, machine))


if __name__ == "__main__":
    main(sys.argv[1:])
