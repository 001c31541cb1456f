"""From measurements to medians, ratios to restic of the same run, and verdicts against the bars.

A ratio is one median over another; below 1 the tool is better than restic. A bar that could not be measured
is said to be unmeasured, never met.
"""

import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.datasets import Plan
from benchmarks.machine import Machine
from benchmarks.passes import ToolPass
from benchmarks.tools import REFERENCES, FoundTool, Phase

_SUBJECT = "drorch"
_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table: what it is called and how it is read from one pass."""

    name: str
    unit: str
    digits: int
    read: Callable[[ToolPass], float]


@dataclass(frozen=True, slots=True)
class Bar:
    """What drorch must not exceed: a share of restic's figure, or an absolute one.

    `contests` are the titles of those it holds for.
    """

    figure: str
    limit: float
    contests: tuple[str, ...]
    absolute: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How drorch stands against a bar; `value` and `met` are None where it was not measured."""

    bar: Bar
    reference: str
    value: float | None

    @property
    def met(self) -> bool | None:
        """Whether the bar is met."""
        return None if self.value is None else self.value <= self.bar.limit


@dataclass(frozen=True, slots=True)
class SetResult:
    """Everything measured on one data set at one site; `title` names both."""

    title: str
    plan: Plan
    passes: tuple[ToolPass, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """One run of the benchmark."""

    began: datetime
    machine: Machine
    tools: Sequence[FoundTool]
    results: Sequence[SetResult]


def _wall(phase: Phase) -> Figure:
    return Figure(phase.value, "s", 2, lambda done: done.phases[phase].wall_seconds)


def _cpu(phase: Phase) -> Figure:
    return Figure(f"CPU of {phase.value}", "s", 2, lambda done: done.phases[phase].cpu_seconds)


def _peak(phase: Phase) -> Figure:
    return Figure(f"peak PSS of {phase.value}", "MB", 0, lambda done: done.phases[phase].peak_pss_bytes / _MEGABYTE)


_COSTLY = (Phase.FIRST, Phase.SECOND, Phase.CHANGE, Phase.RESTORE)
_PEAK = Figure("peak PSS", "MB", 0, lambda done: max(cost.peak_pss_bytes for cost in done.phases.values()) / _MEGABYTE)
_STORED_FIRST = Figure("stored after first backup", "MB", 1, lambda done: done.stored_first / _MEGABYTE)
_STORED_LAST = Figure("stored in the end", "MB", 1, lambda done: done.stored_last / _MEGABYTE)
FIGURES = (
    *(_wall(phase) for phase in Phase),
    *(_cpu(phase) for phase in _COSTLY),
    *(_peak(phase) for phase in _COSTLY),
    _PEAK,
    _STORED_FIRST,
    _STORED_LAST,
)

_HERE = ("tree", "large")
_REMOTE = ("noise over s3", "noise over sftp")
BARS = (
    Bar(Phase.FIRST.value, 0.9, ("tree",)),
    Bar(Phase.FIRST.value, 0.7, ("large",)),
    Bar(Phase.FIRST.value, 1.1, _REMOTE),
    Bar(Phase.SECOND.value, 1.0, _HERE),
    Bar(Phase.RESTORE.value, 1.0, _HERE),
    Bar(Phase.RESTORE.value, 1.1, _REMOTE),
    Bar(_STORED_FIRST.name, 1.02, _HERE),
    Bar(_STORED_LAST.name, 1.02, _HERE),
    Bar(_PEAK.name, 450, (*_HERE, *_REMOTE), absolute=True),
)


def medians(result: SetResult) -> dict[str, dict[str, float]]:
    """Tool -> figure -> median over the passes."""
    tools = dict.fromkeys(done.tool for done in result.passes)
    return {
        tool: {
            figure.name: statistics.median(figure.read(done) for done in result.passes if done.tool == tool)
            for figure in FIGURES
        }
        for tool in tools
    }


def verdicts(result: SetResult) -> tuple[Verdict, ...]:
    """drorch against every bar of this data set, once for each restic that was measured."""
    table = medians(result)
    references = [name for name in REFERENCES if name in table] or [REFERENCES[0]]
    bars = [bar for bar in BARS if result.title in bar.contests]
    return tuple(
        Verdict(bar, reference, _value(table, bar, reference))
        for bar in bars
        for reference in (references[:1] if bar.absolute else references)
    )


def _value(table: Mapping[str, Mapping[str, float]], bar: Bar, reference: str) -> float | None:
    if _SUBJECT not in table:
        return None
    own = table[_SUBJECT][bar.figure]
    if bar.absolute:
        return own
    return own / table[reference][bar.figure] if reference in table else None


def section(report: Report, result: SetResult) -> str:
    """The Markdown section of one data set: where and when, the table, the verdicts."""
    plan = result.plan
    passes = 1 + max(done.number for done in result.passes)
    head = [
        f"## {result.title}",
        "",
        f"{len(plan.files):,} files, {plan.size / 1e9:.2f} GB: {plan.description}.",
        f"{report.began:%Y-%m-%d}, {report.machine.line}.",
        f"Other work took {_foreign_share(report, result):.0%} of the machine's cores meanwhile.",
        f"Medians of {passes} {'pass' if passes == 1 else 'passes'}; in parentheses the ratio to {REFERENCES[0]}.",
        "",
    ]
    return "\n".join([*head, *_table(report, result), "", *map(_verdict_line, verdicts(result)), ""])


def _foreign_share(report: Report, result: SetResult) -> float:
    costs = [cost for done in result.passes for cost in done.phases.values()]
    offered = report.machine.cores * sum(cost.wall_seconds for cost in costs)
    return sum(cost.foreign_cpu_seconds for cost in costs) / offered if offered else 0.0


def _table(report: Report, result: SetResult) -> list[str]:
    table = medians(result)
    versions = {found.tool.name: found.version for found in report.tools}
    titles = ["figure", *(f"{tool} {versions[tool]}" for tool in table)]
    rows = [titles, ["---", *("---:" for _ in table)]]
    for figure in FIGURES:
        cells = [f"{figure.name}, {figure.unit}"]
        for tool in table:
            cell = f"{table[tool][figure.name]:.{figure.digits}f}"
            base = table.get(REFERENCES[0], {}).get(figure.name)
            cells.append(f"{cell} ({table[tool][figure.name] / base:.2f})" if base and tool != REFERENCES[0] else cell)
        rows.append(cells)
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    return [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |" for row in rows]


def _verdict_line(verdict: Verdict) -> str:
    bar = verdict.bar
    limit = f"at most {bar.limit:g} MB" if bar.absolute else f"at most {bar.limit:g} of {verdict.reference}'s"
    if verdict.value is None:
        return f"- not measured: {bar.figure}, {limit}"
    value = f"{verdict.value:.0f} MB" if bar.absolute else f"{verdict.value:.2f}"
    return f"- {'met' if verdict.met else 'MISSED'}: {bar.figure}, {limit}: {value}"


def as_json(report: Report) -> dict[str, object]:
    """The whole run, every single measurement included, as plain values."""
    return {
        "began": report.began.isoformat(timespec="seconds"),
        "machine": report.machine.line,
        "tools": {found.tool.name: found.version for found in report.tools},
        "sets": {result.title: _set_as_json(result) for result in report.results},
    }


def _set_as_json(result: SetResult) -> dict[str, object]:
    return {
        "files": len(result.plan.files),
        "bytes": result.plan.size,
        "scale": result.plan.scale,
        "medians": medians(result),
        "passes": [
            {
                "tool": done.tool,
                "pass": done.number + 1,
                "stored_first_bytes": done.stored_first,
                "stored_last_bytes": done.stored_last,
                "phases": {
                    phase.value: {
                        "wall_seconds": cost.wall_seconds,
                        "cpu_seconds": cost.cpu_seconds,
                        "peak_pss_bytes": cost.peak_pss_bytes,
                        "foreign_cpu_seconds": cost.foreign_cpu_seconds,
                        "sampler_cpu_seconds": cost.sampler_seconds,
                    }
                    for phase, cost in done.phases.items()
                },
            }
            for done in result.passes
        ],
        "verdicts": [
            {
                "figure": verdict.bar.figure,
                "limit": verdict.bar.limit,
                "against": None if verdict.bar.absolute else verdict.reference,
                "value": verdict.value,
                "met": verdict.met,
            }
            for verdict in verdicts(result)
        ],
    }


_TITLE = """# Benchmarks

Written by `make bench` (`python -m benchmarks`), which measures all tools in one run, in alternating passes;
each data set keeps the section of its last run at full size.
"""


def update_results(path: Path, name: str, text: str) -> None:
    """Put the section of a data set into the file, in place of its earlier one."""
    old = path.read_text() if path.exists() else _TITLE
    pattern = re.compile(rf"^## {re.escape(name)}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    if pattern.search(old):
        new = pattern.sub(lambda found: text + ("\n" if found.end() < len(old) else ""), old)
    else:
        new = f"{old.rstrip()}\n\n{text}"
    path.write_text(new)
