"""A worker does what a launch asks, tells of it, and leaves nothing behind, however it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.model.launch import StopCause
from drorch.model.run import RunKind, RunOutcome, Trigger
from drorch.orchestrator.supervision.heard import Moved
from drorch.process.family import family_of
from tests.app.working import Worked, Yard, until_there
from tests.cli.commandline import PASSWORD, drorch, fault_line
from tests.orchestrator.supervision.watching import all_heard
from tests.process.test_family import lives

CLOCK = SystemClock()


def slow_job(folder: Path) -> str:
    """A job whose command writes its pid to a file and then takes for ever, in a session of its own."""
    script = f"echo $$ > {folder}/pid; exec sleep 1000"
    return f"""
    [jobs.slow]
    source = {{ type = "command", dump = ["setsid", "-w", "sh", "-c", "{script}"], filename = "slow.dump" }}
    targets = ["one"]
    """


def test_a_job_is_run_on_its_targets_and_told_of(tmp_path: Path) -> None:
    yard = Yard.make(tmp_path)
    order = yard.order(user="somebody", trigger=Trigger.SCHEDULE)
    worked = yard.work(order)
    assert worked.ended.exit_code == 0
    assert [(told.run.target, told.run.kind, told.run.outcome) for told in worked.told] == [
        ("one", RunKind.BACKUP, RunOutcome.OK),
        ("two", RunKind.COPY, RunOutcome.OK),
    ]
    moved = [one for one in worked.heard if isinstance(one, Moved)]
    assert moved[0].target == "one"
    assert moved[0].kind == "backup"
    assert moved[0].counters.keys() == {"files_done", "bytes_done", "files_total", "bytes_total"}
    runs = yard.rows("select job, launch, trigger, username, outcome from run")
    assert sorted(runs) == sorted(
        (job, order.launch, "schedule", "somebody", "ok") for job in ("homes", "homes", "@state", "@state")
    )
    assert yard.rows("select count(*) from audit where action = 'run'") == [(0,)], "who made the launch enters it"
    assert yard.log(order.launch).splitlines()[-1] == "its process exited with status 0"


def test_a_job_is_run_on_some_of_its_targets_only(tmp_path: Path) -> None:
    yard = Yard.make(tmp_path)
    worked = yard.work(yard.order(targets=("two",)))
    assert [(told.run.target, told.run.kind) for told in worked.told] == [("two", RunKind.BACKUP)]
    assert {target for (target,) in yard.rows("select target from run")} == {"two"}


def test_a_target_is_checked_in_parts_and_that_is_proof(tmp_path: Path) -> None:
    yard = Yard.make(tmp_path)
    yard.work(yard.order())
    order = yard.order()
    worked = yard.check("one", part=(1, 1), launch=order.launch)
    assert worked.ended.exit_code == 0
    (told,) = worked.told
    assert (told.run.kind, told.run.outcome, told.run.target) == (RunKind.CHECK, RunOutcome.OK, "one")
    assert told.run.counters["packs_read"] == told.run.counters["packs"] > 0
    assert yard.rows("select launch, trigger from run where kind = 'check'") == [(order.launch, "schedule")]
    assert {level for (level,) in yard.rows("select level from proof where target = 'one'")} >= {1, 2}
    (lighter,) = yard.check("one").told
    assert lighter.run.counters["packs_read"] == 0


def test_damage_that_a_check_finds_is_its_exit_code(tmp_path: Path) -> None:
    yard = Yard.make(tmp_path)
    yard.work(yard.order(targets=("one",)))
    next(path for path in (tmp_path / "one" / "data").rglob("*") if path.is_file()).unlink()
    worked = yard.check("one")
    assert worked.ended.exit_code == 13
    assert worked.told[0].exit_code == 13
    assert worked.told[0].run.outcome is RunOutcome.FAILED
    assert yard.rows("select kind from finding") == [("damage",)]


def test_a_target_that_does_not_answer_is_told_with_its_fault(tmp_path: Path) -> None:
    yard = Yard.make(tmp_path)
    (tmp_path / "one").rename(tmp_path / "gone")
    worked = yard.work(yard.order())
    assert worked.ended.exit_code == 24
    failed = next(told for told in worked.told if told.run.target == "one")
    assert failed.exit_code == 24
    assert failed.fault is not None
    assert failed.fault.message == failed.run.problems[0].message
    checked = yard.check("one")
    assert checked.ended.exit_code == 10
    assert checked.told == []
    assert len(checked.complaints) == 1
    assert yard.rows("select outcome from run where kind = 'check'") == [("failed",)]


@pytest.mark.parametrize(
    ("spoil", "changes", "code"),
    [("nonsense = 1\n", {}, 4), ("", {"name": "unknown"}, 4), ("", {"targets": ("three",)}, 4)],
)
def test_what_cannot_be_begun_is_complained_of(tmp_path: Path, spoil: str, changes: dict[str, str], code: int) -> None:
    yard = Yard.make(tmp_path)
    yard.config.write_text(spoil + yard.config.read_text())
    worked = yard.work(yard.order(**changes))
    assert worked.ended.exit_code == code
    assert worked.told == []
    assert len(worked.complaints) == 1
    assert "Traceback" not in worked.complaints[0]


@pytest.mark.parametrize(
    ("reason", "cause", "outcome", "findings"),
    [
        ("root cancelled it", StopCause.CANCELLED, "cancelled", []),
        ("the daemon was stopped", StopCause.SHUTDOWN, "failed", [("run-failed", "slow@one")]),
    ],
)
def test_a_run_that_is_stopped_says_why(
    tmp_path: Path, reason: str, cause: StopCause, outcome: str, findings: list[tuple[str, str]]
) -> None:
    yard = Yard.make(tmp_path, extra=slow_job(tmp_path))
    with yard.ward(yard.order(name="slow", targets=("one",))) as ward:
        pid = int(until_there(ward, tmp_path / "pid"))
        ward.stop(reason, cause)
        worked = Worked(all_heard(ward))
    assert worked.ended.exit_code == 130
    assert worked.ended.stopped is cause
    assert not lives(pid)
    (problem,) = yard.rows("select message from problem")
    assert problem == (f"it was stopped: {reason}",)
    assert yard.rows("select outcome from run") == [(outcome,)]
    assert yard.rows("select kind, subject from finding") == findings
    assert list((tmp_path / "one" / "locks").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "outcome", "message"),
    [
        (signal.SIGTERM, "failed", "it was interrupted (Interrupted)"),
        (signal.SIGINT, "cancelled", "it was stopped: somebody cancelled it"),
    ],
)
def test_a_signal_from_outside_is_an_interruption(
    tmp_path: Path, number: signal.Signals, outcome: str, message: str
) -> None:
    yard = Yard.make(tmp_path, extra=slow_job(tmp_path))
    with yard.ward(yard.order(name="slow", targets=("one",))) as ward:
        until_there(ward, tmp_path / "pid")
        for each in (signal.SIGHUP, number):
            os.kill(ward.identity.pid, each)
        worked = Worked(all_heard(ward))
    assert worked.ended.exit_code == 130
    assert worked.ended.stopped is None
    assert yard.rows("select message from problem") == [(message,)]
    assert yard.rows("select outcome from run") == [(outcome,)]


def test_nothing_is_left_of_a_worker_that_is_killed(tmp_path: Path) -> None:
    yard = Yard.make(tmp_path, extra=slow_job(tmp_path))
    order = yard.order(name="slow", targets=("one",))
    with yard.ward(order) as ward:
        pid = int(until_there(ward, tmp_path / "pid"))
        os.kill(ward.identity.pid, signal.SIGKILL)
        worked = Worked(all_heard(ward))
    assert worked.ended.exit_code is None
    assert worked.ended.reason == "its process was killed by SIGKILL"
    assert not lives(pid)
    assert family_of(order.launch) == []
    assert yard.rows("select outcome from run where launch != ''") == [("running",)], "the daemon settles it"


def test_nothing_is_left_of_a_worker_whose_daemon_is_killed(tmp_path: Path) -> None:
    yard = Yard.make(tmp_path, extra=slow_job(tmp_path))
    order = yard.order(name="slow", targets=("one",))
    daemon = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from drorch.clock import SystemClock\n"
        "from drorch.orchestrator.supervision.order import Order\n"
        "from drorch.orchestrator.supervision.ward import Charge, Ward\n"
        "ward = Ward(Charge(Order.from_json(sys.argv[1]), Path(sys.argv[2])), SystemClock())\n"
        "print(ward.identity.pid, flush=True)\n"
        "threading.Event().wait()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", daemon, order.to_json(), str(yard.state)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        worker = int(process.stdout.readline())
        end = CLOCK.monotonic() + 60
        while not (tmp_path / "pid").exists() and CLOCK.monotonic() < end:
            CLOCK.sleep(0.05)
        CLOCK.sleep(0.1)
        pid = int((tmp_path / "pid").read_text())
        assert lives(worker)
        assert lives(pid)
        process.kill()
        while (lives(worker) or lives(pid)) and CLOCK.monotonic() < end:
            CLOCK.sleep(0.02)
    assert not lives(worker)
    assert not lives(pid)
    assert family_of(order.launch) == []


def test_no_secret_is_told_or_written(tmp_path: Path) -> None:
    noisy = f"""
    [jobs.noisy]
    source = {{ type = "command", dump = ["sh", "-c", "cat {tmp_path}/password >&2; exit 3"], filename = "x" }}
    targets = ["one"]
    """
    yard = Yard.make(tmp_path, extra=noisy)
    order = yard.order(name="noisy", targets=("one",))
    worked = yard.work(order)
    assert worked.ended.exit_code == 31
    told = json.dumps([one.document() for one in worked.told], ensure_ascii=False)
    assert PASSWORD not in told
    assert PASSWORD not in yard.log(order.launch)
    assert not any(PASSWORD in text for (text,) in yard.rows("select message from problem"))


@pytest.mark.parametrize("limit", [24 << 20, 80 << 20])
def test_a_worker_keeps_to_its_memory_and_says_so(tmp_path: Path, limit: int) -> None:
    yard = Yard.make(tmp_path)
    worked = yard.work(yard.order(memory=limit))
    assert worked.ended.exit_code == 1
    assert worked.told == []
    assert [f"its limit is {limit >> 20} MiB" in complaint for complaint in worked.complaints] == [True]


def test_nobody_else_starts_a_worker() -> None:
    done = drorch("worker", "ab" * 16, status=1)
    assert "only the daemon starts a worker" in fault_line(done)
