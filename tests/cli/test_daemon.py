"""The daemon with real runs: what is due is run, what runs is watched over, and whatever happens is told as it was."""

import json
import os
import resource
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import command_line, drorch, environment
from tests.cli.daemons import Daemon, command_job, daemon, install, nobody_is_left_of, write
from tests.process.test_family import lives

DAILY = 'schedule = "@daily"'
NEVER = 'schedule = "0 0 1 1 *"'


def rows(config: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(config.parent / "state" / "catalog.sqlite")) as catalog:
        return catalog.execute(query).fetchall()


def messages(config: Path) -> list[str]:
    return [message.decode() for (message,) in rows(config, "select message from problem")]


def launches(config: Path) -> list[tuple[Any, ...]]:
    return rows(config, "select name, state, attempt from launch order by asked")


def runs(config: Path, job: str) -> list[tuple[Any, ...]]:
    found = rows(config, "select outcome, trigger, job from run order by started")
    return [one[:2] for one in found if one[2] == job]


def test_a_missed_run_is_made_up_for_once(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=DAILY))
    with daemon(config) as first:
        first.wait(lambda: first.ended("dump"))
        assert first.end() == 0
    with daemon(config) as second:
        time.sleep(1)
        assert second.ask(verb="status")["status"]["launches"] == []
    assert launches(config) == [("dump", "ok", 1)]
    assert runs(config, "dump") == [("ok", "schedule")]
    drorch("-c", config, "status")


def test_a_job_that_follows_another_runs_when_that_has_ended(tmp_path: Path) -> None:
    jobs = command_job("dump", "date", more=DAILY) + command_job("copyout", "date", more='after = "dump"')
    config = install(tmp_path, jobs)
    with daemon(config) as running:
        running.wait(lambda: running.ended("copyout"))
        assert [one["subject"] for one in running.ended()] == ["dump", "copyout"]
        assert running.ended("copyout")[0]["state"] == "ok"


def test_what_is_asked_for_by_hand_runs_and_is_in_the_audit_log(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=NEVER))
    with daemon(config) as running:
        answer = running.ask(verb="run", jobs=["dump"])
        assert [one["state"] for one in answer["run"]] == ["queued"]
        running.wait(lambda: running.ended("dump"))
        assert "error" in running.ask(verb="run", jobs=["other"])
    assert runs(config, "dump") == [("ok", "hand")]
    said = drorch("-c", config, "audit", "list", "--json").stdout.decode()
    assert [json.loads(line)["action"] for line in said.splitlines()].count("run") == 1


def test_a_run_whose_process_is_killed_has_failed_and_leaves_nobody(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "sleep", "1000", more=NEVER))
    with daemon(config) as running:
        running.ask(verb="run", jobs=["dump"])
        running.wait(running.running)
        (launch,) = running.running()
        running.wait(lambda: runs(config, "dump"))
        (worker,) = rows(config, "select pid from launch where state = 'running'")[0]
        os.kill(worker, signal.SIGKILL)
        running.wait(lambda: running.ended("dump"))
        nobody_is_left_of([launch])
        assert "killed by SIGKILL" in running.ended("dump")[0]["message"]
    assert runs(config, "dump") == [("failed", "hand")]
    assert any("SIGKILL" in message for message in messages(config))
    shown = drorch("-c", config, "status").stdout.decode()
    assert "failed" in shown


def test_a_run_that_takes_too_long_is_ended_and_says_so(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "sleep", "1000", more=f'{NEVER}\nmax_runtime = "3s"'))
    with daemon(config) as running:
        (launch,) = (one["id"] for one in running.ask(verb="run", jobs=["dump"])["run"])
        running.wait(lambda: running.ended("dump"))
        nobody_is_left_of([launch])
    assert runs(config, "dump") == [("failed", "hand")]
    assert ["longer than 3s" in message for message in messages(config)] == [True]


