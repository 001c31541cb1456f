"""The daemon's socket, asked by callers that keep to the rules."""

import getpass
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from drorch.clock import SystemClock
from drorch.errors import ConfigError, Problem
from drorch.model.launch import LaunchState
from drorch.orchestrator.control.caller import PATIENCE_SECONDS
from drorch.orchestrator.control.contract import PauseOrder, RunOrder
from drorch.orchestrator.control.wording import heard_standing
from tests.orchestrator.control.desk import Line, Served, launch_of, served

NOBODY = """
import os, socket
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
line = socket.socket(socket.AF_UNIX)
try:
    line.connect("control.sock")
except PermissionError:
    print("refused", end="")
else:
    line.sendall(b'{"verb":"resume"}\\n')
    print(line.recv(1000).decode(), end="")
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "control.sock") as open_desk:
        yield open_desk


@pytest.fixture
def line(desk: Served) -> Iterator[Line]:
    with desk.call() as called:
        yield called


def test_hello_is_answered_with_who_it_is(desk: Served, line: Line) -> None:
    said = line.ask(verb="hello")["hello"]
    assert said == {
        "version": "1.0",
        "config": str(desk.desk.who.config),
        "state_dir": str(desk.desk.who.state_dir),
        "digest": "d" * 64,
    }


def test_status_travels_whole(desk: Served, line: Line) -> None:
    desk.desk.launches.append(launch_of("homes", state=LaunchState.RUNNING))
    line.ask(verb="pause", jobs=["orders"], reason="moving")
    assert heard_standing(line.ask(verb="status")["status"]) == desk.desk.standing()


def test_whoever_asks_is_named_by_the_kernel(desk: Served, line: Line) -> None:
    line.ask(verb="run", jobs=["homes", "homes"], target="onsite")
    [(verb, order, doer)] = desk.desk.asked
    assert (verb, order) == ("run", RunOrder(("homes",), "onsite"))  # type: ignore[arg-type]
    assert (doer.uid, doer.user, doer.tty) == (os.getuid(), getpass.getuser(), "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_another_user_is_named_as_that_one(desk: Served, tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    assert ask_as_nobody(tmp_path) == b"refused"
    assert desk.desk.asked == []
    desk.path.chmod(0o666)
    assert ask_as_nobody(tmp_path).startswith(b'{"resume":')
    assert [doer.uid for _verb, _order, doer in desk.desk.asked] == [65534]


def ask_as_nobody(folder: Path) -> bytes:
    done = subprocess.run([sys.executable, "-c", NOBODY], cwd=folder, stdout=subprocess.PIPE, check=True, timeout=60)
    return done.stdout


def test_what_is_followed_is_told_until_it_has_ended(desk: Served, line: Line) -> None:
    launches = line.ask(verb="run", jobs=["homes", "orders"], follow=True)["run"]
    first, second = desk.desk.launches
    assert [one["id"] for one in launches] == [first.id, second.id]

    def tell() -> None:
        desk.server.tell(first.id, {"progress": {"kind": "backup"}})
        desk.server.tell("0" * 32, {"log": {"message": "of another launch"}})
        desk.server.tell_end(replace(second, state=LaunchState.FAILED, exit_code=None, reason="killed"))
        desk.server.tell(second.id, {"log": {"message": "too late"}})
        desk.server.tell_end(replace(first, state=LaunchState.OK, exit_code=0))

    desk.do(tell)
    assert line.hear() == {"launch": first.id, "progress": {"kind": "backup"}}
    assert line.hear() == {"launch": second.id, "ended": None, "state": "failed", "reason": "killed"}
    assert line.hear() == {"launch": first.id, "ended": 0, "state": "ok", "reason": ""}
    assert "hello" in line.ask(verb="hello")


def test_what_comes_to_nothing_at_once_has_ended_at_once(desk: Served, line: Line) -> None:
    desk.desk.skipped = "it waits already"
    [launch] = line.ask(verb="run", jobs=["homes"], follow=True)["run"]
    assert line.hear() == {"launch": launch["id"], "ended": 61, "state": "skipped", "reason": "it waits already"}


def test_without_follow_nothing_more_is_told(desk: Served, line: Line) -> None:
    line.ask(verb="run", jobs=["homes"])
    [launch] = desk.desk.launches
    desk.do(lambda: desk.server.tell_end(launch))
    assert "hello" in line.ask(verb="hello")


def test_a_pause_ends_after_its_span(desk: Served, line: Line) -> None:
    now = SystemClock().now()
    line.ask(verb="pause", jobs=["homes"], reason="moving house", **{"for": 7200})
    [(_, order, _doer)] = desk.desk.asked
    assert isinstance(order, PauseOrder)
    assert order.until is not None
    assert timedelta(hours=2) <= order.until - now < timedelta(hours=2, minutes=5)
    assert order.reason == "moving house"
    [ended] = line.ask(verb="resume", jobs=["homes"])["resume"]
    assert (ended["job"], ended["reason"]) == ("homes", "moving house")


def test_a_refusal_says_why_and_what_to_type(line: Line) -> None:
    refused = line.ask(verb="run", jobs=["homs"])["error"]
    assert "homs" in refused["message"]
    assert (refused["code"], refused["hint"]) == (4, "Its jobs: homes, orders.")
    assert line.ask(verb="run", jobs=["busy"])["error"]["code"] == 61
    assert line.ask(verb="cancel", what="dead")["error"]["code"] == 64
    assert "hello" in line.ask(verb="hello")


def test_a_broken_configuration_is_told_fault_by_fault(desk: Served, line: Line) -> None:
    faults = [Problem(f"jobs.toml:{number}", "wrong") for number in range(100)]
    desk.desk.broken = ConfigError("jobs.toml has 100 faults", problems=faults)
    refused = line.ask(verb="reload")["error"]
    assert (refused["code"], refused["problems"][0], len(refused["problems"])) == (4, ["jobs.toml:0", "wrong"], 20)
    desk.desk.broken = None
    assert line.ask(verb="reload")["reload"]["digest"] == "d" * 64


def test_who_says_nothing_is_given_up_but_not_who_follows(desk: Served) -> None:
    with desk.call() as idle, desk.call() as follower:
        follower.ask(verb="run", jobs=["homes"], follow=True)
        desk.until(lambda: desk.server.callers == 2)
        turns = desk.turns
        desk.now += PATIENCE_SECONDS + 1
        desk.do(lambda: desk.server.tick(desk.now + PATIENCE_SECONDS + 1))
        assert idle.hear() == {}
        assert desk.server.callers == 1
        [launch] = desk.desk.launches
        desk.do(lambda: desk.server.tell_end(launch))
        beats = list(iter(lambda: "alive" in follower.hear(), False))
        assert beats
        assert desk.turns - turns < 10


def test_who_asks_and_hangs_up_half_is_answered(desk: Served) -> None:
    with desk.call() as called:
        called.connection.sendall(b'{"verb":"hello"}\n')
        called.connection.shutdown(socket.SHUT_WR)
        assert "hello" in called.hear()
        assert called.hear() == {}
    desk.until(lambda: desk.server.callers == 0)


def test_the_loop_rests_while_nobody_asks(desk: Served, line: Line) -> None:
    line.ask(verb="run", jobs=["homes"], follow=True)
    desk.do(lambda: None)
    turns = desk.turns
    desk.do(lambda: None)
    desk.do(lambda: None)
    assert desk.turns == turns
