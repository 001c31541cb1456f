"""The benchmark runs at toy size, judges rightly, and leaves nothing behind, even when it is stopped."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks.datasets import DataSet, large_plan, plan_named, read_all, stored_bytes, tree_plan
from benchmarks.machine import Machine
from benchmarks.measure import BenchmarkFailed, Command, Measurement, measured
from benchmarks.passes import ToolPass
from benchmarks.report import Report, SetResult, section, update_results, verdicts
from benchmarks.tools import Drorch, FoundTool, Phase, Restic

_ROOT = Path(__file__).parents[2]
_TOY = ["--scale", "0.004", "--passes", "1", "--sets", "tree"]


@pytest.fixture
def restic() -> None:
    if shutil.which("restic") is None:
        reason = "restic is not on PATH"
        if os.environ.get("DRORCH_REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(reason)


def _argv(work: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *_TOY, "--work", str(work), *more]


@pytest.mark.usefixtures("restic")
def test_a_toy_run_measures_drorch_beside_restic(tmp_path: Path) -> None:
    out, results, work = tmp_path / "out.json", tmp_path / "RESULTS.md", tmp_path / "work"
    argv = _argv(work, "--tools", "drorch,restic", "--json", str(out), "--results", str(results))
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    measured_set = json.loads(out.read_text())["sets"]["tree"]
    for tool in ("drorch", "restic"):
        figures = measured_set["medians"][tool]
        assert figures["first backup"] > 0
        assert figures["CPU of restore"] > 0
        assert 5 < figures["peak PSS"] < 1000
        assert measured_set["bytes"] * 0.4e-6 < figures["stored after first backup"] <= figures["stored in the end"]
    assert {verdict["met"] for verdict in measured_set["verdicts"]} <= {True, False}
    assert results.read_text().count("## tree") == 1
    assert not list(work.glob("run-*"))


@pytest.mark.usefixtures("restic")
@pytest.mark.parametrize("site", ["s3", "sftp"])
def test_a_toy_run_measures_over_a_server(tmp_path: Path, site: str) -> None:
    out = tmp_path / "out.json"
    argv = _argv(tmp_path / "work", "--sets", "noise", "--sites", site, "--tools", "drorch,restic", "--json", str(out))
    done = subprocess.run(argv, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [(title, measured_set)] = json.loads(out.read_text())["sets"].items()
    assert title == f"noise over {site}"
    assert set(measured_set["medians"]) == {"drorch", "restic"}
    assert {verdict["figure"] for verdict in measured_set["verdicts"]} == {"first backup", "restore", "peak PSS"}
    assert not list((tmp_path / "work").glob("run-*"))


@pytest.mark.usefixtures("restic")
def test_a_stopped_run_leaves_no_folder_and_no_child(tmp_path: Path) -> None:
    child = subprocess.Popen(_argv(tmp_path, "--tools", "restic"), cwd=_ROOT, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    with child.stderr as said:
        for line in said:
            if "restic: init" in line:
                break
        assert list(tmp_path.glob("run-*"))
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 130
    assert not list(tmp_path.glob("run-*"))
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if _mentions(path, tmp_path)]


def test_the_real_plans_are_as_large_as_they_say() -> None:
    tree, large = tree_plan(1), large_plan(1)
    assert len(tree.files) >= 50_000
    assert tree.size >= 3_000_000_000
    assert max(len(file.path.parent.parts) for file in tree.files) == 8
    assert len({file.content for file in tree.files}) < len(tree.files)
    assert len(large.files) == 8
    assert large.size >= 1_000_000_000
    touched = len(tree.change.rewritten) + len(tree.change.added)
    assert touched == len(tree.files) // 100
    folders = {file.path.parent for file in tree.files}
    assert {file.path.parent for file in tree.change.added} <= folders


@pytest.mark.parametrize("name", ["tree", "large", "noise"])
def test_a_data_set_is_changed_and_put_back_to_the_byte(tmp_path: Path, name: str) -> None:
    data = DataSet(plan_named(name, 0.002), tmp_path)
    data.prepare()
    base = _content(data.folder)
    assert stored_bytes(data.folder) == data.plan.size
    with data.changed():
        during = _content(data.folder)
        assert {path: len(content) for path, content in during.items()} == data.changed_sizes()
        assert during != base
    assert _content(data.folder) == base
    read_all(data.folder)


def test_a_data_set_left_changed_is_put_back_before_use(tmp_path: Path) -> None:
    data = DataSet(plan_named("tree", 0.002), tmp_path)
    data.prepare()
    base = _content(data.folder)
    program = (
        "import os, pathlib, signal, sys\n"
        "from benchmarks.datasets import DataSet, plan_named\n"
        "with DataSet(plan_named('tree', 0.002), pathlib.Path(sys.argv[1])).changed():\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=_ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert _content(data.folder) != base
    DataSet(data.plan, tmp_path).prepare()
    assert _content(data.folder) == base


def test_memory_and_cpu_of_a_whole_process_tree_are_counted(tmp_path: Path) -> None:
    grandchild = "import time; kept = b'x' * 60_000_000; time.sleep(0.4)"
    program = (
        f"import subprocess, sys; kept = b'x' * 40_000_000; subprocess.run([sys.executable, '-c', {grandchild!r}])"
    )
    argv = [sys.executable, "-c", program]
    cost = measured(Command(argv, dict(os.environ), tmp_path), tmp_path / "log")
    assert 100e6 < cost.peak_pss_bytes < 150e6
    assert cost.cpu_seconds > 0
    assert cost.wall_seconds > 0.4


def test_a_tool_that_fails_is_quoted(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", "print('no such thing'); raise SystemExit(3)"]
    with pytest.raises(BenchmarkFailed, match=r"(?s)exited with status 3.*no such thing"):
        measured(Command(argv, dict(os.environ), tmp_path), tmp_path / "log")


def test_verdicts_say_met_missed_and_not_measured() -> None:
    costs = {"first backup": 8.0, "unchanged second backup": 12.0}
    both = SetResult("tree", tree_plan(0.001), (_pass("restic", {}, 100), _pass("drorch", costs, 103)))
    judged = {verdict.bar.figure: verdict.met for verdict in verdicts(both)}
    assert judged == {
        "first backup": True,
        "unchanged second backup": False,
        "restore": True,
        "stored after first backup": False,
        "stored in the end": False,
        "peak PSS": True,
    }
    alone = SetResult(both.title, both.plan, both.passes[:1])
    assert {verdict.met for verdict in verdicts(alone)} == {None}


def test_results_replace_only_their_own_section(tmp_path: Path) -> None:
    tools = [FoundTool(Drorch("drorch", Path("drorch")), "1.0"), FoundTool(Restic("restic", Path("restic")), "0.14.0")]
    machine = Machine(2, "some CPU", "Linux 6.1", "ext4", 0.0)
    report = Report(datetime(2024, 3, 1, tzinfo=UTC), machine, tools, ())
    results = tmp_path / "RESULTS.md"
    for seconds in (7.0, 5.0):
        for plan in (tree_plan(0.001), large_plan(0.001)):
            passes = (_pass("drorch", {"first backup": seconds}, 100), _pass("restic", {}, 100))
            update_results(results, plan.name, section(report, SetResult(plan.name, plan, passes)))
    text = results.read_text()
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## tree", "## large"]
    assert "7.00" not in text
    assert text.count("5.00 (0.50)") == 2
    assert "Other work took 26% of the machine's cores meanwhile." in text
    assert "- met: first backup, at most 0.9 of restic's: 0.50" in text


def _mentions(cmdline: Path, folder: Path) -> bool:
    try:
        return str(folder).encode() in cmdline.read_bytes()
    except OSError:
        return False


def _pass(tool: str, seconds: Mapping[str, float], stored: int) -> ToolPass:
    phases = {phase: Measurement(seconds.get(phase.value, 10.0), 1.0, 400_000_000, 0.0, 5.0) for phase in Phase}
    return ToolPass(tool, 0, phases, stored, stored)


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