def test_a_daemon_that_is_stopped_ends_what_runs_and_takes_it_up_again(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    slow_once = ["sh", "-c", f"test -e {marker} || {{ touch {marker}; sleep 1000; }}; date"]
    config = install(tmp_path, command_job("dump", *slow_once, more=DAILY))
    with daemon(config) as first:
        first.wait(marker.exists)
        (launch,) = first.running()
        assert first.end() == 0
        nobody_is_left_of([launch])
    ((outcome, _),) = runs(config, "dump")
    assert outcome == "failed"
    assert not (tmp_path / "state" / "control.sock").exists()
    with daemon(config) as second:
        second.wait(lambda: second.ended("dump"))
    assert launches(config) == [("dump", "failed", 1), ("dump", "ok", 2)]


def test_a_broken_configuration_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=NEVER))
    sound = config.read_text()
    with daemon(config) as running:
        write(config, sound + "\n[jobs.Bad]\n")
        running.process.send_signal(signal.SIGHUP)
        running.wait(lambda: running.ask(verb="status")["status"]["refused"])
        assert "error" in running.ask(verb="reload")
        running.ask(verb="run", jobs=["dump"])
        running.wait(lambda: running.ended("dump"))
        assert running.ended("dump")[0]["state"] == "ok"
        write(config, sound + command_job("other", "date", more=NEVER))
        running.process.send_signal(signal.SIGHUP)
        running.wait(lambda: "error" not in running.ask(verb="run", jobs=["other"]))
        assert running.ask(verb="status")["status"]["refused"] == ""
        running.wait(lambda: running.ended("other"))


def test_a_daemon_that_would_have_to_move_says_that_it_must_be_restarted(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=NEVER))
    with daemon(config) as running:
        write(config, config.read_text().replace('host = "web1"', 'host = "web2"'))
        refusal = running.ask(verb="reload")["error"]
        assert "host cannot change while the daemon runs" in refusal["message"]
        assert "Restart it" in refusal["hint"]


def test_a_state_dir_has_one_daemon(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=NEVER))
    with daemon(config) as running:
        in_force = running.state / "configuration-in-force.toml"
        before = in_force.read_text()
        write(config, f"{config.read_text()}\n# not in force")
        refused = drorch("-c", config, "daemon", status=61)
        assert b"a daemon works with state_dir" in refused.stderr
        assert in_force.read_text() == before, "what workers go by has changed"


def test_a_configuration_that_leads_in_circles_ends_nothing(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=NEVER))
    with daemon(config) as running:
        config.unlink()
        config.symlink_to(config)
        running.process.send_signal(signal.SIGHUP)
        running.wait(lambda: "the configuration in force stays" in running.text)
        assert running.ask(verb="hello")["hello"]["config"] == str(config)
        running.ask(verb="run", jobs=["dump"])
        running.wait(lambda: running.ended("dump"))
        assert running.ended("dump")[0]["state"] == "ok"


def test_a_monitor_that_cannot_be_asked_for_holds_up_no_start(tmp_path: Path) -> None:
    ping = f"""ping = {{ command = ["sh", "-c", "echo $$ >> {tmp_path}/pids; exec sleep 600"] }}"""
    jobs = "".join(command_job(f"dump{number}", "date", more=f"{NEVER}\n{ping}") for number in range(3))
    config = install(tmp_path, jobs)
    with daemon(config) as running:
        running.ask(verb="run", jobs=["dump0"])
        running.wait(lambda: running.ended("dump0"))
        assert running.ended("dump0")[0]["state"] == "ok"
        assert running.end() == 0
        said = running.text
    (asked,) = map(int, (tmp_path / "pids").read_text().split())
    assert not lives(asked), "what the daemon started outlives it"
    assert "ping" not in said, "a command that the end of the daemon ended is no news"


