"""The command line of the benchmark: `python -m benchmarks --help`.

Whatever happens, including SIGTERM, the folders of the run are removed and a data set is put back to its base.
"""

import argparse
import contextlib
import fcntl
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from benchmarks.datasets import SET_NAMES, DataSet, plan_named
from benchmarks.machine import this_machine
from benchmarks.measure import BenchmarkFailed, require_proc
from benchmarks.passes import Contest, all_passes
from benchmarks.report import Report, SetResult, as_json, section, update_results
from benchmarks.sites import SITES
from benchmarks.tools import LOCAL_ONLY, TOOL_NAMES, FoundTool, find
from drorch.clock import SystemClock
from drorch.errors import DrorchError, Outcome, UsageError

_RESULTS = Path(__file__).with_name("RESULTS.md")
_SETS = "tree,large"
_SPARE_BYTES = 500_000_000
_WORK_PREFIX = "drorch-benchmarks-"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asks for."""

    passes: int
    sets: tuple[str, ...]
    sites: tuple[str, ...]
    tools: tuple[str, ...]
    work: Path | None
    scale: float
    json: Path | None
    results: Path | None
    prepare_only: bool


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; the exit status is 0 when everything was measured, whatever the verdicts say."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, _interrupt)
    try:
        _benchmark(_options(arguments))
    except KeyboardInterrupt:
        _say("interrupted")
        return Outcome.INTERRUPTED
    except DrorchError as fault:
        _say(f"error: {fault.message}" + (f"\n{fault.hint}" if fault.hint else ""))
        return fault.exit_code
    return 0


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Begin to clean up, and let no further signal disturb that."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="drorch beside restic and borg.")
    parser.add_argument("--passes", type=int, default=3, help="alternating passes (default: %(default)s)")
    parser.add_argument("--sets", default=_SETS, help=f"of {', '.join(SET_NAMES)} (default: %(default)s)")
    parser.add_argument("--sites", default="local", help=f"of {', '.join(SITES)} (default: %(default)s)")
    parser.add_argument("--tools", default=",".join(TOOL_NAMES), help="tools (default: %(default)s)")
    parser.add_argument("--work", type=Path, help="work directory; data sets in it are kept for the next run")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the real size (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every measurement to a file")
    parser.add_argument("--results", type=Path, help="the file to update (default: RESULTS.md, at full scale only)")
    parser.add_argument("--prepare-only", action="store_true", help="write the data sets into --work, measure nothing")
    given = parser.parse_args(arguments)
    sets = tuple(given.sets.split(","))
    _require_known("data set", sets, SET_NAMES)
    sites = tuple(given.sites.split(","))
    _require_known("site", sites, SITES)
    if given.passes < 1 or not 0 < given.scale <= 1:
        raise UsageError("passes must be at least 1, and the scale above 0 and at most 1")
    results = given.results or (_RESULTS if given.scale == 1 else None)
    tools = tuple(given.tools.split(","))
    return Options(given.passes, sets, sites, tools, given.work, given.scale, given.json, results, given.prepare_only)


def _require_known(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f'unknown {kind} "{name}"', hint=f"Choose from {', '.join(known)}.")


def _benchmark(options: Options) -> None:
    require_proc()
    tools = _found_tools(options.tools)
    with _work_folder(options.work) as work:
        folder = work / "data"
        sets = [DataSet(plan_named(name, options.scale), folder) for name in options.sets]
        _require_space(work, sets)
        report = Report(SystemClock().now(), this_machine(work), tools, ())
        for data in sets:
            began = SystemClock().monotonic()
            data.prepare()
            _say(
                f"{data.plan.name}: {len(data.plan.files):,} files, {data.plan.size / 1e9:.2f} GB in {data.folder}, "
                f"ready after {SystemClock().monotonic() - began:.1f} s"
            )
        if options.prepare_only:
            return
        results = []
        for contest in _contests(options, sets, tools):
            result = SetResult(contest.title, contest.data.plan, all_passes(contest, work, _say))
            results.append(result)
            text = section(report, result)
            print(text)
            if options.results:
                update_results(options.results, contest.title, text)
    if options.json:
        whole = Report(report.began, report.machine, tools, results)
        options.json.write_text(json.dumps(as_json(whole), indent=2) + "\n")


def _contests(options: Options, sets: Sequence[DataSet], tools: Sequence[FoundTool]) -> Iterator[Contest]:
    for site in map(SITES.__getitem__, options.sites):
        able = [one for one in tools if site.name == "local" or one.tool.name not in LOCAL_ONLY]
        yield from (Contest(data, site, able, options.passes) for data in sets)


def _found_tools(names: Sequence[str]) -> list[FoundTool]:
    tools = []
    for name in names:
        found = find(name)
        if isinstance(found, FoundTool):
            tools.append(found)
        else:
            _say(f"left out: {found}")
    if not tools:
        raise BenchmarkFailed("none of the tools can be measured")
    return tools


@contextlib.contextmanager
def _work_folder(given: Path | None) -> Iterator[Path]:
    """The folder given, for this run alone, or one that is removed afterwards."""
    if given is None:
        with tempfile.TemporaryDirectory(prefix=_WORK_PREFIX) as folder:
            yield Path(folder)
        return
    (given / "data").mkdir(parents=True, exist_ok=True)
    with (given / "in-use").open("w") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            raise BenchmarkFailed(
                f"another benchmark works in {given}", hint="Name another one with --work."
            ) from fault
        yield given.resolve()


def _require_space(work: Path, sets: Sequence[DataSet]) -> None:
    """Room for the data sets not yet written, and a repository and a restored copy of the largest."""
    new = sum(data.plan.size for data in sets if not data.exists)
    needed = new + 2 * max(data.plan.size for data in sets) + _SPARE_BYTES
    free = shutil.disk_usage(work).free
    _say(f"work directory {work}: needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    if free < needed:
        raise BenchmarkFailed(
            f"{work} has too little room", hint="Name a directory on a larger filesystem with --work."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
