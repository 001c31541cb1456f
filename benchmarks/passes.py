"""The passes: every tool does every phase on every data set, in turns, under the same conditions.

Before each phase what it reads is read once (page cache) and everything is synced. The order of the tools
rotates from pass to pass. What a tool restored is compared with the source before it is removed.
"""

import os
import random
import secrets
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.datasets import SEED, DataSet, read_all, stored_bytes
from benchmarks.measure import BenchmarkFailed, Measurement, measured
from benchmarks.sites import PASSWORD_FILE, LocalSite, Site
from benchmarks.tools import FoundTool, Phase, Place, Tool, command

_COMPARED_FILES = 2000
_COMPARED_BYTES = 300_000_000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ToolPass:
    """What one tool did in one pass over one data set."""

    tool: str
    number: int
    phases: Mapping[Phase, Measurement]
    stored_first: int
    stored_last: int


@dataclass(frozen=True, slots=True)
class Contest:
    """What is measured: these tools, on a prepared data set, with their repositories at a site, so many times."""

    data: DataSet
    site: Site
    tools: Sequence[FoundTool]
    count: int

    @property
    def title(self) -> str:
        """How results name it: the data set, and the site unless that is this machine."""
        name = self.data.plan.name
        return name if isinstance(self.site, LocalSite) else f"{name} over {self.site.name}"


def all_passes(contest: Contest, work: Path, say: Say) -> tuple[ToolPass, ...]:
    """Measure all tools in turns. Raises `BenchmarkFailed`."""
    done: list[ToolPass] = []
    tools, count = contest.tools, contest.count
    for number in range(count):
        turn = number % len(tools)
        for found in (*tools[turn:], *tools[:turn]):
            told = partial(_say_under, say, f"{contest.title}, pass {number + 1} of {count}: {found.tool.name}")
            with tempfile.TemporaryDirectory(prefix="run-", dir=work) as folder:
                _password(Path(folder))
                with contest.site.lodging(Path(folder)) as lodging:
                    place = Place(contest.data.folder, Path(folder), lodging)
                    done.append(_one_pass(contest.data, found.tool, number, place, told))
    return tuple(done)


def _password(folder: Path) -> None:
    file = folder / PASSWORD_FILE
    file.touch(mode=0o600)
    file.write_text(secrets.token_hex(16))


def _say_under(say: Say, label: str, text: str) -> None:
    say(f"{label}: {text}")


def _one_pass(data: DataSet, tool: Tool, number: int, place: Place, say: Say) -> ToolPass:
    place.home.mkdir()
    place.destination.mkdir()
    phases: dict[Phase, Measurement] = {}

    def run(phase: Phase, reads: Path) -> None:
        read_all(reads)
        os.sync()
        cost = phases[phase] = measured(command(tool, phase, place), place.folder / "log")
        say(
            f"{phase.value} {cost.wall_seconds:.2f} s, CPU {cost.cpu_seconds:.2f} s, {cost.peak_pss_bytes / 1e6:.0f} MB"
        )

    run(Phase.INIT, place.home)
    run(Phase.FIRST, place.source)
    stored_first = stored_bytes(place.lodging.files)
    run(Phase.SECOND, place.source)
    with data.changed():
        run(Phase.CHANGE, place.source)
        stored_last = stored_bytes(place.lodging.files)
        run(Phase.RESTORE, place.lodging.files)
        _compare(data, place.destination)
    return ToolPass(tool.name, number, phases, stored_first, stored_last)


def _compare(data: DataSet, destination: Path) -> None:
    """Every name and size, and the content of a sample. Raises `BenchmarkFailed` at the first difference."""
    restored = _restored_root(data.folder, destination)
    found = {
        str(Path(parent, name).relative_to(restored)): Path(parent, name).lstat().st_size
        for parent, _, names in os.walk(restored)
        for name in names
    }
    expected = data.changed_sizes()
    if found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))
        raise BenchmarkFailed(f"restore: {len(wrong)} names or sizes differ, the first is {wrong[0][0]}")
    sample = sorted(expected)
    random.Random(f"{SEED}/sample").shuffle(sample)
    budget = _COMPARED_BYTES
    for path in sample[:_COMPARED_FILES]:
        if (restored / path).read_bytes() != (data.folder / path).read_bytes():
            raise BenchmarkFailed(f"restore: the content of {path} differs")
        budget -= expected[path]
        if budget < 0:
            return


def _restored_root(source: Path, destination: Path) -> Path:
    """Tools differ in whether they rebuild the whole path of the source or only its last part."""
    for candidate in (destination / source.relative_to("/"), destination / source.name):
        if candidate.is_dir():
            return candidate
    raise BenchmarkFailed(f"restore: nothing of {source} is in the destination")
