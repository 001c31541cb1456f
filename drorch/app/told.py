"""What is told of a run that has ended, as a value that travels: from the process that did it to whoever shows it.

Promise: what is shown is the same, whether the run was done here or by a worker of the daemon. The engine is not loaded
for it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from drorch.catalog.record import Record, from_json, to_json
from drorch.errors import CatalogError, Problem
from drorch.model.run import Run


@dataclass(frozen=True, slots=True)
class ToldFault:
    """An error that ended a run: what was said, what to type next, what it consists of, whether it may pass."""

    message: str
    hint: str = ""
    problems: tuple[Problem, ...] = ()
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A run that has ended; alarms about its target, the error where it failed, the exit code that it stands for."""

    run: Run
    exit_code: int
    alarms: tuple[Problem, ...] = ()
    fault: ToldFault | None = None

    def document(self) -> dict[str, Any]:
        """The same as values that JSON knows."""
        fault = self.fault
        return {
            "run": json.loads(to_json(Record(self.run))),
            "exit_code": self.exit_code,
            "alarms": _pairs(self.alarms),
            "fault": None
            if fault is None
            else {
                "message": fault.message,
                "hint": fault.hint,
                "problems": _pairs(fault.problems),
                "retryable": fault.retryable,
            },
        }

    @staticmethod
    def of(document: object) -> "Told":
        """The same again. Raises `ValueError` where the document is none of these."""
        try:
            assert isinstance(document, Mapping)
            fault = document["fault"]
            return Told(
                run=from_json(json.dumps(document["run"])).run,
                exit_code=int(document["exit_code"]),
                alarms=_problems(document["alarms"]),
                fault=None
                if fault is None
                else ToldFault(
                    str(fault["message"]), str(fault["hint"]), _problems(fault["problems"]), bool(fault["retryable"])
                ),
            )
        except (AssertionError, CatalogError, KeyError, TypeError, AttributeError) as fault:
            raise ValueError("this tells of no run") from fault

    def to_json(self) -> str:
        """The same as one line of JSON in ASCII; names that are no valid text survive."""
        return json.dumps(self.document(), separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "Told":
        """The same again. Raises `ValueError` where the text is none of these."""
        return Told.of(json.loads(text))

    def within(self, size: int) -> "Told":
        """The same with as many of its problems as fit into so many bytes of JSON, and how many more there were."""
        told, kept = self, len(self.run.problems)
        while kept and len(told.to_json()) > size:
            kept //= 2
            more = Problem("", f"and {len(self.run.problems) - kept} more problems")
            told = replace(self, run=replace(self.run, problems=(*self.run.problems[:kept], more)))
        return told


def _pairs(problems: Sequence[Problem]) -> list[list[str]]:
    return [[problem.subject, problem.message] for problem in problems]


def _problems(pairs: Sequence[Sequence[str]]) -> tuple[Problem, ...]:
    return tuple(Problem(str(subject), str(message)) for subject, message in pairs)
