"""The two streams of a command: the result on stdout, all else on stderr; for people or as JSON lines.

Whatever passes through here is escaped first, whoever wrote it.
"""

import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from drorch.cli.output.escaping import visible, width
from drorch.errors import Problem


def json_text(value: object) -> str:
    r"""One line of JSON in plain ASCII; a byte that is not UTF-8 stands as a lone surrogate, `"\udcff"`."""
    return json.dumps(value, separators=(",", ":")).replace("\x7f", "\\u007f")


def plain_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table for files and pipes: columns padded with blanks, a rule under the headers."""
    shown = [list(map(visible, row)) for row in rows]
    columns = [max(map(width, column)) for column in zip(headers, *shown, strict=True)]
    lines = [_padded(row, columns) for row in (headers, *shown)]
    return [lines[0], "-" * max(map(width, lines)), *lines[1:]]


def _padded(row: Sequence[str], columns: Sequence[int]) -> str:
    return "  ".join(cell + " " * (size - width(cell)) for cell, size in zip(row, columns, strict=True)).rstrip()


@dataclass(frozen=True, slots=True)
class Output:
    """Where a command writes, and how much of it. `verbosity` is -1 for quiet, 0, 1 or 2."""

    json: bool = False
    verbosity: int = 0

    @property
    def out(self) -> TextIO:
        """Standard output, as text."""
        return sys.stdout

    @property
    def raw(self) -> BinaryIO:
        """Standard output, for bytes."""
        return sys.stdout.buffer

    def message(self, value: object) -> None:
        """One object of the result, as a line of JSON."""
        self.out.write(json_text(value) + "\n")

    def line(self, text: str = "") -> None:
        """One line of the result, for people."""
        self.out.write(visible(text) + "\n")

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table of the result, for people."""
        if self.out.isatty():
            importlib.import_module("drorch.cli.output.terminal").print_table(self.out, headers, rows)
        else:
            self.out.write("".join(line + "\n" for line in plain_table(headers, rows)))

    def note(self, text: str) -> None:
        """Something worth knowing beside the result; not with --quiet or --json."""
        if not self.json and self.verbosity >= 0:
            sys.stderr.write(visible(text) + "\n")

    def detail(self, text: str) -> None:
        """Something worth knowing with --verbose."""
        if self.verbosity > 0:
            self.note(text)

    def problem(self, problem: Problem, *, during: str) -> None:
        """A fault that did not stop the work; shown even with --quiet."""
        if self.json:
            self.error_object(
                {
                    "message_type": "error",
                    "error": {"message": problem.message},
                    "during": during,
                    "item": problem.subject,
                }
            )
        else:
            sys.stderr.write(visible(f"{during}: {problem.subject}: {problem.message}") + "\n")

    def error_object(self, value: Mapping[str, object]) -> None:
        """One object about a fault, as a line of JSON on stderr."""
        sys.stderr.write(json_text(value) + "\n")
