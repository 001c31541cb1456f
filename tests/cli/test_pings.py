"""Monitors outside hear of jobs, whoever runs them, and whatever becomes of them costs no run anything."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.commandline import command_line, drorch, environment
from tests.cli.daemons import command_job, daemon, install
from tests.servers.monitor import MonitorServer

NEVER = 'schedule = "0 0 1 1 *"'


def test_a_run_by_hand_is_told_to_its_monitor(tmp_path: Path) -> None:
    with MonitorServer() as server:
        well = command_job("well", "date", more=f'ping = "{server.url}/well"')
        ill = command_job("ill", "false", more=f'ping = "{server.url}/ill"')
        config = install(tmp_path, well + ill)
        drorch("-c", config, "run", "well")
        drorch("-c", config, "run", "ill", status=31)
        heard = [one.path.partition("?")[0] for one in server.wait_for(4)]
        assert heard == ["/well/start", "/well", "/ill/start", "/ill/fail"]


def test_who_types_control_c_gets_no_alarm(tmp_path: Path) -> None:
    with MonitorServer() as server:
        jobs = command_job("slow", "sleep", "600", more=f'ping = "{server.url}/slow"')
        jobs += command_job("well", "date", more=f'ping = "{server.url}/well"')
        config = install(tmp_path, jobs)
        with subprocess.Popen(command_line("-c", config, "run", "slow"), env=environment(), stderr=-1) as child:
            server.wait_for(1)
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=60)
        assert child.returncode == 130
        drorch("-c", config, "run", "well")
        heard = [one.path.partition("?")[0] for one in server.wait_for(3)]
        assert heard == ["/slow/start", "/well/start", "/well"]
    shown = drorch("-c", config, "status").stdout.decode()
    assert "slow@one: its last run came to nothing: it was stopped: somebody cancelled it" in shown
    assert drorch("-c", config, "findings", "list", "--json").stdout == b""


@pytest.mark.parametrize("behaviour", ["500", "reset", "hang"])
def test_a_monitor_that_fails_fails_no_run(tmp_path: Path, behaviour: str) -> None:
    with MonitorServer() as server:
        server.behaviour = behaviour  # type: ignore[assignment]
        config = install(tmp_path, command_job("well", "date", more=f'ping = "{server.url}/capability"'))
        done = drorch("-c", config, "run", "well")
        assert b"capability" not in done.stdout + done.stderr


def test_the_daemon_tells_the_monitors_of_its_jobs_and_its_own(tmp_path: Path) -> None:
    with MonitorServer() as server:
        fails = ("sh", "-c", "echo nothing works >&2; exit 1")
        ill = command_job("ill", *fails, more=f'{NEVER}\nping = "{server.url}/ill"')
        config = install(tmp_path, ill + f'\n[daemon]\nping = "{server.url}/own"\n')
        with daemon(config) as running:
            (launch,) = (one["id"] for one in running.ask(verb="run", jobs=["ill"])["run"])
            running.wait(lambda: len(server.heard) >= 3)
        heard = {one.path.partition("?")[0].rpartition("/")[2]: one for one in server.heard}
        assert set(heard) == {"own", "start", "fail"}
        assert heard["fail"].query.replace("-", "") == f"rid={launch}"
        assert "nothing works" in heard["fail"].body
