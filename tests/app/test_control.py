"""A command finds the daemon that is meant, and never waits for one without end."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from drorch.actions.progress import Step
from drorch.app import configuration as app_configuration
from drorch.app.control.connection import (
    Advanced,
    Complained,
    Connection,
    Followed,
    LaunchEnded,
    Noted,
    RunTold,
    connected,
)
from drorch.app.control.reaching import Surroundings, reached, system_socket
from drorch.app.told import Told
from drorch.clock import SystemClock
from drorch.config.location import Search, User
from drorch.errors import ConfigError, DaemonUnavailable, DrorchError, JobBusy, UsageError
from drorch.model.launch import Launch, LaunchState
from drorch.model.run import Run, RunKind, RunOutcome
from drorch.orchestrator.control.contract import Identity
from drorch.orchestrator.control.listener import listen
from drorch.orchestrator.control.wording import NotUnderstood
from tests.orchestrator.control.desk import NOON, Desk, Served, launch_of, served

NOBODY = """
import os, pathlib, sys
from drorch.app.control.connection import connected
from drorch.errors import DaemonUnavailable
os.chdir(sys.argv[1])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
try:
    connected(pathlib.Path("control.sock"))
except DaemonUnavailable as fault:
    print(fault.message)
"""
RUN = Run("a" * 32, "homes", RunKind.BACKUP, "web1", NOON, "onsite", NOON, RunOutcome.FAILED)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "control.sock") as open_desk:
        yield open_desk


@pytest.fixture
def daemon(desk: Served) -> Iterator[Connection]:
    with Connection(desk.path) as connection:
        yield connection


def test_questions_are_answered_with_values(desk: Served, daemon: Connection) -> None:
    assert daemon.identity == desk.desk.who
    desk.desk.launches.append(launch_of("homes"))
    assert daemon.standing() == desk.desk.standing()
    [pause] = daemon.pause(["homes"], timedelta(hours=2), "moving")
    assert (pause.job, pause.reason) == ("homes", "moving")
    assert daemon.resume([]) == [pause]
    assert daemon.cancel("homes") == desk.desk.launches
    assert daemon.reload() == desk.desk.who


def test_what_is_refused_is_the_error_that_it_is(desk: Served, daemon: Connection) -> None:
    with pytest.raises(ConfigError, match="homs") as refused:
        daemon.run(["homs"], None)
    assert refused.value.hint == "Its jobs: homes, orders."
    with pytest.raises(JobBusy):
        daemon.run(["busy"], None)
    with pytest.raises(UsageError):
        daemon.cancel("dead")
    with pytest.raises(UsageError):
        daemon.run(["../etc"], None)
    assert daemon.standing().going == ()
    assert [verb for verb, *_ in desk.desk.asked] == ["run", "cancel"]


def all_of(followed: Followed) -> tuple[list[object], threading.Thread]:
    heard: list[object] = []
    thread = threading.Thread(target=lambda: heard.extend(followed))
    thread.start()
    return heard, thread


def test_all_that_happens_to_launches_is_told(desk: Served, daemon: Connection) -> None:
    followed = daemon.run(["homes", "orders"], "onsite")
    homes, orders = desk.desk.launches
    heard, thread = all_of(followed)
    told = Told(RUN, 20)

    def tell() -> None:
        server = desk.server
        server.tell(homes.id, {"progress": {"kind": "backup", "target": "onsite", "files_done": 3, "current": "/a"}})
        server.tell(homes.id, {"log": {"level": "note", "message": "trying again"}})
        server.tell(homes.id, {"complaint": "no catalog"})
        server.tell(homes.id, {"mood": "unknown here"})
        server.tell(homes.id, {"told": told.document()})
        server.tell_end(replace(homes, state=LaunchState.FAILED, exit_code=20, reason="no answer"))
        server.tell_end(replace(orders, state=LaunchState.SKIPPED, reason="waits already"))

    desk.do(tell)
    thread.join(60)
    assert heard == [
        Advanced(homes.id, "backup", "onsite", Step(files_done=3, current="/a")),
        Noted("trying again"),
        Complained("no catalog"),
        RunTold(homes.id, told),
        LaunchEnded(homes, 20, "no answer"),
        LaunchEnded(orders, 61, "waits already"),
    ]


def test_a_launch_that_died_counts_as_a_fault(desk: Served, daemon: Connection) -> None:
    followed = daemon.run(["homes"], None)
    [launch] = desk.desk.launches
    heard, thread = all_of(followed)
    desk.do(lambda: desk.server.tell_end(replace(launch, state=LaunchState.FAILED, reason="killed by SIGKILL")))
    thread.join(60)
    assert heard == [LaunchEnded(launch, 1, "killed by SIGKILL")]


def test_what_is_cancelled_is_waited_for(desk: Served, daemon: Connection) -> None:
    followed = daemon.run(["homes"], None)
    [launch] = desk.desk.launches
    stopped: list[Launch] = []

    def end(one: Launch) -> None:
        stopped.append(one)
        threading.Timer(0.3, lambda: desk.do(desk.desk.launches.clear)).start()

    desk.desk.stopped = end
    followed.cancel(SystemClock())
    assert stopped == [launch]
    assert desk.desk.launches == []


def test_a_daemon_that_ends_is_told_from_one_that_says_so(tmp_path: Path) -> None:
    with served(tmp_path / "control.sock") as desk:
        daemon = Connection(desk.path)
        followed = daemon.run(["homes"], None)
    with daemon, pytest.raises(DaemonUnavailable, match="hung up"):
        list(followed)


def test_nobody_is_there(tmp_path: Path) -> None:
    assert connected(tmp_path / "control.sock") is None
    assert connected(tmp_path / "no" / "control.sock") is None
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / "left.sock"))
    left.close()
    assert connected(tmp_path / "left.sock") is None


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_socket_that_is_closed_to_this_user_is_told_of(desk: Served, tmp_path: Path) -> None:
    tmp_path.chmod(0o711)
    done = subprocess.run([sys.executable, "-c", NOBODY, tmp_path], capture_output=True, check=True, timeout=60)
    assert b"control.sock is closed to you" in done.stdout
    assert desk.desk.asked == []


HELLO = {"hello": {"version": "9", "config": "/c", "state_dir": "/s", "digest": "d"}}


@pytest.mark.parametrize(
    ("answers", "fault"),
    [
        ([], DaemonUnavailable),
        ([b"garbage\n"], NotUnderstood),
        ([b"[]\n"], NotUnderstood),
        ([b'{"hello":{}}\n'], NotUnderstood),
        ([b'{"hello":"you"}\n'], NotUnderstood),
        ([b'{"bye":{}}\n'], NotUnderstood),
        ([b'{"error":"no"}\n'], NotUnderstood),
        ([b'{"error":{"message":"m","hint":null,"code":99,"problems":[]}}\n'], DrorchError),
        ([b"x" * 5_000_000], DaemonUnavailable),
        ([json.dumps(HELLO).encode() + b"\n", b'{"status":{"pid":"x"}}\n'], NotUnderstood),
        ([json.dumps(HELLO).encode() + b"\n", b'{"sta'], DaemonUnavailable),
    ],
)
def test_whoever_answers_nonsense_is_found_out(tmp_path: Path, answers: list[bytes], fault: type[DrorchError]) -> None:
    with answering(tmp_path / "control.sock", answers) as path, pytest.raises(fault), Connection(path) as daemon:
        daemon.standing()


class answering:  # noqa: N801
    """A server that gives these answers, one for each piece it hears, and hangs up."""

    def __init__(self, path: Path, answers: list[bytes]) -> None:
        self._listener = listen(path)
        self._answers = answers
        self._thread = threading.Thread(target=self._answer)

    def __enter__(self) -> Path:
        self._listener.socket.settimeout(30)
        self._thread.start()
        return self._listener.path

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()

    def _answer(self) -> None:
        connection, _ = self._listener.socket.accept()
        with connection:
            connection.settimeout(30)
            for answer in self._answers:
                connection.recv(1000)
                try:
                    connection.sendall(answer)
                except OSError:
                    return


Writing = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Writing:
    tmp_path.chmod(0o700)

    def written(text: str = "", *, name: str = "jobs.toml") -> Path:
        file = tmp_path / name
        file.write_text(f'[drorch]\nstate_dir = "{tmp_path}/state"\n{text}')
        return file

    return written


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    """A user that is not root, in an empty folder, and a system of their own."""
    (tmp_path / "here").mkdir()
    user = User(os.geteuid() or 1000, os.getegid())
    return Surroundings(Search({}, user, tmp_path / "here", tmp_path / "etc"), tmp_path / "system.sock")


def of(file: Path, **more: Any) -> Identity:
    return replace(Identity("1.0", file, file.parent / "state", "d" * 64), **more)


def socket_of(file: Path) -> Path:
    return file.parent / "state" / "control.sock"


def test_the_daemon_of_the_same_configuration_is_meant(write: Writing, around: Surroundings) -> None:
    file = write()
    with served(socket_of(file), Desk(of(file))), reached(str(file), around) as found:
        assert found.daemon is not None
        assert found.configuration is not None
        assert found.is_outdated


def test_a_configuration_may_be_reached_by_another_name(write: Writing, around: Surroundings) -> None:
    file = write()
    link = file.parent / "link"
    link.symlink_to(file.parent)
    digest = app_configuration.load(str(file)).digest
    with served(socket_of(file), Desk(of(link / "jobs.toml", digest=digest))), reached(str(file), around) as found:
        assert found.daemon is not None
        assert not found.is_outdated


@pytest.mark.parametrize("other", [{"config": Path("/other.toml")}, {"state_dir": Path("/elsewhere")}])
def test_another_ones_daemon_is_not_asked(write: Writing, around: Surroundings, other: dict[str, Path]) -> None:
    file = write()
    with served(socket_of(file), Desk(of(file, **other))) as desk, reached(str(file), around) as found:
        assert found.daemon is None
        assert found.configuration is not None
        desk.until(lambda: desk.server.callers == 0)


def test_without_a_daemon_there_is_the_configuration(write: Writing, around: Surroundings) -> None:
    with reached(str(write()), around) as found:
        assert (found.daemon, found.fault) == (None, None)
        found.require_asked()


def test_a_socket_elsewhere_is_found(write: Writing, around: Surroundings, tmp_path: Path) -> None:
    file = write(f'[daemon]\nsocket = "{tmp_path}/elsewhere.sock"\n')
    with served(tmp_path / "elsewhere.sock", Desk(of(file))), reached(str(file), around) as found:
        assert found.daemon is not None


@pytest.mark.parametrize("text", ["unknown = 1\n", '[jobs.x]\ntargets = ["none"]\n'])
def test_the_daemon_of_a_configuration_with_faults_is_asked(write: Writing, around: Surroundings, text: str) -> None:
    file = write(text)
    with served(socket_of(file), Desk(of(file))), reached(str(file), around) as found:
        assert found.configuration is None
        assert isinstance(found.fault, ConfigError)
        assert found.daemon is not None
        assert found.is_outdated
    with served(socket_of(file), Desk(of(Path("/other")))), pytest.raises(ConfigError), reached(str(file), around):
        pass


def test_a_file_that_is_no_toml_leaves_the_systems_daemon(write: Writing, around: Surroundings) -> None:
    file = write("this is no TOML")
    with served(around.system, Desk(of(file))), reached(str(file), around) as found:
        assert found.daemon is not None
    with pytest.raises(ConfigError), reached(str(file), around):
        pass


def test_without_a_configuration_there_is_the_systems_daemon(around: Surroundings) -> None:
    with pytest.raises(ConfigError, match="there is no configuration"), reached(None, around):
        pass
    with served(around.system), reached(None, around) as found:
        assert found.configuration is None
        assert found.daemon is not None


def test_a_daemon_that_gives_no_answer_is_told_of(write: Writing, around: Surroundings) -> None:
    file = write()
    with answering(socket_of(file), []), reached(str(file), around) as found:
        assert found.configuration is not None
        with pytest.raises(DaemonUnavailable, match="hung up"):
            found.require_asked()


def test_the_systems_daemon_listens_below_run() -> None:
    assert system_socket() == Path("/run/drorch/control.sock")
