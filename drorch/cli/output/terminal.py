"""What is drawn with rich; imported only where a terminal is there to see it."""

import sys
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from drorch.actions.progress import Step
from drorch.cli.output.escaping import visible

_PATH_COLUMNS = 40


def print_table(stream: TextIO, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Draw a table; cells are shown as they are, never read as markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    Console(file=stream, highlight=False, markup=False, emoji=False).print(table)


class Bar:
    """A progress bar on a terminal: files, bytes, time, and the path being worked on."""

    def __init__(self, stream: TextIO, verb: str) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[files]} files", markup=False),
            DownloadColumn(binary_units=True),
            TimeElapsedColumn(),
            TextColumn("{task.fields[current]}", markup=False),
            console=Console(file=stream, highlight=False, markup=False, emoji=False),
            auto_refresh=False,
            transient=True,
        )
        self._task: TaskID = self._progress.add_task(verb, total=None, files="0", current="")
        self._progress.start()

    def show(self, step: Step) -> None:
        """Draw where things stand."""
        files = f"{step.files_done}/{step.files_total}" if step.files_total else str(step.files_done)
        self._progress.update(
            self._task,
            completed=step.bytes_done,
            total=step.bytes_total or None,
            files=files,
            current=visible(step.current)[-_PATH_COLUMNS:],
            refresh=True,
        )

    def close(self) -> None:
        """Take the bar away and give the cursor back."""
        self._progress.stop()


def bar(verb: str) -> Bar:
    """A bar on stderr."""
    return Bar(sys.stderr, verb)
