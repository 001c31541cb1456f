"""Callers that break every rule: each is told so in one line or given up, and everybody else is served meanwhile."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from drorch.orchestrator.control.caller import LONGEST_LINE, PATIENCE_SECONDS
from drorch.orchestrator.control.server import MOST_AT_ONCE, MOST_CALLERS
from tests.orchestrator.control.desk import Line, Served, served


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "control.sock") as open_desk:
        yield open_desk


def assert_served(desk: Served) -> None:
    with desk.call() as called:
        assert "hello" in called.ask(verb="hello")


@pytest.mark.parametrize(
    "said",
    [
        b"\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00\xff\xfe\n",
        b'{"verb":"status"\n',
        b"[" * 60_000 + b"\n",
        b'["status"]\n',
        b"null\n",
        b'{"verb":"pause","for":' + b"9" * 60_000 + b"}\n",
    ],
)
def test_garbage_is_answered_once_and_hung_up_on(desk: Served, said: bytes) -> None:
    with desk.call() as called:
        called.connection.sendall(said)
        assert called.hear()["error"]["code"] == 64
        assert called.hear() == {}
    assert_served(desk)
    assert desk.desk.asked == []


@pytest.mark.parametrize(
    "request_",
    [
        {"verb": "shutdown"},
        {"verb": "Status"},
        {"verb": ["run"]},
        {"verb": None},
        {"verb": "status", "config": "/etc/shadow"},
        {"verb": "reload", "config": "/tmp/jobs.toml"},
        {"verb": "run", "jobs": []},
        {"verb": "run"},
        {"verb": "run", "jobs": "homes"},
        {"verb": "run", "jobs": ["../../etc/passwd"]},
        {"verb": "run", "jobs": ["homes\n"]},
        {"verb": "run", "jobs": ["Homes"]},
        {"verb": "run", "jobs": [{"name": "homes"}]},
        {"verb": "run", "jobs": ["homes"] * 501},
        {"verb": "run", "jobs": ["x" * 65]},
        {"verb": "run", "jobs": ["homes"], "target": "/srv"},
        {"verb": "run", "jobs": ["homes"], "target": "@state"},
        {"verb": "run", "jobs": ["homes"], "follow": 1},
        {"verb": "run", "jobs": ["homes"], "command": ["rm"]},
        {"verb": "pause", "for": -1},
        {"verb": "pause", "for": 0},
        {"verb": "pause", "for": True},
        {"verb": "pause", "for": "2h"},
        {"verb": "pause", "for": float("nan")},
        {"verb": "pause", "for": float("inf")},
        {"verb": "pause", "reason": "two\nlines"},
        {"verb": "pause", "reason": "\x1b[2J"},
        {"verb": "pause", "reason": "x" * 201},
        {"verb": "pause", "reason": None},
        {"verb": "resume", "jobs": ["%s"]},
        {"verb": "cancel"},
        {"verb": "cancel", "what": "*"},
        {"verb": "cancel", "what": ""},
        {"verb": "cancel", "what": "x" * 60_000},
    ],
)
def test_what_is_not_on_offer_is_refused_in_one_line(desk: Served, request_: dict[str, object]) -> None:
    with desk.call() as called:
        refused = called.ask(**request_)["error"]
        assert refused["code"] == 64
        assert refused["message"].isascii()
        assert len(refused["message"]) < 200
        assert "\n" not in refused["message"]
        assert "hello" in called.ask(verb="hello")
    assert desk.desk.asked == []


def test_a_line_without_end_is_cut_off(desk: Served) -> None:
    with desk.call() as called:
        called.connection.sendall(b"x" * LONGEST_LINE)
        assert_served(desk)
        called.connection.sendall(b"x")
        assert "no end" in called.hear()["error"]["message"]
        assert called.hear() == {}


def test_a_line_that_trickles_in_is_not_waited_for(desk: Served) -> None:
    with desk.call() as called:
        desk.until(lambda: desk.server.callers == 1)
        for second in range(1, 5):
            called.connection.sendall(b" ")
            desk.now = second * PATIENCE_SECONDS / 3
            desk.do(lambda: None)
        assert called.hear() == {}
    assert_served(desk)


def test_who_asks_without_end_is_hung_up_on(desk: Served) -> None:
    with desk.call() as called:
        called.connection.sendall(b'{"verb":"hello"}\n' * (MOST_AT_ONCE + 1))
        answers = [called.hear() for _ in range(MOST_AT_ONCE)]
        assert all("hello" in answer for answer in answers)
        assert "too many" in called.hear()["error"]["message"]
        assert called.hear() == {}


def test_who_takes_nothing_holds_up_nobody_and_is_given_up(desk: Served) -> None:
    with desk.call() as slow, desk.call() as other:
        slow.ask(verb="run", jobs=["homes"], follow=True)
        other.ask(verb="run", jobs=["orders"], follow=True)
        homes, orders = desk.desk.launches

        def flood() -> None:
            for _ in range(100):
                desk.server.tell(homes.id, {"log": {"message": "x" * 50_000}})
            desk.server.tell(orders.id, {"log": {"message": "still here"}})

        desk.do(flood)
        assert other.hear()["log"]["message"] == "still here"
        desk.until(lambda: desk.server.callers == 1)
        taken = 0
        while slow.connection.recv(1 << 20):
            taken += 1
        assert taken
    assert_served(desk)


def test_news_is_left_out_for_who_is_behind(desk: Served) -> None:
    with desk.call() as slow:
        slow.ask(verb="run", jobs=["homes"], follow=True)
        [launch] = desk.desk.launches

        def flood() -> None:
            for number in range(5000):
                desk.server.tell(launch.id, {"progress": {"files_done": number, "current": "x" * 1000}})
            desk.server.tell(launch.id, {"told": "all of it"})

        desk.do(flood)
        heard = 0
        while "told" not in slow.hear():
            heard += 1
        assert 0 < heard < 5000
        assert desk.server.callers == 1


def test_who_does_not_take_an_answer_in_time_is_given_up(desk: Served) -> None:
    with desk.call() as slow:
        slow.ask(verb="run", jobs=["homes"], follow=True)
        [launch] = desk.desk.launches
        for _ in range(15):
            desk.do(lambda: desk.server.tell(launch.id, {"log": "x" * 60_000}))
        assert desk.server.callers == 1
        desk.now += 1
        desk.do(lambda: None)
        desk.now += 2 * PATIENCE_SECONDS
        desk.until(lambda: desk.server.callers == 0)


def test_there_is_room_for_so_many_and_no_more(desk: Served) -> None:
    lines = [desk.call() for _ in range(MOST_CALLERS)]
    try:
        desk.until(lambda: desk.server.callers == MOST_CALLERS)
        with desk.call() as more:
            assert "others" in more.hear()["error"]["message"]
            assert more.hear() == {}
        assert "hello" in lines[-1].ask(verb="hello")
        lines.pop().close()
        desk.until(lambda: desk.server.callers == MOST_CALLERS - 1)
        assert_served(desk)
    finally:
        for line in lines:
            line.close()


def test_who_hangs_up_in_the_middle_is_forgotten(desk: Served) -> None:
    for said in (b"", b'{"verb":', b'{"verb":"status"}\n{"verb"'):
        called = desk.call()
        called.connection.sendall(said)
        called.close()
    follower = desk.call()
    follower.ask(verb="run", jobs=["homes"], follow=True)
    follower.close()
    desk.until(lambda: desk.server.callers == 0)
    [launch] = desk.desk.launches
    desk.do(lambda: desk.server.tell(launch.id, {"log": "nobody hears"}))
    assert_served(desk)


def test_a_descriptor_that_is_sent_along_is_not_kept(desk: Served, tmp_path: Path) -> None:
    with desk.call() as called, (tmp_path / "file").open("wb") as file:
        socket.send_fds(called.connection, [json.dumps({"verb": "hello"}).encode() + b"\n"], [file.fileno()])
        assert "hello" in called.hear()
    names = [path.readlink().name for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    assert "file" not in names


def test_a_caller_that_is_told_while_it_is_answered(desk: Served) -> None:
    def ran(launch: object) -> None:
        desk.server.tell("0" * 32, {"log": str(launch)})

    desk.desk.ran = ran
    with desk.call() as first, desk.call() as second:
        assert isinstance(first, Line)
        second.close()
        assert "run" in first.ask(verb="run", jobs=["homes"], follow=True)