def test_a_command_of_a_killed_daemon_is_ended_by_the_next(tmp_path: Path) -> None:
    deaf = f"trap '' TERM HUP INT; echo $$ >> {tmp_path}/pids; setsid sleep 600"
    ping = f"ping = {{ command = {json.dumps(['sh', '-c', deaf])} }}"
    config = install(tmp_path, command_job("dump", "date", more=f"{NEVER}\n{ping}"))
    with daemon(config) as first:
        first.wait(lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text())
        first.end(signal.SIGKILL)
    (left,) = map(int, (tmp_path / "pids").read_text().split())
    assert lives(left)
    with daemon(config) as second:
        assert not lives(left)
        second.wait(lambda: len((tmp_path / "pids").read_text().split()) == 2)
        assert second.end() == 0
    assert not any(lives(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_a_machine_that_has_no_thread_left_keeps_the_daemon_from_nothing(tmp_path: Path) -> None:
    ping = 'ping = { command = ["echo", "https://127.0.0.1:9/capability"] }'
    config = install(tmp_path, command_job("dump", "date", more=f"{NEVER}\n{ping}"))
    # There is room for all but the stack that each thread would have (pthread_create(3)).
    with closing(Daemon(config, prefix=("prlimit", f"--stack={1 << 30}:", f"--as={1 << 29}:"))) as running:
        running.wait_until_ready()
        assert "monitors are told as before" in running.text
        endless = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(running.pid, resource.RLIMIT_AS, endless)
        running.process.send_signal(signal.SIGHUP)
        running.wait(lambda: "the configuration was read anew" in running.text)
        running.ask(verb="run", jobs=["dump"])
        running.wait(lambda: running.ended("dump"))
        assert running.ended("dump")[0]["state"] == "ok"
        assert running.end() == 0


def test_a_worker_has_no_secret_but_its_jobs_own(tmp_path: Path) -> None:
    config = install(
        tmp_path,
        command_job("dump", "sleep", "1000", more=NEVER),
        targets=("one", "two"),
    )
    text = config.read_text()
    for name in ("one", "two"):
        path = f'path = "{tmp_path}/{name}"\n        password = {{ file = "{tmp_path}/password" }}'
        assert path in text
        text = text.replace(
            path, f'path = "{tmp_path}/{name}"\n        password = {{ env = "PASSWORD_{name.upper()}" }}'
        )
    write(config, text)
    secrets = {"PASSWORD_ONE": (tmp_path / "password").read_text(), "PASSWORD_TWO": "another", "OTHER": "thing"}
    with daemon(config, secrets) as running:
        running.ask(verb="run", jobs=["dump"])
        running.wait(lambda: runs(config, "dump"))
        ((worker,),) = rows(config, "select pid from launch where state = 'running'")
        names = {pair.partition(b"=")[0] for pair in Path(f"/proc/{worker}/environ").read_bytes().split(b"\0")}
        assert b"PASSWORD_ONE" in names
        assert not names & {b"PASSWORD_TWO", b"OTHER", b"NOTIFY_SOCKET"}
        argv = Path(f"/proc/{worker}/cmdline").read_bytes()
        assert b"password" not in argv.lower()


def test_a_second_launch_waits_and_a_third_is_skipped(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waits = ["sh", "-c", f"while ! test -e {gate}; do sleep 0.1; done; date"]
    config = install(tmp_path, command_job("dump", *waits, more=NEVER))
    with daemon(config) as running:
        running.ask(verb="run", jobs=["dump"])
        running.wait(running.running)
        (second,) = running.ask(verb="run", jobs=["dump"])["run"]
        (third,) = running.ask(verb="run", jobs=["dump"])["run"]
        assert second["state"] == "queued"
        assert third["state"] == "skipped"
        assert third["reason"] == "a launch of dump waits already"
        gate.touch()
        running.wait(lambda: len(running.ended("dump")) == 3)
    assert sorted(state for _, state, _ in launches(config)) == ["ok", "ok", "skipped"]


def test_what_is_cancelled_ends_and_what_waits_never_begins(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "sleep", "1000", more=NEVER))
    with daemon(config) as running:
        running.ask(verb="run", jobs=["dump"])
        running.wait(lambda: runs(config, "dump"))
        running.ask(verb="run", jobs=["dump"])
        assert len(running.ask(verb="cancel", what="dump")["cancel"]) == 2
        running.wait(lambda: len(running.ended("dump")) == 2)
        assert "error" in running.ask(verb="cancel", what="dump")
    assert sorted(launches(config)) == [("dump", "cancelled", 1), ("dump", "skipped", 1)]
    assert runs(config, "dump") == [("cancelled", "hand")]
    assert any("cancelled it" in message for message in messages(config))
    assert rows(config, "select * from finding") == []
    shown = drorch("-c", config, "status").stdout.decode()
    assert "dump@one: its last run came to nothing: it was stopped:" in shown
    assert "cancelled, " in shown


def test_what_is_cancelled_does_not_heal_what_was_overdue(tmp_path: Path) -> None:
    """A run that makes up for missed days, and is cancelled, leaves the job overdue: nothing was saved."""
    gate = tmp_path / "gate"
    slow = ["sh", "-c", f"touch {gate}; sleep 1000"]
    config = install(tmp_path, command_job("dump", *slow, more=DAILY))
    assert b"OVERDUE" in drorch("-c", config, "status", status=70).stdout
    with daemon(config) as running:
        running.wait(gate.exists)
        running.ask(verb="cancel", what="dump")
        running.wait(lambda: running.ended("dump"))
        assert running.ended("dump")[0]["state"] == "cancelled"
    assert b"OVERDUE" in drorch("-c", config, "status", status=70).stdout
    assert rows(config, "select kind from finding where kind = 'run-failed'") == []


def test_a_pause_keeps_schedules_back_over_a_restart(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=DAILY))
    drorch("-c", config, "pause", "dump")
    with daemon(config) as first:
        time.sleep(1)
        assert first.ended() == []
        assert first.ask(verb="status")["status"]["pauses"][0]["job"] == "dump"
    with daemon(config) as second:
        assert second.ask(verb="resume", jobs=["dump"])["resume"]
        second.wait(lambda: second.ended("dump"))
    assert [state for _, state, _ in launches(config)] == ["ok"]


def test_a_check_of_maintenance_reads_the_next_part_each_time(tmp_path: Path) -> None:
    jobs = command_job("dump", "date", more=NEVER)
    maintenance = """
        [maintenance.one]
        check = { schedule = "@daily", parts = 2 }
        """
    config = install(tmp_path, jobs + maintenance)
    drorch("-c", config, "run", "dump")
    with daemon(config) as running:
        running.wait(lambda: running.ended("one"))
        assert running.ended("one")[0]["state"] == "ok"
    assert rows(config, "select kind, outcome, trigger from run where kind = 'check'") == [("check", "ok", "schedule")]


def test_a_catalog_that_cannot_be_opened_keeps_nothing_from_running(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=DAILY))
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state" / "catalog.sqlite").write_bytes(b"this is no database" * 100)
    with daemon(config) as running:
        running.wait(lambda: running.ended("dump"))
        assert running.ended("dump")[0]["state"] == "ok"
    assert len(json.loads(drorch("-c", config, "-t", "one", "snapshots", "--json").stdout)) >= 1


