"""run, status, pause, resume, cancel and reload as an operator meets them, with a daemon and without one."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drorch.app import configuration as app_configuration
from drorch.app.told import Told, ToldFault
from drorch.errors import ConfigError, Problem
from drorch.ids import SnapshotId
from drorch.model.launch import Launch, LaunchState
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.orchestrator.control.contract import Coming, Identity, PauseOrder, RunOrder
from tests.cli.commandline import command_line, environment
from tests.cli.installation import Installation
from tests.orchestrator.control.desk import NOON, PATIENCE, Desk, Served, launch_of, served

COUNTERS = {"total_files_processed": 3, "total_bytes_processed": 2048, "data_added_packed": 1024}
SAVED = Run(
    "a" * 32,
    "homes",
    RunKind.BACKUP,
    "web1",
    NOON,
    "one",
    NOON + timedelta(seconds=2),
    RunOutcome.OK,
    SnapshotId(b"\x12" * 32),
    COUNTERS,
)
FAILED = replace(SAVED, target="two", kind=RunKind.COPY, outcome=RunOutcome.FAILED, snapshot=None, counters={})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation.make(tmp_path_factory.mktemp("installation"))


@pytest.fixture
def desk(made: Installation) -> Iterator[Served]:
    digest = app_configuration.load(str(made.config)).digest
    core = Desk(Identity("1.0", made.config, made.state, digest))
    with served(made.state / "control.sock", core) as open_desk:
        yield open_desk


def ends(desk: Served, told: list[Told], code: int, reason: str = "") -> None:
    """Have the desk tell so of every launch, and end it."""

    def ran(launch: Launch) -> None:
        def tell() -> None:
            step = {"files_done": 1, "bytes_done": 10, "files_total": 3, "bytes_total": 30, "current": "/a"}
            desk.server.tell(launch.id, {"progress": {"kind": "backup", "target": "one", **step}})
            desk.server.tell(launch.id, {"log": {"level": "note", "message": "one is tried again"}})
            for one in told:
                desk.server.tell(launch.id, {"told": one.document()})
            desk.server.tell(launch.id, {"complaint": "the spool is full"})
            desk.server.tell_end(replace(launch, state=LaunchState.FAILED, exit_code=code, reason=reason))

        desk.todo.put(tell)

    desk.desk.ran = ran


def test_a_daemon_runs_a_job_and_the_same_is_shown(made: Installation, desk: Served) -> None:
    fault = ToldFault("target two does not answer", "Wait, or look at it.")
    ends(desk, [Told(SAVED, 0, (Problem("one", "a snapshot vanished"),)), Told(FAILED, 24, (), fault)], 24)
    done = made.run("run", "homes", "-t", "one", status=24)
    assert done.stdout.decode() == "homes@one: ok, snapshot 12121212: 3 files, 2.000 KiB, 1.000 KiB stored, in 2.0 s\n"
    assert done.stderr.decode().splitlines() == [
        "one is tried again",
        "alarm: one: a snapshot vanished",
        "run: homes@two: target two does not answer. Wait, or look at it.",
        "warning: drorch: the spool is full",
    ]
    [(_, order, doer)] = desk.desk.asked
    assert order == RunOrder(("homes",), "one")  # type: ignore[arg-type]
    assert doer.uid == os.getuid()


def test_json_is_the_same_as_without_a_daemon(made: Installation, desk: Served) -> None:
    ends(desk, [Told(SAVED, 0)], 0)
    told = [one for one in made.said("run", "homes") if one["message_type"] == "run"]
    desk.path.rename(desk.path.with_name("away"))
    try:
        [here, _there] = [one for one in made.said("run", "homes") if one["message_type"] == "run"]
    finally:
        desk.path.with_name("away").rename(desk.path)
    assert [set(one) for one in told] == [set(here)]
    assert told[0]["counters"] == COUNTERS
    assert (told[0]["outcome"], told[0]["exit_code"]) == ("ok", 0)


def test_a_launch_that_dies_says_why(made: Installation, desk: Served) -> None:
    ends(desk, [Told(SAVED, 0)], 1, "killed by SIGKILL")
    assert "run: homes: killed by SIGKILL" in made.run("run", "homes", status=1).stderr.decode()


def test_what_the_daemon_refuses_is_one_line(made: Installation, desk: Served) -> None:
    done = made.run("run", "homs", status=4)
    assert done.stderr.decode() == (
        f'drorch: there is no job "homs" in {desk.desk.who.config}. Its jobs: homes, orders.\n'
    )
    desk.desk.skipped = "a launch of homes waits already"
    assert "waits already" in made.run("run", "homes", status=61).stderr.decode()


def test_an_interruption_cancels_what_was_asked_for(made: Installation, desk: Served) -> None:
    desk.desk.stopped = lambda _launch: desk.desk.launches.clear()
    argv = command_line("-c", made.config, "run", "homes")
    with subprocess.Popen(argv, env=environment(), stderr=subprocess.PIPE) as child:
        desk.until(lambda: bool(desk.desk.launches))
        [launch] = desk.desk.launches
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=PATIENCE)
    assert (child.returncode, said) == (130, b"drorch: interrupted by SIGINT\n")
    assert [(verb, what) for verb, what, _ in desk.desk.asked][1:] == [("cancel", launch.id)]


def test_a_daemon_that_dies_is_told_of(made: Installation) -> None:
    digest = app_configuration.load(str(made.config)).digest
    with served(made.state / "control.sock", Desk(Identity("1.0", made.config, made.state, digest))) as desk:
        child = subprocess.Popen(command_line("-c", made.config, "run", "homes"), env=environment(), stderr=-1)
        desk.until(lambda: bool(desk.desk.launches))
    with child:
        said = child.communicate(timeout=PATIENCE)[1]
    assert child.returncode == 65
    assert b"hung up" in said
    assert len(said.splitlines()) == 1


def test_status_shows_what_the_daemon_does(made: Installation, desk: Served) -> None:
    running = launch_of("homes", state=LaunchState.RUNNING, started=NOON, user="anna")
    desk.desk.launches.append(running)
    desk.desk.coming = (Coming(running.work, NOON, NOON + timedelta(minutes=3)),)
    made.run("pause", "orders", "--for", "2h", "--reason", "Umzug nach Köln")
    [(_, order, _doer)] = desk.desk.asked
    assert isinstance(order, PauseOrder)
    assert order.reason == "Umzug nach Köln"
    said = made.run("status").stdout.decode()
    assert "daemon 1.0, process 4711" in said
    assert running.id[:8] in said
    assert "orders rests until" in said
    assert "by anna" in said
    [told] = made.said("status")
    assert told["daemon"]["launches"][0]["progress"]["files_done"] == 3
    assert told["daemon"]["next"][0]["name"] == "homes"
    assert told["pauses"][0]["reason"] == "Umzug nach Köln"
    assert {job["job"] for job in told["jobs"]} == {"homes"}


def test_a_configuration_that_changed_since_is_told_of(made: Installation, desk: Served) -> None:
    desk.desk.who = replace(desk.desk.who, digest="0" * 64)
    assert "drorch reload" in made.run("status").stderr.decode()


def test_a_configuration_with_faults_is_told_of_and_the_daemon_works_on(made: Installation, desk: Served) -> None:
    sound = made.config.read_text()
    made.config.write_text(sound + "unknown = 1\n")
    try:
        done = made.run("status")
        assert "daemon 1.0" in done.stdout.decode()
        assert "the daemon works with what it said before" in done.stderr.decode()
        [told] = made.said("status")
        assert (told["jobs"], told["daemon"]["pid"]) == (None, 4711)
        desk.desk.broken = ConfigError("jobs.toml has a fault", problems=[Problem("jobs.toml:9:1", "unknown key")])
        refused = made.run("reload", status=4).stderr.decode().splitlines()
        assert refused == ["jobs.toml:9:1: unknown key", "drorch: jobs.toml has a fault"]
    finally:
        made.config.write_text(sound)


def test_pause_resume_cancel_and_reload_ask_the_daemon(made: Installation, desk: Served) -> None:
    assert "every schedule rests until it is resumed" in made.run("pause").stdout.decode()
    assert "every schedule rests no longer" in made.run("resume").stdout.decode()
    assert "nothing" in made.run("resume", "homes").stderr.decode()
    desk.desk.launches.append(launch_of("homes"))
    assert "of homes is cancelled" in made.run("cancel", "homes").stdout.decode()
    assert made.said("cancel", desk.desk.launches[0].id[:8])[0]["name"] == "homes"
    assert "no launch" in made.run("cancel", "other", status=64).stderr.decode()
    assert str(made.config) in made.run("reload").stdout.decode()
    verbs = [verb for verb, *_ in desk.desk.asked]
    assert verbs == ["pause", "resume", "resume", "cancel", "cancel", "cancel", "reload"]


def audited(made: Installation, action: str) -> list[dict[str, Any]]:
    rows = made.rows("select action, detail from audit order by seq")
    return [json.loads(detail) for name, detail in rows if name == action]


def test_without_a_daemon_a_pause_is_written_down(made: Installation) -> None:
    assert "homes rests until it is resumed" in made.run("pause", "homes", "--reason", "moving").stdout.decode()
    assert "homes rests until it is resumed, by" in made.run("status").stdout.decode()
    [told] = made.said("status")
    assert (told["pauses"][0]["job"], told["daemon"]) == ("homes", None)
    [ended] = made.said("resume")
    assert (ended["message_type"], ended["job"], ended["reason"]) == ("resume", "homes", "moving")
    assert made.said("status")[0]["pauses"] == []
    assert audited(made, "pause")[-1]["job"] == "homes"
    assert audited(made, "resume")[-1]["job"] == "all"


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (("pause", "nothing"), 4, 'no job "nothing"'),
        (("pause", "--for", "0s"), 64, "no time"),
        (("pause", "--reason", "two\nlines"), 64, "no reason"),
        (("cancel", "homes"), 64, "nothing that is called homes runs"),
        (("reload",), 65, "no daemon works with"),
    ],
)
def test_what_cannot_be_done_is_said(made: Installation, arguments: tuple[str, ...], status: int, part: str) -> None:
    said = made.run(*arguments, status=status).stderr.decode()
    assert part in said
    assert len(said.splitlines()) == 1


def test_without_a_daemon_whoever_runs_a_job_is_told_to_stop(made: Installation) -> None:
    plain = made.config.read_text()
    made.config.write_text(plain + '\nhooks = [{ when = "before", command = ["sleep", "600"], timeout = "20m" }]\n')
    try:
        with subprocess.Popen(command_line("-c", made.config, "run", "homes"), env=environment(), stderr=-1) as child:
            try:
                wait_until_locked(made.state / "locks" / "homes.lock")
                said = made.run("cancel", "homes").stdout.decode()
                assert f"process {child.pid}" in said
                child.communicate(timeout=PATIENCE)
            finally:
                child.kill()
    finally:
        made.config.write_text(plain)
    assert child.returncode == 130
    assert audited(made, "cancel")[-1]["job"] == "homes"
    [newest] = made.rows("select outcome from run order by started desc limit 1")
    assert newest == ("cancelled",)
    assert made.rows("select * from finding where kind = 'run-failed'") == []


def test_whoever_else_holds_the_lock_is_left_alone(made: Installation) -> None:
    lock = made.state / "locks" / "homes.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    program = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, fcntl.LOCK_EX); time.sleep(600)"
    with subprocess.Popen([command_line()[0], "-c", program, lock]) as child:
        wait_until_locked(lock)
        assert "none of drorch's" in made.run("cancel", "homes", status=1).stderr.decode()
        assert child.poll() is None
        child.kill()


def wait_until_locked(lock: Path) -> None:
    ends = time.monotonic() + PATIENCE
    while not (lock.exists() and f":{lock.stat().st_ino} " in Path("/proc/locks").read_text()):
        assert time.monotonic() < ends
        time.sleep(0.02)
