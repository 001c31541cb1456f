"""Progress: a bar where somebody looks, a line a second for programs, silence elsewhere."""

import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from drorch.actions.progress import Step
from drorch.cli.output.terminal import Bar
from drorch.cli.output.ticker import showing
from drorch.cli.output.writer import Output
from tests.cli.commandline import command_line, drorch, environment, new_repository


def test_a_line_a_second_with_json(capsys: pytest.CaptureFixture[str]) -> None:
    with showing(Output(json=True), "backup", terminal=True) as progress:
        progress.total(4, 1000)
        progress.advance(1, 250)
        progress.at("/a\x1b")
        threading.Event().wait(1.5)
    (line,) = capsys.readouterr().out.splitlines()
    assert "\x1b" not in line
    assert json.loads(line) == {
        "message_type": "status",
        "seconds_elapsed": 1,
        "percent_done": 0.25,
        "total_files": 4,
        "files_done": 1,
        "total_bytes": 1000,
        "bytes_done": 250,
        "current_files": ["/a\x1b"],
    }


@pytest.mark.parametrize(
    ("output", "terminal"),
    [(Output(), False), (Output(verbosity=-1), True), (Output(json=True, verbosity=-1), True)],
)
def test_silence(capsys: pytest.CaptureFixture[str], output: Output, terminal: bool) -> None:
    with showing(output, "backup", terminal=terminal) as progress:
        progress.advance(1, 1)
        threading.Event().wait(0.5)
    assert capsys.readouterr() == ("", "")


def test_a_bar_obeys_no_name(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with showing(Output(), "restore", terminal=True) as progress:
        progress.total(2, 2000)
        progress.advance(1, 1000)
        progress.at("/[red]x\x1b]0;title\x07")
        threading.Event().wait(0.6)
    shown = capsys.readouterr().err
    assert "\x1b]0;" not in shown
    assert "\x07" not in shown


def test_a_bar_knows_totals_or_does_without(tmp_path: Path) -> None:
    with (tmp_path / "shown").open("w+") as stream:
        bar = Bar(stream, "check")
        bar.show(Step(files_done=1, bytes_done=10, current="/x"))
        bar.show(Step(files_done=2, bytes_done=20, files_total=2, bytes_total=20))
        bar.close()


def test_a_bar_on_a_terminal_goes_away_and_the_result_stays(tmp_path: Path) -> None:
    new_repository(tmp_path / "r")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a").write_text("a\n")
    ours, theirs = os.openpty()
    with subprocess.Popen(
        command_line("-r", tmp_path / "r", "backup", tmp_path / "src"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment({"TERM": "xterm"}),
    ) as child:
        os.close(theirs)
        out, _ = child.communicate(timeout=60)
    shown = _drained(ours)
    assert child.returncode == 0
    assert b"saved" in out
    assert b"\x1b" not in out
    assert b"backup" in shown
    assert shown.rstrip().endswith(b"\x1b[2K") or b"\x1b[?25h" in shown
    assert drorch("-r", tmp_path / "r", "snapshots", "-q").stdout.count(b"\n") == 3


def _drained(descriptor: int) -> bytes:
    pieces = []
    try:
        while piece := os.read(descriptor, 65536):
            pieces.append(piece)
    except OSError:
        """The other end is closed: that is how a terminal says that all has been read."""
    os.close(descriptor)
    return b"".join(pieces)