def test_a_terminal_is_told_in_lines_for_people(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=DAILY))
    leader, follower = os.openpty()
    process = subprocess.Popen(
        command_line("-c", config, "daemon"), stderr=follower, stdin=subprocess.DEVNULL, env=environment()
    )
    os.close(follower)
    said = b""
    while b"job dump: ok" not in said:
        said += os.read(leader, 4096)
    process.terminate()
    assert process.wait(60) == 0
    os.close(leader)
    assert b"{" not in said
    assert b"the daemon works: 1 line" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_daemon_at_once(tmp_path: Path, number: signal.Signals) -> None:
    config = install(tmp_path, command_job("dump", "date", more=NEVER))
    with daemon(config) as running:
        began = time.monotonic()
        assert running.end(number) == 0
        assert time.monotonic() - began < 10


def test_a_catalog_that_somebody_holds_locked_holds_nothing_up(tmp_path: Path) -> None:
    config = install(tmp_path, command_job("dump", "date", more=NEVER))
    with daemon(config) as running, closing(sqlite3.connect(tmp_path / "state" / "catalog.sqlite")) as held:
        held.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert [one["state"] for one in running.ask(verb="run", jobs=["dump"])["run"]] == ["queued"]
        assert time.monotonic() - began < 20
        held.execute("ROLLBACK")
        running.wait(lambda: running.ended("dump"))
        assert running.ended("dump")[0]["state"] == "ok"
